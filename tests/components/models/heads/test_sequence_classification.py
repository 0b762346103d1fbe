import numpy as np
import pytest
import tensorflow as tf

from components.models.heads.head import build_head
from components.models.heads.sequence_classification import Head
from components.spec.heads import SequenceClassification
from components.spec.hyperparameters import Hyperparameters
from components.spec.registry import load_task
from components.training.trainer import build_model

HEAD = Head(SequenceClassification(("sentence1", "sentence2"), "label", ("0", "1")))
SINGLE = Head(SequenceClassification(("review",), "opinion", ("bad", "mixed", "good")))


def encoded(tiny_encoder, head=HEAD):
    from components.models.bert.hub import resolve

    return build_model(head, resolve(tiny_encoder), Hyperparameters(dropout=0.0))


INPUTS = {
    "input_word_ids": tf.constant([[2, 40, 41, 3, 42, 3], [2, 43, 3, 44, 3, 0]]),
    "input_mask": tf.constant([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]]),
    "input_type_ids": tf.constant([[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0]]),
}
LABELS = tf.constant([[1], [0]], tf.int64)


def test_two_steps_change_every_weight_but_the_pooler(tiny_encoder):
    """One step changes the head, which starts from zero; then the encoder is reached through it."""
    model = encoded(tiny_encoder)
    optimizer = tf.keras.optimizers.Adam(0.1)
    before = [variable.numpy() for variable in model.trainable_variables]
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = HEAD.loss(LABELS, model(INPUTS, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    still = [
        variable.name
        for old, variable in zip(before, model.trainable_variables)
        if np.array_equal(old, variable.numpy())
    ]
    assert len(still) == 2 and all("pooler" in name for name in still)
    assert len(before) > 30


@pytest.mark.parametrize("head", [HEAD, SINGLE], ids=["pair", "single"])
def test_padding_changes_nothing(tiny_encoder, head):
    model = encoded(tiny_encoder, head)
    wider = {name: tf.pad(value, [[0, 0], [0, 9]]) for name, value in INPUTS.items()}
    np.testing.assert_allclose(model(INPUTS), model(wider), atol=1e-5)


def test_nothing_runs_as_a_fused_batch_normalization(tiny_encoder):
    """oneDNN's kernel for it damages the heap, see components/models/bert/layers.py."""
    model = encoded(tiny_encoder)
    function = tf.function(lambda inputs: model(inputs, training=False), autograph=False)
    graph = function.get_concrete_function(INPUTS).graph.as_graph_def()
    functions = [node for f in graph.library.function for node in f.node_def]
    operations = {node.op for node in [*graph.node, *functions]}
    assert "Rsqrt" in operations  # ours
    assert not {name for name in operations if "FusedBatchNorm" in name}


def test_loss_is_the_mean_cross_entropy():
    logits = tf.constant([[1.0, 3.0], [2.0, 0.0]])
    expected = np.mean([np.log1p(np.exp(-2.0)), np.log1p(np.exp(-2.0))])
    np.testing.assert_allclose(HEAD.loss(LABELS, logits), expected, rtol=1e-6)


def test_the_task_uses_this_head():
    assert isinstance(build_head(load_task("mrpc").head), Head)
