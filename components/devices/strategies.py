"""Which devices train, and what each of them gets of a batch."""

from collections.abc import Iterable

import tensorflow as tf


def strategy_of(setting: str) -> tf.distribute.Strategy:
    """The strategy of a setting, see `Hyperparameters.strategy`.

    Workers must ask before TensorFlow has run anything; the call returns when all of them are there.
    """
    if setting == "workers":
        return tf.distribute.MultiWorkerMirroredStrategy()
    if setting == "mirrored":
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one of all workers that writes."""
    return not strategy.cluster_resolver or strategy.cluster_resolver.task_id == 0


def distribute(
    batches: tf.data.Dataset, strategy: tf.distribute.Strategy, parts: int = 1
) -> Iterable:
    """Deals every batch out, divided among the strategy's replicas, and for each of them into parts.

    All workers read the same batches in the same order; a part has every n-th sequence. Its loss is
    the mean over its sequences, so with `weight`, their fraction of the batch, the losses and gradients
    of all parts add up to those of the batch, whatever its size.

    Args:
      batches: (inputs, targets), nested tensors of [batch, ...].
      parts: how many elements for a replica make a batch.

    Returns:
      (inputs, targets, weight: float32 []), distributed.
    """
    count = strategy.num_replicas_in_sync * parts

    def take(inputs, targets, part):
        size = tf.shape(tf.nest.flatten(targets)[0])[0]
        # Without a sequence of its own, a part takes another's and counts it for nothing.
        chosen = tf.range(tf.minimum(part, size - 1), size, count)
        weight = tf.cast(tf.where(part < size, tf.size(chosen), 0) / size, tf.float32)
        taken = tf.nest.map_structure(lambda value: tf.gather(value, chosen), (inputs, targets))
        return *taken, weight

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        if count == 1:
            return batches.map(lambda inputs, targets: (inputs, targets, 1.0))
        replicas = strategy.num_replicas_in_sync // context.num_input_pipelines
        first = context.input_pipeline_id * replicas
        # A turn for each part, in which each replica takes one.
        turns = range(0, count, strategy.num_replicas_in_sync)
        numbers = [turn + first + replica for turn in turns for replica in range(replicas)]
        mine = tf.data.Dataset.from_tensor_slices(tf.constant(numbers, tf.int32))
        return batches.flat_map(
            lambda inputs, targets: mine.map(lambda part: take(inputs, targets, part))
        ).prefetch(tf.data.AUTOTUNE)

    return strategy.distribute_datasets_from_function(of_worker)
