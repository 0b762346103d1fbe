"""Chooses hyperparameters by held-out train examples; it never reads those that the gate judges by.

Each of its trainings is the Trainer's: see `training`.
"""
