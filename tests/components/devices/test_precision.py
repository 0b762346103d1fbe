import os

import numpy as np
import pytest
import tensorflow as tf

from components.devices import precision
from components.spec.hyperparameters import PRECISIONS


def product():
    """A function that no block has run yet, of 64 x 64 normal numbers."""
    values = tf.random.stateless_normal([64, 64], seed=[1, 2])
    return tf.function(lambda: tf.matmul(values, tf.transpose(values)))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("avx2 avx512_bf16 fma", "bfloat16"), ("amx_bf16", "bfloat16"), ("avx2 avx512f", "float32")],
)
def test_a_processor_that_multiplies_bfloat16_trains_in_it(tmp_path, flags, expected):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\n\nprocessor\t: 1\n")
    assert precision._of_cpu(cpuinfo) == expected


def test_an_unknown_processor_trains_in_float32(tmp_path):
    assert precision._of_cpu(tmp_path / "none") == "float32"


@pytest.mark.parametrize("setting", sorted(set(PRECISIONS) - {"auto"}))
def test_what_is_asked_for_is_taken_and_computes(setting):
    """Rounded to 8 bits of mantissa at the most, whatever this processor does with the request."""
    assert precision.choose(setting) == setting
    exact = product()().numpy()
    with precision.rewritten_to(setting):
        computed = product()().numpy()
    assert np.abs(computed - exact).max() / np.abs(exact).max() < 1e-2
    assert setting != "float32" or (computed == exact).all()


needs_bfloat16 = pytest.mark.skipif(
    precision.choose("auto") != "bfloat16", reason="needs a processor with bfloat16 instructions"
)


@needs_bfloat16
def test_products_are_rounded_in_the_block_and_exact_after_it():
    exact, function = product()().numpy(), product()
    with precision.rewritten_to("bfloat16"):
        rounded = function().numpy()
    # 8 bits of mantissa: about 3 digits.
    assert 1e-4 < np.abs(rounded - exact).max() / np.abs(exact).max() < 1e-2
    np.testing.assert_array_equal(function().numpy(), exact)


@needs_bfloat16
def test_what_is_between_products_is_not_rounded():
    identity = tf.eye(64)

    @tf.function
    def little(value):
        one = tf.matmul(identity, identity)
        return tf.matmul(one + value - one, identity)

    with precision.rewritten_to("bfloat16"):
        np.testing.assert_array_equal(little(2.0**-12), np.full([64, 64], 2.0**-12))


def test_a_setting_of_the_users_is_back_after_the_block(monkeypatch):
    monkeypatch.setenv(precision._LEVEL, "mine")
    with precision.rewritten_to("bfloat16"):
        assert os.environ[precision._LEVEL] != "mine"
    assert os.environ[precision._LEVEL] == "mine"
    monkeypatch.delenv(precision._LEVEL)
    with precision.rewritten_to("bfloat16"):
        pass
    assert precision._LEVEL not in os.environ
