"""The network: the BERT encoder (`bert`) and the heads that turn its output into answers (`heads`).

Nothing here trains, evaluates or serves.
"""
