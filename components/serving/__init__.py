"""From an exported model to one that is served: the check before a push, the push, and who asks it.

What the exported model itself computes stands in `components/training/export.py`.
"""
