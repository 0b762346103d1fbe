"""Transform: text to wordpiece ids, in the graph that also serves.

Trimming, special tokens and padding are no part of it: see `components/models/bert/packing.py`.
"""
