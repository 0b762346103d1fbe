"""The training loop."""

import logging
import math
import time

import tensorflow as tf

from components.batches import count_rows, training_batches
from components.bert.layers import separate_replicas
from components.bert.optimizer import WarmupLinearDecay, adamw
from components.checkpoints import Checkpoints
from components.errors import InputError
from components.strategies import shares
from components.tasks.base import Hyperparameters
from components.training_step import training_step
from components.validation import Validation

progress = logging.getLogger("progress")

_LOOK_EVERY = 5  # steps
# A loss this many times the first one is no bad batch any more.
_EXPLOSION = 100.0


class Diverged(InputError):
    """The loss or the weights are no numbers any more, or far too large: the settings are at fault."""


def fit(
    model: tf.keras.Model,
    head,
    rows: tf.data.Dataset,
    hyperparameters: Hyperparameters,
    log_dir: str,
    precision: str,
    checkpoints: Checkpoints | None = None,
    held_out: tf.data.Dataset | None = None,
) -> None:
    """Trains in place, within `rewritten_to(precision)`, and writes TensorBoard events to `log_dir`.

    A step's result depends on the hyperparameters, the rows and the step's number, not on where the
    process began; so a training that goes on from a checkpoint ends as if nothing had happened.

    Args:
      model: made in the scope of the strategy that it trains under.
      head, rows: see `components/heads` and `components/batches.py`.
      log_dir: "" for no events.
      precision: see `components/bert/precision.py`.
      checkpoints: where to go on from and to write to; None for neither.
      held_out: rows to validate on after each epoch; the model ends with the weights of the best one.

    Raises:
      Diverged: see there; nothing that was trained so far is of use.
      InputError: there are no rows.
    """
    row_count = count_rows(rows)
    if not row_count:
        raise InputError(
            "there is no row to train on. Pass other data, or a lower validation_share."
        )
    steps_per_epoch = -(-row_count // hyperparameters.batch_size)
    total_steps = steps_per_epoch * hyperparameters.epochs
    schedule = WarmupLinearDecay(
        hyperparameters.learning_rate,
        total_steps,
        int(total_steps * hyperparameters.warmup_share),
    )
    optimizer = _optimizer(model, schedule, hyperparameters, precision)
    run_step = training_step(model, head, optimizer, hyperparameters.accumulate)
    state = {"model": model, "optimizer": optimizer}
    validation = Validation(model, head, held_out, hyperparameters) if held_out else None
    if validation:
        state["validation"] = validation
    done = checkpoints.restore(state) if checkpoints else 0
    separate_replicas(model)
    watch = _Watch(done, total_steps, hyperparameters.batch_size, schedule, log_dir)
    over = bool(validation) and validation.is_over(done // steps_per_epoch)
    while done < total_steps and not over:
        epoch, skipped = divmod(done, steps_per_epoch)
        batches = _epoch(rows, row_count, hyperparameters, epoch).skip(skipped)
        iterator = iter(shares(batches, model.distribute_strategy, hyperparameters.accumulate))
        for _ in range(skipped, steps_per_epoch):
            watch.add(run_step(iterator))
            done += 1
            if validation and done % steps_per_epoch == 0:
                watch.validated(epoch + 1, validation.look(epoch + 1))
                over = validation.is_over(epoch + 1)
            if checkpoints and checkpoints.is_due() and done < total_steps:
                watch.check(model)
                checkpoints.save(done, state)
    watch.check(model)
    if validation:
        validation.take_best()


def _optimizer(
    model: tf.keras.Model,
    schedule: WarmupLinearDecay,
    hyperparameters: Hyperparameters,
    precision: str,
) -> tf.keras.optimizers.Optimizer:
    """With its variables, made in the scope of the model's strategy."""
    with model.distribute_strategy.scope():
        optimizer = adamw(
            schedule,
            hyperparameters.weight_decay,
            hyperparameters.clip_norm,
            hyperparameters.head_learning_rate / hyperparameters.learning_rate,
        )
        if precision == "float16":  # Small gradients would be 0 in it.
            optimizer = tf.keras.mixed_precision.LossScaleOptimizer(optimizer)
        optimizer.build(model.trainable_variables)  # else the first step is traced twice
    return optimizer


def _epoch(
    rows: tf.data.Dataset, row_count: int, hyperparameters: Hyperparameters, epoch: int
) -> tf.data.Dataset:
    """Batches in another order in each epoch, known without going through the epochs before."""
    seed = hyperparameters.seed + 1_000_003 * epoch
    return training_batches(rows, row_count, hyperparameters, seed)


class _Watch:
    """Reports how training goes, and stops it when it goes wrong.

    A loss is read some steps after it was asked for, so that a GPU need not wait for Python.
    """

    def __init__(self, done: int, total: int, batch_size: int, schedule, log_dir: str):
        self._first = self._done = done
        self._total, self._batch_size, self._schedule = total, batch_size, schedule
        self._unread: list[tf.Tensor] = []
        self._limit = math.inf
        self._validation_loss = ""
        self._events = tf.summary.create_file_writer(log_dir) if log_dir else None

    def add(self, loss: tf.Tensor) -> None:
        """Takes note of one more step, whose loss need not have been computed yet."""
        self._unread.append(loss)
        self._done += 1
        if self._done == self._first + 1:
            self._read()
            self._started = time.monotonic()  # the first step is traced, which is not its speed
        elif self._done % _LOOK_EVERY == 0 or self._done == self._total:
            self._report(self._read())

    def validated(self, epoch: int, loss: float) -> None:
        """Reports the loss on held-out rows after `epoch` epochs.

        Raises:
          Diverged: it is no number.
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
        """The last loss, after a look at all that were not looked at."""
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
            "head_learning_rate=, or a longer --set warmup_share=; where precision is float16, try "
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
