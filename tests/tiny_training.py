"""A training of seconds, in this process or in one that can be killed.

python -m tests.tiny_training ENCODER FOLDER [KILLED_FROM_STEP]

trains with a checkpoint in FOLDER after each step. With KILLED_FROM_STEP, the process kills itself
while it writes a checkpoint of that step or a later one. Else it prints the sum of the weights' bytes.
"""

import hashlib
import logging
import math
import os
import signal
import sys

import numpy as np
import tensorflow as tf

from components.devices.precision import rewritten_to
from components.models.bert.hub import resolve
from components.models.heads.head import build_head
from components.spec.registry import load_task
from components.spec.task import Task
from components.training import trainer
from components.training.checkpoints import Checkpoints
from components.training.loop import fit

STEPS = 12


def random_sequences(count: int = 46) -> tf.data.Dataset:
    """Sequences of random tokens, 3 to 20 in each sentence; 46 make a last batch that is not full."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(6, 40, count)
    ids = tf.ragged.constant([rng.integers(5, 90, n).tolist() for n in lengths], dtype=tf.int32)
    types = tf.ragged.constant(
        [[0] * (n // 2) + [1] * (n - n // 2) for n in lengths], dtype=tf.int32
    )
    labels = rng.integers(0, 2, count)
    return tf.data.Dataset.from_tensor_slices(
        ({"input_word_ids": ids, "input_type_ids": types}, labels)
    )


def train(
    encoder: str,
    checkpoints: Checkpoints | None = None,
    strategy=None,
    log_dir="",
    held_out: tf.data.Dataset | None = None,
    task: Task | None = None,
    **settings,
) -> tf.keras.Model:
    """Three epochs of four steps, dropout included."""
    changes = {"epochs": "3", "batch_size": "12", "learning_rate": "1e-3", **settings}
    task = (task or load_task("mrpc")).override(changes)
    tf.keras.utils.set_random_seed(task.hyperparameters.seed)
    resolved = resolve(encoder)
    with (strategy or tf.distribute.get_strategy()).scope():
        model = trainer.build_model(build_head(task.head), resolved, task.hyperparameters)
    with rewritten_to("float32", task.hyperparameters.jit_compile):
        fit(
            *(model, build_head(task.head), random_sequences(), task.hyperparameters),
            *(log_dir, "float32", checkpoints, held_out),
        )
    return model


def every_step(folder: str) -> Checkpoints:
    return Checkpoints(folder, seconds=0, fraction=math.inf)


def digest(model: tf.keras.Model) -> str:
    """Of every bit of the weights."""
    weights = b"".join(variable.numpy().tobytes() for variable in model.trainable_variables)
    return hashlib.sha256(weights).hexdigest()


def _die_while_writing(first_step: int) -> None:
    """Has this process kill itself where a checkpoint lies there without its index, which comes last."""
    write = tf.train.Checkpoint.write

    def write_and_die(self, file_prefix: str) -> str:
        written = write(self, file_prefix)
        if int(os.path.basename(file_prefix)) >= first_step:
            os.remove(f"{file_prefix}.index")
            os.kill(os.getpid(), signal.SIGKILL)
        return written

    tf.train.Checkpoint.write = write_and_die


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    if len(sys.argv) > 3:
        _die_while_writing(int(sys.argv[3]))
    print("weights", digest(train(sys.argv[1], every_step(sys.argv[2]))))
