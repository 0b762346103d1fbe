"""Starts a training on several machines from the Trainer: see components/training/worker.py."""

import json
import logging
import pathlib
import subprocess
import sys
from typing import Any

import tensorflow as tf

from components.common.errors import InputError

progress = logging.getLogger("progress")

JOB_FILE = "job.json"


def lead(job: dict[str, Any]) -> None:
    """Trains `job` as the first of the workers that TF_CONFIG names.

    It does so in another process, because TensorFlow must join a cluster before it does anything else.

    Args:
      job: see `components.training.trainer.train`; it is written where the other workers look for it.

    Raises:
      InputError: TF_CONFIG or a setting is wrong.
      RuntimeError: this worker failed, or another was lost.
    """
    folder = job["custom_config"]["checkpoints"]
    if not folder:
        raise InputError("strategy is workers, and they share no folder: pass a root on gs://.")
    tf.io.gfile.makedirs(folder)
    with tf.io.gfile.GFile(f"{folder}/{JOB_FILE}", "w") as file:
        json.dump(job, file)
    process = subprocess.Popen(
        [sys.executable, "-m", "components.training.worker", folder, "--until-stdin-ends"],
        cwd=pathlib.Path(__file__).parents[2],
        stdin=subprocess.PIPE,  # never written to: it closes when this process ends, even by a kill
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        message = ""
        for line in process.stdout or ():
            level, _, text = line.rstrip("\n").partition(" ")
            if level.isdigit():  # else not the worker's own
                message = text
                progress.log(int(level), "%s", message)
    tf.io.gfile.remove(f"{folder}/{JOB_FILE}")
    if process.returncode == 2:
        raise InputError(message)
    if process.returncode:
        raise RuntimeError(
            f"training ended with exit code {process.returncode}: another worker was lost, or this one "
            "failed; the log tells. Start the workers and the run again: it goes on from the last "
            "checkpoint."
        )
