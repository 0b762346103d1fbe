"""How a model is judged: metrics, their intervals, slices, and what TFMA's results hold.

What is refused by them is decided by thresholds, in `pipeline/eval_config.py`.
"""
