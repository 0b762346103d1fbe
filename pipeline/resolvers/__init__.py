"""What a run is compared with, looked up in ML Metadata: the baseline, the last statistics.

The comparison itself is the Evaluator's and DriftGate's.
"""
