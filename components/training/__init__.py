"""Transformed examples to a SavedModel: the Trainer, its loop and all that the loop uses.

The network stands in `models`, the devices in `devices`.
"""
