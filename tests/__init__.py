"""Tests, in the tree's own order."""

import components  # noqa: F401  Before TensorFlow: it chooses Keras 2.
