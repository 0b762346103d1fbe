"""The wiring of the stages: it knows TFX, and never touches a tensor."""

__version__ = "0.1.0"
