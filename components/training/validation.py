"""Judges a training while it runs, by examples of the train split that it holds out."""

import logging
from collections.abc import Callable, Iterator

import tensorflow as tf

from components.common.errors import InputError
from components.devices.strategies import distribute
from components.models.heads.head import Head
from components.spec.hyperparameters import Hyperparameters
from components.training.batching import count, training_batches

progress = logging.getLogger("progress")


class Validation(tf.Module):
    """The loss on held-out sequences after each epoch, and the weights that had the lowest.

    Attributes:
      loss: the lowest so far, float32 [].
      epoch: after how many epochs it was reached, int64 [].
      weights: those after that epoch, in the order of `model.trainable_variables`.

    All three are variables, so that a checkpoint can hold them.
    """

    def __init__(
        self,
        model: tf.keras.Model,
        head: Head,
        sequences: tf.data.Dataset,
        hyperparameters: Hyperparameters,
    ):
        """Counts the sequences, see `components.training.batching.training_sequences`.

        Raises:
          InputError: there are none.
        """
        super().__init__()
        self._model, self._hyperparameters = model, hyperparameters
        self._count = count(sequences)
        if not self._count:
            raise InputError(
                f"validation_fraction is {hyperparameters.validation_fraction} and holds out no example "
                "of the train split. Pass a larger --set validation_fraction=, or 0 to train without."
            )
        self._sequences = sequences
        self._steps = -(-self._count // hyperparameters.batch_size)
        self._sum_losses = _loss_step(model, head)
        self.loss = tf.Variable(float("inf"), trainable=False)
        self.epoch = tf.Variable(0, trainable=False, dtype=tf.int64)
        with tf.device("CPU"):  # Not in the memory that training needs.
            self.weights = [tf.Variable(v.numpy(), False) for v in model.trainable_variables]

    def look(self, epoch: int) -> float:
        """Computes the mean loss after `epoch` epochs; keeps the weights if it is the lowest."""
        # Made anew: each pass over one data set would have another order, and differ in the last bits.
        batches = training_batches(self._sequences, self._count, self._hyperparameters, seed=0)
        iterator = iter(distribute(batches, self._model.distribute_strategy))
        loss = sum(float(self._sum_losses(iterator)) for _ in range(self._steps)) / self._count
        if loss < float(self.loss):
            self.loss.assign(loss)
            self.epoch.assign(epoch)
            for kept, variable in zip(self.weights, self._model.trainable_variables):
                kept.assign(variable.numpy())
        return loss

    def is_over(self, epoch: int) -> bool:
        """Whether the last `early_stopping_patience` of `epoch` epochs have not lowered the loss."""
        patience = self._hyperparameters.early_stopping_patience
        return bool(patience) and epoch - int(self.epoch) >= patience

    def take_best(self) -> None:
        """Gives the model the weights with the lowest loss."""
        for kept, variable in zip(self.weights, self._model.trainable_variables):
            variable.assign(kept.numpy())
        progress.warning(
            "kept the weights of epoch %d: validation loss %.4f", int(self.epoch), float(self.loss)
        )


def _loss_step(model: tf.keras.Model, head: Head) -> Callable[[Iterator], tf.Tensor]:
    """Makes the function: iterator over `distribute` -> the sum of a batch's losses, float32 []."""
    strategy = model.distribute_strategy

    @tf.autograph.experimental.do_not_convert
    def on_replica(inputs, targets, weight):
        size = tf.shape(tf.nest.flatten(targets)[0])[0]
        counted = tf.where(weight > 0, tf.cast(size, tf.float32), 0.0)
        return head.loss(targets, model(inputs, training=False)) * counted

    @tf.function(autograph=False)
    def step(iterator):
        sums = strategy.run(on_replica, args=next(iterator))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

    return step
