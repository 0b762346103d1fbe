"""Which devices train, and which part of a batch each of them gets."""

from collections.abc import Iterable

import tensorflow as tf


def strategy_of(setting: str) -> tf.distribute.Strategy:
    """Returns the strategy of a setting, see `Hyperparameters.strategy`.

    A worker must call it before TensorFlow has run anything; it returns when all workers have called it.
    """
    if setting == "workers":
        return tf.distribute.MultiWorkerMirroredStrategy()
    if setting == "mirrored":
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one worker that writes."""
    return not strategy.cluster_resolver or strategy.cluster_resolver.task_id == 0


def distribute(
    batches: tf.data.Dataset, strategy: tf.distribute.Strategy, parts: int = 1
) -> Iterable:
    """Divides every batch among the strategy's replicas, and for each of them into parts.

    All workers read the same batches in the same order; a part has every n-th sequence. Its loss is the
    mean over its sequences. Its `weight` is their fraction of the batch. So the weighted losses and
    gradients of all parts add up to those of the batch, whatever its size.

    Args:
      batches: (inputs, targets), nested tensors of [batch, ...].
      parts: how many elements for a replica make a batch.

    Returns:
      (inputs, targets, weight: float32 []), distributed.
    """
    count = strategy.num_replicas_in_sync * parts

    def take(inputs, targets, part):
        size = tf.shape(tf.nest.flatten(targets)[0])[0]
        # A part without a sequence of its own takes another's with the weight 0.
        chosen = tf.range(tf.minimum(part, size - 1), size, count)
        weight = tf.cast(tf.where(part < size, tf.size(chosen), 0) / size, tf.float32)
        taken = tf.nest.map_structure(lambda value: tf.gather(value, chosen), (inputs, targets))
        return *taken, weight

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        if count == 1:
            return batches.map(lambda inputs, targets: (inputs, targets, 1.0))
        replicas = strategy.num_replicas_in_sync // context.num_input_pipelines
        first = context.input_pipeline_id * replicas
        # Each part is one turn, in which each replica takes one element.
        turns = range(0, count, strategy.num_replicas_in_sync)
        numbers = [turn + first + replica for turn in turns for replica in range(replicas)]
        mine = tf.data.Dataset.from_tensor_slices(tf.constant(numbers, tf.int32))
        return batches.flat_map(
            lambda inputs, targets: mine.map(lambda part: take(inputs, targets, part))
        ).prefetch(tf.data.AUTOTUNE)

    return strategy.distribute_datasets_from_function(of_worker)
