"""Trains on transformed examples and writes a SavedModel: the Trainer, its loop and what the loop uses.

The network is in `models`, the choice of devices in `devices`.
"""
