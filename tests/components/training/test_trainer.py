"""What the Trainer makes of a step, and of an earlier attempt; see also tests/test_end_to_end.py."""

import os
import types

import numpy as np
import pytest
import tensorflow as tf

from components.common.errors import InputError
from components.common.serialization import to_json
from components.devices.precision import rewritten_to
from components.models.bert.hub import resolve
from components.models.heads.head import build_head
from components.spec.registry import load_task
from components.training import trainer
from components.training.loop import fit
from tests.tiny_training import every_step, random_sequences


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_step_moves_every_weight(tiny_encoder, tmp_path, precision):
    """On a CPU, float16 is float32 with a scaled loss."""
    task = load_task("mrpc").override({"epochs": "1", "batch_size": "24"})
    model = trainer.build_model(build_head(task.head), resolve(tiny_encoder), task.hyperparameters)
    before = [variable.numpy() for variable in model.trainable_variables]
    with rewritten_to(precision):
        fit(
            *(model, build_head(task.head), random_sequences(48), task.hyperparameters),
            *(str(tmp_path), precision),
        )
    for variable, old in zip(model.trainable_variables, before):
        assert np.isfinite(variable.numpy()).all()
        if "pooler" not in variable.name:  # The pair head does not look at it.
            assert not np.array_equal(variable.numpy(), old), variable.name


@pytest.mark.skipif(tf.config.list_physical_devices("GPU") != [], reason="there is a GPU")
def test_xla_is_refused_on_a_cpu_before_anything_is_read(tiny_encoder):
    task = load_task("mrpc").override({"jit_compile": "true"})
    config = {
        "head": to_json(task.head),
        "encoder": to_json(resolve(tiny_encoder)),
        "hyperparameters": to_json(task.hyperparameters),
    }
    with pytest.raises(InputError, match=r"jit_compile .*no GPU.* jit_compile"):
        trainer.train({"custom_config": config}, tf.distribute.get_strategy())


def test_a_second_attempt_goes_on_and_leaves_no_checkpoint(
    project, first_run, tmp_path, caplog, monkeypatch
):
    """As TFX starts one: with the same inputs and another folder for the outputs."""
    task = load_task("mrpc").override({"epochs": "1"})
    graph, transformed = project.transformed()
    config = {
        "head": to_json(task.head),
        "encoder": to_json(resolve(project.encoder)),
        "hyperparameters": to_json(task.hyperparameters),
        "code": "1",
        "checkpoints": str(tmp_path / "checkpoints"),
        "warm_start": "",
    }

    def attempt(name: str) -> None:
        trainer.run_fn(
            types.SimpleNamespace(
                custom_config=config,
                train_files=[str(transformed / "Split-train" / "*")],
                transform_graph_path=str(graph),
                model_run_dir=str(tmp_path / name / "run"),
                serving_model_dir=str(tmp_path / name / "model"),
            )
        )

    class CutOff(Exception):
        pass

    def cut_off_at_step_3(folder: str, writes: bool):
        assert writes
        checkpoints = every_step(folder)
        save = checkpoints.save

        def save_or_end(step, *state):
            save(step, *state)
            if step == 3:
                raise CutOff

        checkpoints.save = save_or_end
        return checkpoints

    monkeypatch.setattr(trainer, "Checkpoints", cut_off_at_step_3)
    with pytest.raises(CutOff):
        attempt("first")
    assert "resumed" not in caplog.text
    monkeypatch.undo()
    left_by_another = tmp_path / "checkpoints" / "another" / "000000001.index"
    left_by_another.parent.mkdir()
    left_by_another.touch()
    os.utime(left_by_another, (0, 0))
    attempt("second")
    assert "resumed at step 3" in caplog.text
    assert tf.saved_model.contains_saved_model(str(tmp_path / "second" / "model"))
    assert not list((tmp_path / "checkpoints").iterdir())
