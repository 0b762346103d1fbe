"""How a model is judged: metrics, their intervals, slices, and what TFMA's results hold.

The thresholds that a model has to meet are set in `pipeline/eval_config.py`.
"""
