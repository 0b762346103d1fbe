"""Other ways to compute a step end at the same weights."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from components.bert.hub import resolve
from components.errors import InputError
from components.tasks import load_task
from tests.tiny_encoder import write_tiny_encoder
from tests.tiny_training import train


def assert_same_weights(model: tf.keras.Model, other: tf.keras.Model) -> None:
    for variable, same in zip(model.trainable_variables, other.trainable_variables, strict=True):
        np.testing.assert_allclose(variable.numpy(), same.numpy(), atol=1e-5)


@pytest.fixture(scope="module")
def plain(tiny_encoder, tmp_path_factory) -> str:
    """An encoder without dropout, whose masks fall on other rows and word pieces in other shapes."""
    words = pathlib.Path(resolve(tiny_encoder).vocab_file).read_text().split("\n")[:-1]
    return write_tiny_encoder(str(tmp_path_factory.mktemp("plain") / "encoder"), words, dropout=0.0)


@pytest.fixture(scope="module")
def whole(plain) -> tf.keras.Model:
    return train(plain, dropout="0")


def test_a_batch_in_parts_ends_as_whole(plain, whole):
    """Also where there are more parts than rows: the last batch has 10."""
    assert_same_weights(train(plain, dropout="0", accumulate="11"), whole)


@pytest.mark.parametrize("parts", ["0", "33"])
def test_parts_without_rows_are_refused(parts):
    with pytest.raises(InputError, match="accumulate"):
        load_task("mrpc").override({"accumulate": parts})
