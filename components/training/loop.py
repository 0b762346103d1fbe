"""The training loop."""

import tensorflow as tf

from components.common.errors import InputError
from components.devices.strategies import distribute
from components.models.bert.layers import separate_replicas
from components.models.heads.head import Head
from components.spec.hyperparameters import Hyperparameters
from components.training.batching import count, training_batches
from components.training.checkpoints import Checkpoints
from components.training.optimizer import WarmupLinearDecay, adamw
from components.training.progress import Progress
from components.training.step import training_step
from components.training.validation import Validation


def fit(
    model: tf.keras.Model,
    head: Head,
    sequences: tf.data.Dataset,
    hyperparameters: Hyperparameters,
    log_dir: str,
    precision: str,
    checkpoints: Checkpoints | None = None,
    held_out: tf.data.Dataset | None = None,
) -> None:
    """Trains the model in place and writes TensorBoard events to `log_dir`.

    It is called within `rewritten_to(precision)`. A step's result depends on the hyperparameters, the
    sequences and the step's number, not on where the process began. So a training that goes on from a
    checkpoint ends with the same weights.

    Args:
      model: made in the scope of the strategy that it trains under.
      sequences: to train on, see `components/training/batching.py`.
      log_dir: "" for no events.
      precision: see `components/devices/precision.py`.
      checkpoints: where to go on from and to write to; None for neither.
      held_out: sequences to validate on after each epoch; the model ends with the best one's weights.

    Raises:
      Diverged: see there; the weights are of no use.
      InputError: there are no sequences.
    """
    n_sequences = count(sequences)
    if not n_sequences:
        raise InputError(
            "there is no example to train on. Pass other data, or a lower validation_fraction."
        )
    steps_per_epoch = -(-n_sequences // hyperparameters.batch_size)
    total_steps = steps_per_epoch * hyperparameters.epochs
    schedule = WarmupLinearDecay(
        hyperparameters.learning_rate,
        total_steps,
        int(total_steps * hyperparameters.warmup_ratio),
    )
    optimizer = _optimizer(model, schedule, hyperparameters, precision)
    parts = hyperparameters.gradient_accumulation_steps
    run_step = training_step(model, head, optimizer, parts)
    state = {"model": model, "optimizer": optimizer}
    validation = Validation(model, head, held_out, hyperparameters) if held_out else None
    if validation:
        state["validation"] = validation
    done = checkpoints.restore(state) if checkpoints else 0
    separate_replicas(model)
    progress = Progress(done, total_steps, hyperparameters.batch_size, schedule, log_dir)
    over = validation.is_over(done // steps_per_epoch) if validation else False
    while done < total_steps and not over:
        epoch, skipped = divmod(done, steps_per_epoch)
        batches = _epoch(sequences, n_sequences, hyperparameters, epoch).skip(skipped)
        iterator = iter(
            distribute(
                batches, model.distribute_strategy, hyperparameters.gradient_accumulation_steps
            )
        )
        for _ in range(skipped, steps_per_epoch):
            progress.add(run_step(iterator))
            done += 1
            if validation and done % steps_per_epoch == 0:
                progress.validated(epoch + 1, validation.look(epoch + 1))
                over = validation.is_over(epoch + 1)
            if checkpoints and checkpoints.is_due() and done < total_steps:
                progress.check(model)
                checkpoints.save(done, state)
    progress.check(model)
    if validation:
        validation.take_best()


def _optimizer(
    model: tf.keras.Model,
    schedule: WarmupLinearDecay,
    hyperparameters: Hyperparameters,
    precision: str,
) -> tf.keras.optimizers.Optimizer:
    """Makes the optimizer and its variables, in the scope of the model's strategy."""
    with model.distribute_strategy.scope():
        optimizer = adamw(
            schedule,
            hyperparameters.weight_decay,
            hyperparameters.max_gradient_norm,
            hyperparameters.head_learning_rate / hyperparameters.learning_rate,
        )
        if precision == "float16":  # Small gradients would be 0 in it.
            optimizer = tf.keras.mixed_precision.LossScaleOptimizer(optimizer)
        optimizer.build(model.trainable_variables)  # else the first step is traced twice
    return optimizer


def _epoch(
    sequences: tf.data.Dataset, n_sequences: int, hyperparameters: Hyperparameters, epoch: int
) -> tf.data.Dataset:
    """Makes an epoch's batches; their order needs no pass through the epochs before."""
    seed = hyperparameters.seed + 1_000_003 * epoch
    return training_batches(sequences, n_sequences, hyperparameters, seed)
