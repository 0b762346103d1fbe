"""What a machine has set for other work does not change the results of this one."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

ASKED = """
import components, tensorflow as tf
print(tf.keras.backend.floatx(), tf.keras.backend.image_data_format(), tf.keras.Model.__module__)
print(tf.config.optimizer.get_jit() or "no jit")
"""


@pytest.mark.parametrize("is_set", [False, True])
def test_settings_of_keras_and_tensorflow_have_no_effect(tmp_path, is_set):
    environment = {**os.environ, "HOME": str(tmp_path)}
    if is_set:
        (tmp_path / ".keras").mkdir()
        settings = {"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first"}
        (tmp_path / ".keras" / "keras.json").write_text(json.dumps(settings))
        environment |= {
            **{"KERAS_BACKEND": "torch", "KERAS_HOME": str(tmp_path / ".keras")},
            **{"TF_USE_LEGACY_KERAS": "0", "TF_XLA_FLAGS": "--tf_xla_auto_jit=2"},
        }
    run = subprocess.run(
        [sys.executable, "-c", ASKED],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
    )
    floats, images, module, *jit = run.stdout.split(maxsplit=3)
    assert (floats, images) == ("float32", "channels_last") and module.startswith("tf_keras")
    assert jit == ["no jit\n"] or jit == ["no jit"]
