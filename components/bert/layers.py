"""Dropout and layer normalization, faster in training on a CPU than TensorFlow's own."""

import tensorflow as tf


class Dropout:
    """Dropout (Srivastava et al., 2014) from one random byte an element.

    Random numbers are what dropout costs on a CPU; tf.nn.dropout draws four bytes an element. A byte
    is kept if it reaches a threshold, 256 * rate rounded up or down at random so that its mean is
    exact: every element is dropped with probability `rate`. The rounding is drawn for a whole tensor.

    Masks are a function of `seed` and of how often the function that holds this was called. TensorFlow
    gives no way for tf.random.set_seed to reach into a SavedModel; assigning the seed does it.
    """

    def __init__(self, seed: tf.Tensor, sites: int):
        """seed: int64 []; sites: how many times the object will be called in one forward pass."""
        # Fixed seeds, so that each run of a program draws the same sequence.
        draws = tf.random.uniform([sites], maxval=tf.int64.max, dtype=tf.int64, seed=1)
        self._seeds = iter(tf.unstack(tf.stack([tf.fill([sites], seed), draws], axis=1)))
        self._roundings = iter(tf.unstack(tf.random.uniform([sites], seed=2)))

    def __call__(self, x: tf.Tensor, rate: float) -> tf.Tensor:
        """Any shape -> the same shape, `rate` of it 0, the rest larger by 1 / (1 - rate)."""
        if rate == 0:
            return x
        size = tf.size(x)
        words = tf.random.stateless_uniform(
            [(size + 7) // 8], next(self._seeds), minval=None, maxval=None, dtype=tf.uint64
        )
        random_bytes = tf.reshape(tf.reshape(tf.bitcast(words, tf.uint8), [-1])[:size], tf.shape(x))
        threshold = tf.floor(256.0 * rate + next(self._roundings))
        kept = random_bytes >= tf.cast(threshold, tf.uint8)
        return tf.where(kept, x * (256.0 / (256.0 - threshold)), 0.0)


def no_dropout(x: tf.Tensor, rate: float) -> tf.Tensor:
    del rate
    return x


def layer_norm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Layer normalization (Ba et al., 2016), with its gradient by hand: half the passes over memory.

    Args:
      x: [rows, width].
      gamma: scale [width].
      beta: shift [width].
      epsilon: added to the variance.

    Returns:
      [rows, width], each row with mean 0 and variance 1, then scaled and shifted.
    """

    @tf.custom_gradient
    def normalize(x, gamma, beta):
        centered = x - tf.reduce_mean(x, axis=1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centered), axis=1, keepdims=True)
        scale = tf.math.rsqrt(variance + epsilon)  # [rows, 1]
        unit = centered * scale

        def gradient(upstream):
            d_unit = upstream * gamma
            # What in it shifts or stretches a row has no effect on the row's normal form.
            shift = tf.reduce_mean(d_unit, axis=1, keepdims=True)
            stretch = tf.reduce_mean(d_unit * unit, axis=1, keepdims=True)
            return (
                (d_unit - (unit * stretch + shift)) * scale,
                tf.reduce_sum(upstream * unit, axis=0),
                tf.reduce_sum(upstream, axis=0),
            )

        return tf.nn.bias_add(unit * gamma, beta), gradient

    return normalize(x, tf.convert_to_tensor(gamma), tf.convert_to_tensor(beta))
