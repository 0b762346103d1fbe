import numpy as np
import pytest
import tensorflow as tf

from components.training.optimizer import WarmupLinearDecay, adamw


def test_learning_rate_rises_to_the_peak_and_falls_to_zero():
    schedule = WarmupLinearDecay(peak=2.0, total_steps=10, warmup_steps=4)
    rates = [float(schedule(step)) for step in range(11)]
    assert rates == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0, 5 / 3, 4 / 3, 1.0, 2 / 3, 1 / 3, 0.0])


def reference(value, gradients, rate, decay):
    """Decoupled weight decay and Adam, in NumPy (https://arxiv.org/abs/1711.05101, algorithm 2)."""
    m = v = np.zeros_like(value)
    for step, gradient in enumerate(gradients, start=1):
        value = value - rate * decay * value
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        corrected = rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        value = value - corrected * m / (np.sqrt(v) + 1e-6)
    return value


@pytest.mark.parametrize(
    ("name", "decay", "scale"),
    [
        ("transformer/layer_0/intermediate/kernel", 0.01, 1),
        ("transformer/layer_0/intermediate/bias", 0, 1),
        ("transformer/layer_0/output_layer_norm/gamma", 0, 1),
        ("logits/kernel", 0.01, 5),
        ("logits/bias", 0, 5),
    ],
)
def test_updates_equal_adamw_in_numpy(name, decay, scale):
    """Decay goes with the encoder's rate for all; Keras applies it before the update."""
    start = np.array([1.0, -2.0, 3.0], np.float32)
    gradients = [np.array([0.1, -0.2, 0.0], np.float32), np.array([0.3, 0.1, -0.1], np.float32)]
    variable = tf.Variable(start, name=name)
    optimizer = adamw(1e-2, weight_decay=0.01, max_gradient_norm=100.0, head_scale=scale)
    for gradient in gradients:
        optimizer.apply_gradients([(tf.constant(gradient), variable)])
    expected = reference(start, gradients, 1e-2 * scale, decay / scale)
    np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-5)


def test_gradients_are_clipped_over_all_variables_together():
    variables = [tf.Variable([3.0], name="kernel_a"), tf.Variable([4.0], name="kernel_b")]
    optimizer = adamw(1.0, weight_decay=0.0, max_gradient_norm=1.0, head_scale=1.0)
    optimizer.apply_gradients(
        [(tf.constant([30.0]), variables[0]), (tf.constant([40.0]), variables[1])]
    )
    first_moments = [float(m.numpy()[0]) for m in optimizer._momentums]
    assert first_moments == pytest.approx([0.06, 0.08])  # a tenth of the gradient scaled to norm 1


def test_clipping_counts_a_repeated_row_by_its_sum():
    table = tf.Variable(np.ones([4, 1], np.float32), name="word_embeddings/embeddings")
    kernel = tf.Variable([4.0], name="kernel")
    optimizer = adamw(1.0, weight_decay=0.0, max_gradient_norm=1.0, head_scale=1.0)
    twice = tf.IndexedSlices(
        tf.constant([[15.0], [15.0]]), tf.constant([2, 2]), tf.constant([4, 1])
    )
    optimizer.apply_gradients([(twice, table), (tf.constant([40.0]), kernel)])
    moments = [optimizer._momentums[0].numpy()[2, 0], optimizer._momentums[1].numpy()[0]]
    assert moments == pytest.approx([0.06, 0.08])


def test_repeated_rows_of_an_embedding_add_up():
    table = tf.Variable(np.ones([4, 2], np.float32), name="word_embeddings/embeddings")
    optimizer = adamw(1e-2, weight_decay=0.0, max_gradient_norm=100.0, head_scale=1.0)
    gradient = tf.IndexedSlices(
        tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([1, 1]), tf.constant([4, 2])
    )
    optimizer.apply_gradients([(gradient, table)])
    np.testing.assert_allclose(optimizer._momentums[0].numpy()[1], [0.4, 0.6], rtol=1e-6)
    np.testing.assert_array_equal(table.numpy()[0], [1, 1])
