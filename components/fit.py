"""The training loop."""

import logging
import time

import tensorflow as tf

from components.batches import count_rows, training_batches
from components.bert.optimizer import WarmupLinearDecay, adamw
from components.tasks.base import Hyperparameters

progress = logging.getLogger("progress")


def fit(
    model,
    head,
    rows: tf.data.Dataset,
    hyperparameters: Hyperparameters,
    log_dir: str,
    precision: str,
) -> None:
    """Trains in place, within `rewritten_to(precision)`, and writes TensorBoard events to `log_dir`."""
    row_count = count_rows(rows)
    steps_per_epoch = -(-row_count // hyperparameters.batch_size)
    total_steps = steps_per_epoch * hyperparameters.epochs
    schedule = WarmupLinearDecay(
        hyperparameters.learning_rate,
        total_steps,
        int(total_steps * hyperparameters.warmup_share),
    )
    optimizer = adamw(
        schedule,
        hyperparameters.weight_decay,
        hyperparameters.clip_norm,
        hyperparameters.head_learning_rate / hyperparameters.learning_rate,
    )
    if precision == "float16":  # Small gradients would be 0 in it.
        optimizer = tf.keras.mixed_precision.LossScaleOptimizer(optimizer)
    model.compile(optimizer, loss=head.loss)
    model.optimizer.build(model.trainable_variables)  # else the first step is traced twice
    batches = training_batches(rows, row_count, hyperparameters.batch_size, hyperparameters.seed)
    model.fit(
        batches.repeat(),
        epochs=hyperparameters.epochs,
        steps_per_epoch=steps_per_epoch,
        verbose=0,
        callbacks=[
            tf.keras.callbacks.TensorBoard(log_dir, update_freq=10),
            Progress(total_steps, hyperparameters.batch_size),
        ],
    )


class Progress(tf.keras.callbacks.Callback):
    """Logs step, loss, examples a second and time left."""

    def __init__(self, total_steps: int, batch_size: int):
        super().__init__()
        self._total, self._batch_size, self._step = total_steps, batch_size, 0

    def on_train_batch_end(self, batch, logs=None):
        self._step += 1
        if self._step == 1:
            self._started = (
                time.monotonic()
            )  # the first step is traced, which says nothing of speed
        if self._step == 1 or (self._step % 5 and self._step != self._total):
            return
        seconds = time.monotonic() - self._started
        timed = self._step - 1
        left = seconds / timed * (self._total - self._step)
        progress.info(
            "step %d/%d  loss %.4f  %.1f examples/s  %d:%02d left",
            self._step,
            self._total,
            logs["loss"],
            timed * self._batch_size / seconds,
            *divmod(int(left), 60),
        )
