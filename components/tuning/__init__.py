"""Hyperparameters chosen on held-out train examples; what the gate judges by is never read.

One training of it is the Trainer's: see `training`.
"""
