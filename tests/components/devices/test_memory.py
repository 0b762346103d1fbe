"""The estimate of what training takes, and the advice that follows from it."""

import os
import re
import types

import pytest
import tensorflow as tf

from components.devices.memory import advise, free_bytes, training_bytes
from components.spec.registry import load_task
from tests.conftest import REPOSITORY


def bert(layers: int, hidden: int) -> list:
    """Names and shapes of what a BERT with a vocabulary of 30,522 trains, biases left out."""
    shapes = {"word_embeddings/embeddings": [30522, hidden]}
    for layer in range(layers):
        name = f"transformer/layer_{layer}"
        shapes[f"{name}/self_attention/query_key_value/kernel"] = [hidden, 3 * hidden]
        shapes[f"{name}/self_attention/attention_output/kernel"] = [hidden, hidden]
        shapes[f"{name}/intermediate/kernel"] = [hidden, 4 * hidden]
        shapes[f"{name}/output/kernel"] = [4 * hidden, hidden]
    return [
        types.SimpleNamespace(name=f"{name}:0", shape=tf.TensorShape(shape))
        for name, shape in shapes.items()
    ]


@pytest.mark.parametrize(
    ("rows", "length", "gigabytes"), [(64, 128, 4.236), (16, 384, 4.504), (32, 64, 1.935)]
)
def test_what_minilm_was_seen_to_take_on_a_cpu(rows, length, gigabytes):
    """A process's memory is measured as a whole: TensorFlow and the rest take the difference."""
    without_training = 0.93e9
    estimate = training_bytes(bert(6, 384), rows, length)
    assert estimate + without_training == pytest.approx(gigabytes * 1e9, rel=0.03)


def largest(length: int, free: float) -> int:
    return max(n for n in range(1, 200) if training_bytes(bert(12, 768), n, length) <= free)


def test_bert_base_on_11_gb_as_in_the_docs():
    page = (REPOSITORY / "docs" / "gpu.md").read_text()
    told = re.findall(r"^\| (\d+) \| (\d+) \|", page, re.MULTILINE)
    assert len(told) == 2
    for length, sequences in told:
        assert largest(int(length), 10.5e9) == int(sequences)


def advice(caplog, free: float, **settings: str) -> str:
    caplog.clear()
    caplog.set_level("INFO", "progress")
    model = types.SimpleNamespace(
        trainable_variables=bert(12, 768), distribute_strategy=tf.distribute.get_strategy()
    )
    advise(model, load_task("squad").override(settings).hyperparameters, int(free))
    return caplog.text


def test_advice_is_what_fits(caplog):
    assert re.search(r" 21\.4 GB.* 30\.0 GB", advice(caplog, 30e9, batch_size="32"))
    told = advice(caplog, 10.5e9, batch_size="32")
    assert re.search(r" 32 .* 384 .*--set gradient_accumulation_steps=3\b", told)
    assert "gradient_accumulation_steps" not in advice(
        caplog, 10.5e9, batch_size="32", gradient_accumulation_steps="3"
    )
    assert "--set max_seq_length=" in advice(caplog, 1e9)


def test_an_unknown_encoder_or_machine_gets_no_advice(caplog):
    assert training_bytes(bert(0, 768), 32, 128) == 0
    assert advice(caplog, 0) == ""


def test_less_is_free_than_this_machine_has():
    pages, size = (os.sysconf(f"SC_{name}") for name in ("PHYS_PAGES", "PAGE_SIZE"))
    assert 0 < free_bytes() < pages * size or tf.config.list_physical_devices("GPU")
