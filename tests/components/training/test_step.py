"""Other ways to compute a step end at the same weights."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from components.common.errors import InputError
from components.models.bert.hub import resolve
from components.spec.registry import load_task
from tests.conftest import REPOSITORY
from tests.tiny_encoder import write_tiny_encoder
from tests.tiny_training import train


def assert_same_weights(model: tf.keras.Model, other: tf.keras.Model) -> None:
    for variable, same in zip(model.trainable_variables, other.trainable_variables, strict=True):
        np.testing.assert_allclose(variable.numpy(), same.numpy(), atol=1e-5)


@pytest.fixture(scope="module")
def plain(tiny_encoder, tmp_path_factory) -> str:
    """An encoder without dropout, whose masks fall on other sequences and tokens in other shapes."""
    words = pathlib.Path(resolve(tiny_encoder).vocab_file).read_text().split("\n")[:-1]
    return write_tiny_encoder(str(tmp_path_factory.mktemp("plain") / "encoder"), words, dropout=0.0)


@pytest.fixture(scope="module")
def whole(plain) -> tf.keras.Model:
    return train(plain, dropout="0")


def test_a_batch_in_parts_ends_as_whole(plain, whole):
    """Also where there are more parts than sequences: the last batch has 10."""
    assert_same_weights(train(plain, dropout="0", gradient_accumulation_steps="11"), whole)


# All batches of one shape, to be compiled once.
_ONE_SHAPE = {"dropout": "0", "epochs": "1", "batch_size": "23", "max_seq_length": "320"}
_WITH_XLA = f"""
import os, sys, numpy as np
import components  # which takes away what the environment has set
os.environ["TF_XLA_FLAGS"] = "--tf_xla_cpu_global_jit"
from tests.tiny_training import train
model = train(sys.argv[1], jit_compile="true", **{_ONE_SHAPE})
np.savez(sys.argv[2], *[variable.numpy() for variable in model.trainable_variables])
"""


@pytest.mark.full
def test_xla_compiles_the_step_and_ends_as_without(plain, tmp_path):
    """On a CPU, which the Trainer refuses; TensorFlow reads the variable once a process."""
    file = tmp_path / "weights.npz"
    run = subprocess.run(
        [sys.executable, "-c", _WITH_XLA, plain, str(file)],
        cwd=REPOSITORY,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "Compiled cluster using XLA!" in run.stderr
    weights, without = np.load(file), train(plain, **_ONE_SHAPE)
    for variable, name in zip(without.trainable_variables, weights.files, strict=True):
        np.testing.assert_allclose(weights[name], variable.numpy(), atol=1e-5)


@pytest.mark.parametrize("parts", ["0", "33"])
def test_parts_without_sequences_are_refused(parts):
    with pytest.raises(InputError, match="gradient_accumulation_steps"):
        load_task("mrpc").override({"gradient_accumulation_steps": parts})
