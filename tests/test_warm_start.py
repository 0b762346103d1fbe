"""A run that trains on from the model that was pushed last."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from components.common.errors import InputError
from components.models.bert.hub import resolve
from components.models.heads.head import build_head
from components.spec.registry import load_task
from components.training import trainer
from components.training.warm_start import start_from
from pipeline.local_config import pushed_model
from tests.conftest import stages
from tests.tiny_encoder import write_tiny_encoder

pytestmark = pytest.mark.full


def build(encoder: str) -> tf.keras.Model:
    task = load_task("mrpc")
    return trainer.build_model(build_head(task.head), resolve(encoder), task.hyperparameters)


@pytest.fixture
def pushed(project, first_run) -> str:
    return str(project.versions()[-1])


def test_every_weight_is_taken_over_and_no_dropout_state(project, pushed):
    model = build(project.encoder)
    before = [variable.numpy() for variable in model.trainable_variables]
    others = [v for v in model.weights if not v.trainable]
    state = [variable.numpy() for variable in others]
    start_from(model, pushed)
    saved = tf.saved_model.load(pushed).weights
    for variable, weight in zip(model.weights, saved, strict=True):
        if variable.trainable:
            np.testing.assert_array_equal(variable.numpy(), weight.numpy())
    changed = [
        v.name
        for v, old in zip(model.trainable_variables, before)
        if not np.array_equal(v.numpy(), old)
    ]
    assert "logits/kernel:0" in changed and len(changed) > len(before) // 2
    np.testing.assert_equal([variable.numpy() for variable in others], state)


def test_the_weights_of_another_model_are_refused(tiny_encoder, pushed, tmp_path):
    fewer_words = build(write_tiny_encoder(str(tmp_path / "encoder"), ["word"]))
    before = [variable.numpy() for variable in fewer_words.trainable_variables]
    with pytest.raises(
        InputError, match=r"--warm-start: .*word_embeddings.* \(\d+, 16\) .* \(\d+, 16\)"
    ):
        start_from(fewer_words, pushed)
    np.testing.assert_equal([v.numpy() for v in fewer_words.trainable_variables], before)
    no_version = resolve(tiny_encoder).path
    with pytest.raises(InputError, match=f"--warm-start: .*{no_version} .*not fit"):
        start_from(fewer_words, no_version)


def test_another_encoder_is_refused_before_the_run(project, pushed, tmp_path):
    another = write_tiny_encoder(str(tmp_path / "encoder"), ["word"])
    with pytest.raises(InputError, match=f"--warm-start: {pushed} .*encoder .*--encoder "):
        pushed_model(str(project.root / "output" / "serving" / "mrpc"), resolve(another))


def test_a_run_starts_from_what_is_served_and_repeats_nothing_while_that_stays(project, pushed):
    serving = project.root / "output" / "warm" / "serving" / "mrpc"
    encoder = resolve(project.encoder)
    assert pushed_model(str(serving), encoder) == ""
    version = shutil.copytree(pushed, serving / "1")
    unmatched = ("min_accuracy=0.999",)
    run = project.pipeline(*unmatched, output="output/warm", more=("--warm-start",))
    assert run.returncode == 3, run.stdout + run.stderr
    assert f"weights of {version}" in run.stdout
    again = project.pipeline(*unmatched, output="output/warm", more=("--warm-start",))
    assert stages(again)["Trainer"] == "cached"

    started_from = pushed_model(str(serving), encoder)
    shutil.copytree(version, serving / "2")
    assert pushed_model(str(serving), encoder) != started_from
