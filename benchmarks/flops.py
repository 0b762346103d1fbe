"""The operations that a BERT model needs, and those that a machine can do. Standard library only."""

import time
from collections.abc import Callable

_REPEATS = 8


def encoder_flops(length: int, layers: int, hidden: int, inner: int) -> float:
    """Returns the floating-point operations of a training step on one sequence, without padding.

    Two for each weight and token in a forward pass, and twice that in a backward pass
    (https://arxiv.org/abs/2001.08361, section 2.1); and both products of attention. Embeddings, heads,
    normalization and the optimizer are not counted.

    Args:
      length: tokens of the sequence.
      layers, hidden, inner: of the encoder; inner is the width inside the feed-forward part.
    """
    weights = 4 * hidden * hidden + 2 * hidden * inner
    forward = layers * (2 * length * weights + 4 * length * length * hidden)
    return 3.0 * forward


def matmul_flops(size: int, product: Callable[[], object]) -> float:
    """Measures FLOP/s of the product of two size x size matrices, the fastest of some."""
    product()
    seconds = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / min(seconds)
