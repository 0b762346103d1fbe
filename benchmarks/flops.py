"""What a model of BERT's kind has to compute, and what a machine can. Standard library only."""

import time
from collections.abc import Callable

_REPEATS = 8


def encoder_flops(length: int, layers: int, hidden: int, inner: int) -> float:
    """Floating-point operations of one training step on one row, its padding not counted.

    Two for each weight and token in a forward pass, and twice that in a backward pass
    (https://arxiv.org/abs/2001.08361, section 2.1); and both products of attention. Embeddings, heads,
    normalization and the optimizer are not counted.

    Args:
      length: word pieces of the row.
      layers, hidden, inner: of the encoder; inner is the width inside the feed-forward part.
    """
    weights = 4 * hidden * hidden + 2 * hidden * inner
    forward = layers * (2 * length * weights + 4 * length * length * hidden)
    return 3.0 * forward


def matmul_flops(size: int, product: Callable[[], object]) -> float:
    """FLOP/s of the fastest of some products of two size x size matrices."""
    product()
    seconds = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / min(seconds)
