"""The metrics of each kind of answer, in a module that is named like the kind.

`components/evaluation/estimators.py` computes their intervals.
"""
