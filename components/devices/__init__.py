"""Which devices train, in which precision, and how much memory that takes.

Nothing here knows a head or a loss: see `training`.
"""
