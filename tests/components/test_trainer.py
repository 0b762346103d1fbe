"""`fit` on a tiny encoder; the whole Trainer runs in tests/test_end_to_end.py."""

import numpy as np
import pytest
import tensorflow as tf

from components import trainer
from components.bert.hub import resolve
from components.bert.precision import rewritten_to
from components.fit import fit
from components.tasks import load_task


@pytest.fixture(scope="module")
def rows():
    """48 rows of random word pieces, 3 to 20 in each sentence."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(6, 40, 48)
    ids = tf.ragged.constant([rng.integers(5, 90, n).tolist() for n in lengths], dtype=tf.int32)
    types = tf.ragged.constant(
        [[0] * (n // 2) + [1] * (n - n // 2) for n in lengths], dtype=tf.int32
    )
    labels = rng.integers(0, 2, 48)
    return tf.data.Dataset.from_tensor_slices(
        ({"input_word_ids": ids, "input_type_ids": types}, labels)
    )


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_step_moves_every_weight(tiny_encoder, rows, tmp_path, precision):
    """On a CPU, float16 is float32 with a scaled loss."""
    task = load_task("mrpc").override({"epochs": "1", "batch_size": "24"})
    model = trainer.build_model(task.head, resolve(tiny_encoder), task.hyperparameters)
    before = [variable.numpy() for variable in model.trainable_variables]
    with rewritten_to(precision):
        fit(model, task.head, rows, task.hyperparameters, str(tmp_path), precision)
    for variable, old in zip(model.trainable_variables, before):
        assert np.isfinite(variable.numpy()).all()
        if "pooler" not in variable.name:  # The pair head does not look at it.
            assert not np.array_equal(variable.numpy(), old), variable.name
