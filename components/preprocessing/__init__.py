"""Transform: turns text into wordpiece ids, in the graph that also serves.

It does not trim, pad or add special tokens: see `components/models/bert/packing.py`.
"""
