"""The exported encoder, as the Trainer meets it: through hub.KerasLayer."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub

from components.models.bert import network
from tests.tiny_encoder import tiny_config, tiny_values, tiny_vocabulary, write_tiny_encoder


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny", ["paris", "london"])


@pytest.fixture(scope="module")
def loaded(path):
    return hub.KerasLayer(path, trainable=True)


@pytest.fixture
def layer(loaded):
    """The layer with the weights that it was saved with, whatever the test before did to them."""
    before = [variable.numpy() for variable in loaded.variables]
    yield loaded
    for variable, value in zip(loaded.variables, before, strict=True):
        variable.assign(value)


def rows(*lengths: int, padded_to: int, seed: int = 0) -> dict[str, tf.Tensor]:
    """Sequences of random ids, half of each of type 1, padded with id 0."""
    rng = np.random.default_rng(seed)
    shape = (len(lengths), padded_to)
    mask = np.arange(padded_to) < np.array(lengths)[:, None]
    types = np.arange(padded_to) >= np.array(lengths)[:, None] // 2
    return {
        "input_word_ids": tf.constant(rng.integers(5, 90, shape) * mask, tf.int32),
        "input_mask": tf.constant(mask, tf.int32),
        "input_type_ids": tf.constant(types & mask, tf.int32),
    }


def test_outputs_are_those_of_tf_hub(layer):
    outputs = layer(rows(7, 3, padded_to=7))
    assert set(outputs) == {"default", "pooled_output", "sequence_output", "encoder_outputs"}
    assert outputs["pooled_output"].shape == [2, 16]
    assert outputs["sequence_output"].shape == [2, 7, 16]
    assert [hidden.shape for hidden in outputs["encoder_outputs"]] == [[2, 7, 16]] * 2
    np.testing.assert_array_equal(outputs["default"], outputs["pooled_output"])
    np.testing.assert_array_equal(outputs["encoder_outputs"][-1], outputs["sequence_output"])


def test_attributes_are_those_of_tf_hub(layer):
    model = layer.resolved_object
    with open(model.vocab_file.asset_path.numpy(), encoding="utf-8") as file:
        assert file.read().splitlines() == tiny_vocabulary(["paris", "london"])
    assert model.do_lower_case.numpy()
    assert list(model.regularization_losses) == []
    assert len(model.variables) == len(model.trainable_variables) == 5 + 2 * 12 + 2


def test_names_tell_layers_biases_and_normalization(layer):
    names = [variable.name for variable in layer.trainable_weights]
    assert names == [f"{name}:0" for name in network.variable_shapes(tiny_config(111))]
    assert names[:5] == [
        "word_embeddings/embeddings:0",
        "position_embedding/embeddings:0",
        "type_embeddings/embeddings:0",
        "embeddings/layer_norm/gamma:0",
        "embeddings/layer_norm/beta:0",
    ]
    assert names[5:17] == [
        f"transformer/layer_0/{part}:0"
        for part in (
            "self_attention/query_key_value/kernel",
            "self_attention/query_key_value/bias",
            "self_attention/attention_output/kernel",
            "self_attention/attention_output/bias",
            "self_attention_layer_norm/gamma",
            "self_attention_layer_norm/beta",
            "intermediate/kernel",
            "intermediate/bias",
            "output/kernel",
            "output/bias",
            "output_layer_norm/gamma",
            "output_layer_norm/beta",
        )
    ]
    assert names[-2:] == ["pooler_transform/kernel:0", "pooler_transform/bias:0"]


def weighted_sum(outputs: dict[str, tf.Tensor]) -> tf.Tensor:
    """Of both outputs, with weights that let nothing cancel."""
    both = [tf.reshape(outputs[name], [-1]) for name in ("pooled_output", "sequence_output")]
    numbers = tf.concat(both, axis=0)
    return tf.reduce_sum(numbers * tf.cos(tf.range(tf.size(numbers), dtype=tf.float32)))


def gradients(layer, inputs, training: bool) -> dict[str, np.ndarray]:
    """Of `weighted_sum`, dense, by the weights' names."""
    weights = layer.trainable_weights
    with tf.GradientTape() as tape:
        loss = weighted_sum(layer(inputs, training=training))
    found = tape.gradient(loss, weights)
    return {w.name: tf.convert_to_tensor(g).numpy() for w, g in zip(weights, found, strict=True)}


