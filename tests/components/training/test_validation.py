"""Held-out examples: which they are, what they decide, and that a cut-off training decides the same."""

import types

import numpy as np
import pytest
import tensorflow as tf

from components.common.errors import InputError
from components.models.heads.head import build_head
from components.spec.registry import load_task
from components.training.batching import training_sequences
from tests.tiny_training import digest, every_step, random_sequences, train

SETTINGS = {"validation_fraction": "0.3", "epochs": "5", "head_learning_rate": "1e-2"}


@pytest.fixture(scope="module")
def held_out() -> tf.data.Dataset:
    """Each trained example has the other label: the more is learned, the higher the loss."""
    return random_sequences().map(lambda inputs, label: (inputs, 1 - label))


@pytest.fixture
def losses(caplog):
    """The validation losses that were logged, by epoch."""

    def read() -> list[float]:
        return [
            record.args[1] for record in caplog.records if record.msg.startswith("epoch %d  valid")
        ]

    caplog.set_level("INFO", "progress")
    return read


def test_the_best_weights_are_kept(tiny_encoder, held_out, losses, tmp_path):
    kept = train(tiny_encoder, held_out=held_out, log_dir=str(tmp_path), **SETTINGS)
    best = int(np.argmin(losses()))
    assert len(losses()) == 5 and 0 < best + 1 < 5
    assert mean_loss(kept, held_out) == pytest.approx(losses()[best], rel=1e-5)
    tags = [
        value.tag
        for file in tmp_path.glob("events*")
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    ]
    assert tags.count("validation_loss") == 5 and "examples_per_second" in tags


def mean_loss(model, rows: tf.data.Dataset) -> float:
    """Sequence by sequence, without batches, padding or weights."""
    head = build_head(load_task("mrpc").head)
    losses = [
        float(
            head.loss(
                tf.constant([label]),
                model(
                    {
                        "input_word_ids": inputs["input_word_ids"][None],
                        "input_mask": tf.ones_like(inputs["input_word_ids"])[None],
                        "input_type_ids": inputs["input_type_ids"][None],
                    }
                ),
            )
        )
        for inputs, label in rows.as_numpy_iterator()
    ]
    return float(np.mean(losses))


def test_training_stops_when_patience_ends_and_stays_stopped(
    tiny_encoder, held_out, losses, tmp_path
):
    settings = {**SETTINGS, "epochs": "40", "early_stopping_patience": "2"}
    checkpoints = every_step(str(tmp_path))
    stopped = digest(train(tiny_encoder, checkpoints, held_out=held_out, **settings))
    best = int(np.argmin(losses()))
    assert len(losses()) == best + 3 < 40
    assert digest(train(tiny_encoder, checkpoints, held_out=held_out, **settings)) == stopped
    assert len(losses()) == best + 3


class CutOff(Exception):
    pass


@pytest.mark.full
@pytest.mark.parametrize("step", [4, 15])  # right after an epoch; when the best one is long past
def test_a_training_that_was_cut_off_keeps_the_same_weights(
    tiny_encoder, held_out, losses, tmp_path, step
):
    unbroken = digest(train(tiny_encoder, held_out=held_out, **SETTINGS))
    first = losses()
    checkpoints = every_step(str(tmp_path))
    save = checkpoints.save

    def save_or_end(done, state):
        save(done, state)
        if done == step:
            raise CutOff

    checkpoints.save = save_or_end
    with pytest.raises(CutOff):
        train(tiny_encoder, checkpoints, held_out=held_out, **SETTINGS)
    resumed = train(tiny_encoder, every_step(str(tmp_path)), held_out=held_out, **SETTINGS)
    assert digest(resumed) == unbroken
    assert losses() == first * 2  # each epoch was looked at once


def examples(count: int) -> tf.data.Dataset:
    """Pairs whose second sentence is one of 50."""
    rng = np.random.default_rng(0)
    return tf.data.Dataset.from_tensors(
        {
            "sentence1_ids": tf.ragged.constant(
                [[n % 90 + 5, 7] for n in range(count)], dtype=tf.int32
            ),
            "sentence2_ids": tf.ragged.constant(
                [[n + 5, n + 6] for n in rng.integers(0, 50, count)], dtype=tf.int32
            ),
            "label": tf.constant(rng.integers(0, 2, count)),
        }
    )


def test_examples_are_held_out_by_their_last_text():
    vocabulary = types.SimpleNamespace(id_of={"[CLS]": 2, "[SEP]": 3}.__getitem__)
    head = build_head(load_task("mrpc").head)

    def second_texts(held_out: bool, **settings) -> list[tuple]:
        hyperparameters = load_task("mrpc").override(settings).hyperparameters
        rows = training_sequences(examples(400), head, vocabulary, hyperparameters, held_out)
        return [
            tuple(inputs["input_word_ids"][inputs["input_type_ids"] == 1])
            for inputs, _ in rows.as_numpy_iterator()
        ]

    trained, judged = (second_texts(part, validation_fraction="0.3") for part in (False, True))
    assert len(trained) + len(judged) == 400
    assert 0.1 < len(judged) / 400 < 0.5
    assert not set(trained) & set(judged)
    assert second_texts(True, validation_fraction="0.3", seed="5") == judged
    assert len(second_texts(False)) == 400


def test_nothing_held_out_is_refused(tiny_encoder):
    with pytest.raises(
        InputError, match=r"validation_fraction .*0\.001 .*no example.*--set validation_fraction="
    ):
        train(tiny_encoder, held_out=random_sequences().take(0), validation_fraction="0.001")


def test_early_stopping_needs_held_out_examples():
    with pytest.raises(
        InputError, match=r"validation_fraction \w+ 0\.0 .*early.*--set validation_fraction="
    ):
        load_task("mrpc").override({"early_stopping_patience": "2"})
