"""Reports the progress of training, and stops it when it diverges."""

import logging
import math
import time

import tensorflow as tf

from components.common.errors import InputError

progress = logging.getLogger("progress")

_LOOK_EVERY = 5  # steps
# A loss of this many times the first one is more than a bad batch.
_EXPLOSION = 100.0


class Diverged(InputError):
    """The loss or the weights are not finite, or far too large: the settings have to change."""


class Progress:
    """The progress of a training: logs it, writes TensorBoard events, and stops a bad training.

    A loss is read some steps after it was computed, so that a GPU need not wait for Python.
    """

    def __init__(self, done: int, total: int, batch_size: int, schedule, log_dir: str):
        self._first = self._done = done
        self._total, self._batch_size, self._schedule = total, batch_size, schedule
        self._unread: list[tf.Tensor] = []
        self._limit = math.inf
        self._validation_loss = ""
        self._events = tf.summary.create_file_writer(log_dir) if log_dir else None

    def add(self, loss: tf.Tensor) -> None:
        """Notes one more step, whose loss need not have been computed yet.

        Raises:
          Diverged: the loss of this step, or of one before, is bad.
        """
        self._unread.append(loss)
        self._done += 1
        if self._done == self._first + 1:
            self._read()
            self._started = time.monotonic()  # the first step is traced, which is not its speed
        elif self._done % _LOOK_EVERY == 0 or self._done == self._total:
            self._report(self._read())

    def validated(self, epoch: int, loss: float) -> None:
        """Reports the loss on held-out examples after `epoch` epochs.

        Raises:
          Diverged: the loss is not finite.
        """
        self._read()
        if not math.isfinite(loss):
            raise self._diverged(self._done, f"the validation loss is {loss}")
        progress.info("epoch %d  validation loss %.4f", epoch, loss)
        self._validation_loss = f"  validation loss {loss:.4f}"
        if self._events:
            with self._events.as_default(step=self._done):
                tf.summary.scalar("validation_loss", loss)

    def check(self, model: tf.keras.Model) -> None:
        """Raises Diverged where a loss is bad, or a weight is not finite."""
        self._read()
        finite = [tf.reduce_all(tf.math.is_finite(v)) for v in model.trainable_variables]
        if not tf.reduce_all(finite):
            raise self._diverged(self._done, "weights are not finite")

    def _read(self) -> float:
        """Checks all losses that were not read yet, and returns the last one."""
        losses, self._unread = [float(loss) for loss in self._unread], []
        for step, loss in enumerate(losses, self._done - len(losses) + 1):
            if not loss <= self._limit:  # NaN is not, either.
                raise self._diverged(step, f"the loss is {loss:.4g}")
            if math.isinf(self._limit):
                self._limit = _EXPLOSION * max(loss, 1.0)
        return losses[-1] if losses else math.nan

    def _diverged(self, step: int, what: str) -> Diverged:
        rate = float(self._schedule(step - 1))
        return Diverged(
            f"training has diverged: at step {step} of {self._total}, with a learning rate of "
            f"{rate:.3g}, {what}. Nothing is exported. Pass a lower --set learning_rate= or "
            "head_learning_rate=, or a longer --set warmup_ratio=; where precision is float16, try "
            "float32."
        )

    def _report(self, loss: float) -> None:
        seconds = time.monotonic() - self._started
        timed = self._done - self._first - 1
        left = seconds / timed * (self._total - self._done)
        rate = timed * self._batch_size / seconds
        progress.info(
            "step %d/%d  loss %.4f%s  %.1f examples/s  %d:%02d left",
            self._done,
            self._total,
            loss,
            self._validation_loss,
            rate,
            *divmod(int(left), 60),
        )
        if self._events:
            with self._events.as_default(step=self._done):
                tf.summary.scalar("loss", loss)
                tf.summary.scalar("examples_per_second", rate)
                tf.summary.scalar("learning_rate", self._schedule(self._done - 1))
