"""The wiring of the stages: it knows TFX, and never touches a tensor."""
