"""The commands: one module each, started by `python -m pipeline.cli NAME`.

They read arguments and print; the work is done in the other rooms.
"""
