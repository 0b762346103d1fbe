"""Resolvers, which look up in ML Metadata what a run is compared with: a baseline, earlier statistics.

The Evaluator and DriftGate make the comparison.
"""
