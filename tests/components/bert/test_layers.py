"""Dropout and layer normalization against their definitions."""

import numpy as np
import pytest
import tensorflow as tf

from components.bert.layers import Dropout, layer_norm


def masks(rate: float, calls: int, shape=(64, 1000)) -> np.ndarray:
    """What dropout leaves of ones, call after call."""
    seed = tf.constant(3, tf.int64)
    step = tf.function(lambda call: Dropout(seed, call, sites=1)(tf.ones(shape), rate))
    return np.stack([step(call).numpy() for call in tf.range(calls, dtype=tf.int64)])


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5])
def test_dropout_drops_its_rate_and_keeps_the_mean(rate):
    drawn = masks(rate, calls=40)
    deviation = np.sqrt(rate * (1 - rate) / drawn.size)
    # Beside the draws of 2.56 million elements, 40 roundings of the threshold.
    tolerance = 4 * np.hypot(deviation, 0.5 / 256 / np.sqrt(40))
    assert np.mean(drawn == 0) == pytest.approx(rate, abs=tolerance)
    assert drawn.mean() == pytest.approx(1.0, abs=4 * deviation / (1 - rate))
    for mask in drawn:
        kept = mask[mask != 0]
        assert np.ptp(kept) == 0 and kept[0] == pytest.approx(1 / (1 - rate), rel=0.01)


def test_dropout_drops_elements_independently():
    dropped = masks(0.5, calls=2) == 0
    first = dropped[0]
    for other in (dropped[1], np.roll(first, 1, 1), np.roll(first, 8, 1), np.roll(first, 1, 0)):
        assert np.mean(first == other) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(first.size))


def test_dropout_passes_the_gradient_of_what_it_keeps():
    x, zero = tf.ones([5, 7]), tf.constant(0, tf.int64)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = Dropout(zero, zero, sites=1)(x, 0.5)
        return y, tape.gradient(y, x)

    np.testing.assert_array_equal(*step())


def test_layer_norm_and_its_gradient_equal_tensorflows():
    rng = np.random.default_rng(0)
    arrays = rng.normal(2.0, 3.0, (6, 16)), rng.normal(size=16), rng.normal(size=16)
    x, gamma, beta = (tf.constant(a, tf.float32) for a in arrays)
    upstream = tf.constant(rng.normal(size=(6, 16)), tf.float32)

    def by_definition(x, gamma, beta, epsilon):
        mean, variance = tf.nn.moments(x, axes=[1], keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, epsilon)

    results = []
    for function in (layer_norm, by_definition):
        with tf.GradientTape() as tape:
            tape.watch((x, gamma, beta))
            y = function(x, gamma, beta, 1e-12)
        results.append((y, *tape.gradient(y, (x, gamma, beta), upstream)))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
