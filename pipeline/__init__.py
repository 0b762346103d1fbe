"""The wiring: knows TFX, never touches a tensor."""
