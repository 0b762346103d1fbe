import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from components.spec.hyperparameters import Hyperparameters
from components.training.batching import count, training_batches


@pytest.fixture
def rows():
    """200 sequences of 3 to 40 tokens; the first token and the target tell one from the others."""
    lengths = np.random.default_rng(0).integers(3, 41, 200)
    ids = tf.ragged.constant([[row] + [7] * (n - 1) for row, n in enumerate(lengths)], tf.int32)
    inputs = {"input_word_ids": ids, "input_type_ids": tf.zeros_like(ids)}
    return tf.data.Dataset.from_tensor_slices((inputs, tf.range(200)))


SETTINGS = Hyperparameters(batch_size=16, max_seq_length=40)


def epoch(rows, seed=0, settings=SETTINGS):
    return [
        (inputs["input_word_ids"].numpy(), targets.numpy())
        for inputs, targets in training_batches(rows, 200, settings, seed)
    ]


def test_every_sequence_comes_once_with_its_target(rows):
    assert count(rows) == 200
    batches = epoch(rows)
    assert [len(targets) for _, targets in batches].count(16) == 12
    for ids, targets in batches:
        assert ids[:, 0].tolist() == targets.tolist()
    assert sorted(t for _, targets in batches for t in targets) == list(range(200))


def test_batches_hold_little_padding(rows):
    real = sum((ids != 0).sum() for ids, _ in epoch(rows))
    padded = sum(ids.size for ids, _ in epoch(rows))
    assert real / padded > 0.9  # in the files' order: 0.55


def test_a_seed_fixes_the_order_and_every_pass_has_its_own(rows):
    def order(batches):
        return [targets.tolist() for _, targets in batches]

    assert order(epoch(rows, seed=1)) == order(epoch(rows, seed=1))
    assert order(epoch(rows, seed=1)) != order(epoch(rows, seed=2))
    twice = training_batches(rows, 200, SETTINGS, seed=1).repeat(2)
    targets = [t.numpy().tolist() for _, t in twice]
    assert targets[:13] != targets[13:]


def test_xla_gets_the_same_batches_in_a_few_lengths(rows):
    few = epoch(rows, settings=dataclasses.replace(SETTINGS, jit_compile=True))
    assert {ids.shape[1] for ids, _ in few} <= set(range(5, 41, 5))
    for (ids, targets), (longer, same) in zip(epoch(rows), few, strict=True):
        assert targets.tolist() == same.tolist()
        assert (longer[:, : ids.shape[1]] == ids).all() and not longer[:, ids.shape[1] :].any()
