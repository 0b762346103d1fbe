"""The training loop."""

import tensorflow as tf

from components.common.errors import InputError
from components.devices.strategies import shares
from components.models.bert.layers import separate_replicas
from components.spec.task import Hyperparameters
from components.training.batching import count_rows, training_batches
from components.training.checkpoints import Checkpoints
from components.training.optimizer import WarmupLinearDecay, adamw
from components.training.progress import Watch
from components.training.step import training_step
from components.training.validation import Validation


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
      head, rows: see `components/heads` and `components/training/batching.py`.
      log_dir: "" for no events.
      precision: see `components/devices/precision.py`.
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
    watch = Watch(done, total_steps, hyperparameters.batch_size, schedule, log_dir)
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
