"""One module for each task, with one value, TASK; `components/spec/registry.py` finds it by its name.

Nothing imports these modules, so they may use any other room.
"""