def test_a_step_changes_every_weight(layer):
    before = [weight.numpy() for weight in layer.trainable_weights]
    found = gradients(layer, rows(7, 5, padded_to=7), training=True)
    for weight in layer.trainable_weights:
        weight.assign_sub(0.1 * found[weight.name])
    unchanged = [
        weight.name
        for weight, value in zip(layer.trainable_weights, before, strict=True)
        if np.array_equal(weight.numpy(), value)
    ]
    assert not unchanged


@pytest.mark.parametrize(
    "name",
    [
        "word_embeddings/embeddings",
        "embeddings/layer_norm/gamma",
        "transformer/layer_0/self_attention/query_key_value/kernel",
        "transformer/layer_0/self_attention/query_key_value/bias",
        "transformer/layer_0/self_attention_layer_norm/beta",
        "transformer/layer_0/intermediate/kernel",
        "transformer/layer_1/output_layer_norm/gamma",
    ],
)
def test_gradients_are_slopes(layer, name):
    """Against the slope measured along the gradient, dropout off."""
    inputs = rows(7, 5, padded_to=7)
    found = gradients(layer, inputs, training=False)[f"{name}:0"]
    weight = next(w for w in layer.trainable_weights if w.name == f"{name}:0")
    direction = found / np.linalg.norm(found)
    center, step, sums = weight.numpy(), 1e-2, []
    for sign in (1, -1):
        weight.assign(center + sign * step * direction)
        sums.append(float(weighted_sum(layer(inputs, training=False))))
    slope = (sums[0] - sums[1]) / (2 * step)
    assert slope == pytest.approx(np.linalg.norm(found), rel=0.01)


def test_padding_has_no_effect(layer):
    narrow, wide = rows(7, 4, padded_to=7), rows(7, 4, padded_to=7)
    wide = {name: tf.pad(value, [[0, 0], [0, 9]]) for name, value in wide.items()}
    wide["input_word_ids"] += 11 * (1 - wide["input_mask"])  # Whatever stands in the padding.
    ours, theirs = layer(narrow), layer(wide)
    np.testing.assert_allclose(ours["pooled_output"], theirs["pooled_output"], atol=1e-5)
    for row, length in enumerate((7, 4)):
        np.testing.assert_allclose(
            ours["sequence_output"][row, :length],
            theirs["sequence_output"][row, :length],
            atol=1e-5,
        )


def test_dropout_follows_its_seed(path):
    """Fresh in every step, the same in every run with the same seed, and a run can be taken up."""

    def run(seed: int, calls_before: int = 0) -> list[np.ndarray]:
        layer = hub.KerasLayer(path, trainable=True)
        layer.resolved_object.dropout_seed.assign(seed)
        layer.resolved_object.dropout_calls.assign(calls_before)
        step = tf.function(lambda: layer(rows(7, 4, padded_to=7), training=True)["default"])
        return [step().numpy() for _ in range(2)]

    first, again, other = run(1), run(1), run(2)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], other[0])
    np.testing.assert_array_equal(run(1, calls_before=1)[0], first[1])


def test_survives_being_saved_inside_another_model(layer, tmp_path):
    inputs = rows(7, 4, padded_to=7)
    module = tf.Module()
    module.layer = layer
    module.call = tf.function(
        lambda words, mask, types: layer(
            {"input_word_ids": words, "input_mask": mask, "input_type_ids": types}
        )["pooled_output"],
        input_signature=[tf.TensorSpec([None, None], tf.int32)] * 3,
    )
    tf.saved_model.save(module, str(tmp_path / "model"))
    served = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_allclose(
        served.call(*inputs.values()), layer(inputs)["pooled_output"], atol=1e-6
    )


def test_keras_tells_the_encoder_when_it_trains(layer):
    inputs = {n: tf.keras.Input([None], dtype=tf.int32, name=n) for n in network.INPUTS}
    model = tf.keras.Model(inputs, layer(inputs)["pooled_output"])
    batch = rows(7, 4, padded_to=7)
    np.testing.assert_allclose(model(batch), layer(batch)["pooled_output"], atol=1e-6)
    assert not np.array_equal(model(batch, training=True), model(batch, training=True))
    assert len(model.trainable_weights) == len(layer.trainable_weights)


def test_tiny_encoder_is_the_same_each_time(path, tmp_path):
    again = hub.load(write_tiny_encoder(tmp_path / "again", ["paris", "london"]))
    for ours, theirs in zip(hub.load(path).variables, again.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert tiny_values(tiny_config(9)).keys() == network.variable_shapes(tiny_config(9)).keys()
