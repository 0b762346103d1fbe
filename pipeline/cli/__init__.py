"""The commands, one module each, started by `python -m pipeline.cli NAME`.

They read arguments and print results; other packages do the work.
"""
