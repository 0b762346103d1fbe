"""The training loop on a tiny encoder: what it repeats, what it survives, where it stops."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from components.common.errors import InputError
from components.spec.registry import load_task
from components.spec.task_json import task_from_json, task_to_json
from components.training.progress import Diverged
from tests.conftest import REPOSITORY
from tests.tiny_training import STEPS, digest, every_step, train


@pytest.fixture(scope="module")
def unbroken(tiny_encoder) -> str:
    """The weights of a training that nothing disturbed."""
    return digest(train(tiny_encoder))


def test_same_seed_same_bits(tiny_encoder, unbroken):
    assert digest(train(tiny_encoder)) == unbroken
    assert digest(train(tiny_encoder, seed="1")) != unbroken


def test_a_task_from_json_trains_to_the_same_bits(tiny_encoder, unbroken):
    task = task_from_json(task_to_json(load_task("mrpc")))
    assert digest(train(tiny_encoder, task=task)) == unbroken


@pytest.mark.full
def test_killed_twice_while_writing_it_ends_as_if_nothing_had_happened(
    tiny_encoder, unbroken, tmp_path, caplog
):
    command = [sys.executable, "-m", "tests.tiny_training", tiny_encoder, str(tmp_path)]
    for first_step in ("2", "7"):
        run = subprocess.run(
            [*command, first_step], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert run.returncode == -signal.SIGKILL, run.stdout + run.stderr
    resumed = [line for line in run.stdout.splitlines() if line.startswith("resumed at step")]
    assert resumed and resumed != ["resumed at step 0"]

    assert digest(train(tiny_encoder, every_step(str(tmp_path)))) == unbroken
    assert "resumed at step" in caplog.text
    assert len(list(tmp_path.glob("*.index"))) == 2


@pytest.mark.full
@pytest.mark.parametrize("damaged", [1, 2])
def test_damaged_checkpoints_are_passed_over(tiny_encoder, unbroken, tmp_path, caplog, damaged):
    train(tiny_encoder, every_step(str(tmp_path)))
    files = sorted(tmp_path.glob("*.data*"), reverse=True)
    content = files[0].read_bytes()
    files[0].write_bytes(content[: len(content) // 2])
    if damaged == 2:
        files[1].write_bytes(content)  # whole, but of another step: the checksums do not fit
    caplog.clear()
    assert digest(train(tiny_encoder, every_step(str(tmp_path)))) == unbroken
    assert caplog.text.count("cannot be read") == damaged
    assert (f"resumed at step {STEPS - 2}" in caplog.text) == (damaged == 1)


def test_a_loss_that_explodes_stops_the_training(tiny_encoder):
    told = r"step 3 of 12\b.* 9\.09e.* loss .*lower --set learning_rate="
    with pytest.raises(InputError, match=told):
        train(tiny_encoder, learning_rate="1e4")


@pytest.mark.parametrize("step", [5, STEPS])
def test_weights_that_are_no_numbers_are_neither_kept_nor_exported(tiny_encoder, tmp_path, step):
    """Also after the last step, when no loss tells of them any more."""
    checkpoints = every_step(str(tmp_path))
    spoil_at(step, checkpoints)
    with pytest.raises(Diverged, match=rf"step {step} of {STEPS}\b.*finite"):
        train(tiny_encoder, checkpoints)
    assert max(int(path.stem) for path in tmp_path.glob("*.index")) == min(step, STEPS) - 1


def spoil_at(step: int, checkpoints) -> None:
    """Has the step after the checkpoint of `step` - 1 leave NaN behind."""
    save = checkpoints.save

    def save_and_spoil(done, state):
        save(done, state)
        if done == step - 1:
            model, optimizer = state["model"], state["optimizer"]
            index = optimizer._index_dict[optimizer._var_key(model.trainable_variables[-1])]
            optimizer._velocities[index].assign_add(
                tf.fill(optimizer._velocities[index].shape, float("nan"))
            )

    checkpoints.save = save_and_spoil


def test_writing_takes_no_more_than_its_fraction_of_the_time(tiny_encoder, tmp_path):
    from components.training.checkpoints import Checkpoints

    checkpoints = Checkpoints(str(tmp_path), seconds=0, fraction=0)
    train(tiny_encoder, checkpoints)
    assert [path.stem for path in tmp_path.glob("*.index")] == ["000000001"]
    assert not Checkpoints(str(tmp_path), seconds=3600).is_due()


def test_what_other_trainings_left_is_removed_after_a_day(tmp_path):
    from components.training.checkpoints import remove_abandoned

    ages = {"of-an-hour": 3600, "of-two-days": 2 * 86400}
    for name, seconds in ages.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "000000001.index").touch()
        written = time.time() - seconds
        os.utime(tmp_path / name / "000000001.index", (written, written))
    remove_abandoned(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["of-an-hour"]
    remove_abandoned(str(tmp_path / "nowhere"))


def test_the_key_follows_settings_and_content_and_not_the_path(tmp_path):
    from components.training.checkpoints import training_key

    def write(folder: str, content: str) -> list[str]:
        path = pathlib.Path(tmp_path, folder, "train-0.gz")
        path.parent.mkdir()
        path.write_text(content)
        return [str(path)]

    one, moved, other = write("1", "rows"), write("2", "rows"), write("3", "other rows")
    assert training_key(["a"], one) == training_key(["a"], moved)
    assert (
        len({training_key(["a"], one), training_key(["a"], other), training_key(["b"], one)}) == 3
    )
