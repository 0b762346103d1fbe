"""Which devices train, and what each of them gets of a batch."""

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


def shares(batches: tf.data.Dataset, strategy: tf.distribute.Strategy):
    """Every batch, divided among the strategy's replicas.

    All workers read the same batches in the same order; a replica takes every n-th row. Its loss is the
    mean over its rows, so with `weight`, the rows' share of the batch, the losses and gradients of
    all replicas add up to those of the batch, whatever its size.

    Args:
      batches: (inputs, targets), nested tensors of [batch, ...].

    Returns:
      (inputs, targets, weight: float32 []), distributed.
    """
    count = strategy.num_replicas_in_sync

    def share(inputs, targets, replica):
        rows = tf.shape(tf.nest.flatten(targets)[0])[0]
        # Without a row of its own, a replica takes another's and counts it for nothing.
        chosen = tf.range(tf.minimum(replica, rows - 1), rows, count)
        weight = tf.cast(tf.where(replica < rows, tf.size(chosen), 0) / rows, tf.float32)
        taken = tf.nest.map_structure(lambda value: tf.gather(value, chosen), (inputs, targets))
        return *taken, weight

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        if count == 1:
            return batches.map(lambda inputs, targets: (inputs, targets, 1.0))
        replicas = count // context.num_input_pipelines
        first = context.input_pipeline_id * replicas
        mine = tf.data.Dataset.range(first, first + replicas, output_type=tf.int32)
        return batches.flat_map(
            lambda inputs, targets: mine.map(lambda replica: share(inputs, targets, replica))
        ).prefetch(tf.data.AUTOTUNE)

    return strategy.distribute_datasets_from_function(of_worker)
