"""How a model is judged: metrics, their intervals, slices, and what TFMA's results hold.

The thresholds stand in the tasks; `pipeline/eval_config.py` hands them to TFMA, which refuses by them.
"""
