"""Which devices train, in which precision, and how much memory that takes.

It knows no head and no loss: see `training`.
"""
