"""Training on two devices and on two workers ends as on one; a lost worker ends the others."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401 (exported models need its ops)

from components.common.errors import InputError
from components.common.serialization import to_json
from components.models.bert.hub import resolve
from components.spec.registry import load_task
from components.training import trainer
from tests.conftest import REPOSITORY
from tests.tiny_encoder import write_tiny_encoder
from tests.tiny_training import train
from tests.two_devices import build, states_in_training

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def encoder(tiny_encoder, tmp_path_factory) -> str:
    """Without dropout, whose masks fall on other sequences where there are more devices."""
    words = pathlib.Path(resolve(tiny_encoder).vocab_file).read_text().split("\n")[:-1]
    path = str(tmp_path_factory.mktemp("no_dropout") / "encoder")
    return write_tiny_encoder(path, words, dropout=0.0)


@pytest.fixture(scope="module")
def two_devices(encoder, tiny_encoder, tmp_path_factory) -> pathlib.Path:
    """What `tests/two_devices.py` has written."""
    folder = tmp_path_factory.mktemp("two_devices")
    command = [sys.executable, "-m", "tests.two_devices", encoder, tiny_encoder, str(folder)]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return folder


def test_two_devices_end_as_one_does(encoder, two_devices):
    """The last batch of 10 sequences too, of which each device takes 5."""
    alone = [v.numpy() for v in train(encoder, dropout="0").trainable_variables]
    for parts in (1, 2):
        together = np.load(two_devices / f"weights-{parts}.npz")
        for key, weights in zip(together, alone, strict=True):
            np.testing.assert_allclose(together[key], weights, atol=1e-5)


def test_each_device_has_dropout_masks_of_its_own(tiny_encoder, two_devices):
    """The first one those of a device that trains alone."""
    first, second = np.load(two_devices / "states.npz").values()
    alone = states_in_training(build(tiny_encoder)).numpy()
    np.testing.assert_allclose(first, alone, atol=1e-5)
    assert np.abs(second - first).max() > 0.01


class Attempt:
    """The Trainer on what Transform has left of the first run, as TFX calls it."""

    def __init__(self, project, encoder: str, folder: pathlib.Path):
        self._graph, self._transformed = project.transformed()
        self._encoder, self._folder = resolve(encoder), folder
        self.checkpoints = str(folder / "checkpoints")

    def run(self, **settings: str) -> np.ndarray:
        """The exported model's probabilities for three pairs."""
        task = load_task("mrpc").override({"dropout": "0", "batch_size": "33", **settings})
        directory = self._folder / settings["strategy"]
        config = {
            "head": to_json(task.head),
            "encoder": to_json(self._encoder),
            "hyperparameters": to_json(task.hyperparameters),
            "code": "1",
            "checkpoints": self.checkpoints,
            "warm_start": "",
        }
        trainer.run_fn(
            types.SimpleNamespace(
                custom_config=config,
                train_files=[str(self._transformed / "Split-train" / "*")],
                transform_graph_path=str(self._graph),
                model_run_dir=str(directory / "run"),
                serving_model_dir=str(directory / "model"),
            )
        )
        served = tf.saved_model.load(str(directory / "model")).signatures["serving_default"]
        text = tf.constant(["He won .", "the price rose", "Rain is expected ."])
        return served(sentence1=text, sentence2=text[::-1])["probabilities"].numpy()


@pytest.fixture
def attempt(project, first_run, encoder, tmp_path) -> Attempt:
    return Attempt(project, encoder, tmp_path)


@pytest.fixture
def second_worker(monkeypatch, attempt):
    """Waits for the first one; the environment is then that of the first one."""
    cluster = {"worker": [f"localhost:{free_port()}" for _ in range(2)]}

    def environment(index: int) -> str:
        return json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})

    monkeypatch.setenv("TF_CONFIG", environment(0))
    process = subprocess.Popen(
        [sys.executable, "-m", "components.training.worker", attempt.checkpoints],
        cwd=REPOSITORY,
        env={**os.environ, "TF_CONFIG": environment(1)},
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.wait()


def free_port() -> int:
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


def test_two_workers_end_as_one_does(attempt, second_worker):
    together = attempt.run(strategy="workers", epochs="1")
    assert second_worker.wait(timeout=120) == 0
    assert "step 1" in second_worker.stdout.read()
    np.testing.assert_allclose(attempt.run(strategy="single", epochs="1"), together, atol=1e-4)
    assert not list(pathlib.Path(attempt.checkpoints).iterdir())


def test_a_worker_that_is_lost_ends_the_other(attempt, second_worker, monkeypatch):
    progress = trainer.progress
    log = progress.log

    def kill_when_training(level, message, *arguments):
        log(level, message, *arguments)
        if "step " in str(arguments):
            second_worker.kill()

    monkeypatch.setattr(progress, "log", kill_when_training)
    with pytest.raises(RuntimeError, match=r"exit code .*worker .*lost"):
        attempt.run(strategy="workers", epochs="1000")


def test_workers_without_a_cluster_are_refused(attempt, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(InputError, match=r"workers.*TF_CONFIG"):
        attempt.run(strategy="workers")
