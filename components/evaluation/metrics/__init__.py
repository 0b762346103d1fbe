"""The metrics of each kind of answer, in a module named as the kind.

How their intervals are found stands in `components/evaluation/estimators.py`.
"""
