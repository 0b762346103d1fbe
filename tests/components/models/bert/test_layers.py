"""Dropout, and what has its gradient by hand, against their definitions."""

import numpy as np
import pytest
import tensorflow as tf

from components.models.bert.layers import Dropout, attention, dense, gelu, layer_norm


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


def assert_equal_with_gradients(ours, theirs, *shapes: tuple[int, ...]) -> None:
    """Of two functions of arrays of these shapes, the values and all gradients are the same."""
    rng = np.random.default_rng(0)
    inputs = [tf.constant(rng.normal(0.5, 2.0, shape), tf.float32) for shape in shapes]
    results = []
    for function in (ours, theirs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            y = function(*inputs)
            loss = tf.reduce_sum(
                y * tf.cos(tf.reshape(tf.range(tf.size(y), dtype=y.dtype), y.shape))
            )
        results.append((y, *tape.gradient(loss, inputs)))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_layer_norm_and_its_gradient_equal_tensorflows():
    def by_definition(x, gamma, beta):
        mean, variance = tf.nn.moments(x, axes=[1], keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-12)

    assert_equal_with_gradients(
        lambda *inputs: layer_norm(*inputs, 1e-12), by_definition, (6, 16), (16,), (16,)
    )


def test_dense_and_its_gradient_equal_tensorflows():
    assert_equal_with_gradients(dense, lambda x, w, b: tf.matmul(x, w) + b, (6, 4), (4, 3), (3,))


def test_gelu_and_its_gradient_equal_tensorflows():
    assert_equal_with_gradients(gelu, lambda x: tf.nn.gelu(x, approximate=False), (6, 50))


@pytest.mark.parametrize("rate", [0.0, 0.25])
def test_attention_and_its_gradient_equal_tensorflows(rate):
    mask = tf.constant([[0.0, 0, 0, 0, 0], [0, 0, 0, -1e9, -1e9]])[:, None, None, :]

    def dropout():
        return Dropout(tf.constant(3, tf.int64), tf.constant(5, tf.int64), sites=1)

    def by_definition(query, key, value):
        weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) + mask)
        return tf.matmul(dropout()(weights, rate), value)

    assert_equal_with_gradients(
        lambda *inputs: attention(*inputs, mask, dropout(), rate),
        by_definition,
        *[(2, 3, 5, 4)] * 3,
    )
