"""One step of training: the gradients of a batch, on all replicas, and the update of the weights."""

from collections.abc import Callable, Iterator

import tensorflow as tf

from components.models.heads.head import Head


def training_step(
    model: tf.keras.Model, head: Head, optimizer: tf.keras.optimizers.Optimizer, parts: int = 1
) -> Callable[[Iterator], tf.Tensor]:
    """Makes the function: iterator over `distribute` -> the loss of its next batch, float32 [].

    It is traced without AutoGraph. Nothing in it needs AutoGraph, and converting Keras' and TF Hub's own
    code with it takes longer than training on a small data set.

    Args:
      parts: in how many parts a replica gets a batch from `distribute`. Their gradients are summed up
        before the update, so that memory holds the activations of one part, and a copy of the weights.
    """
    strategy = model.distribute_strategy
    # Sparse gradients, the embeddings', differ in shape from batch to batch.
    densely = parts > 1 or strategy.num_replicas_in_sync > 1

    def loss_and_gradients(inputs, targets, weight):
        with tf.GradientTape() as tape:
            loss = head.loss(targets, model(inputs, training=True)) * weight
        pairs = optimizer.compute_gradients(loss, model.trainable_variables, tape)
        gradients = [gradient for gradient, _ in pairs]
        return loss, [tf.convert_to_tensor(g) for g in gradients] if densely else gradients

    def update(gradients):  # adds them up over all replicas, then clips
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))

    if parts > 1:
        return _in_parts(model, loss_and_gradients, update, parts)

    @tf.autograph.experimental.do_not_convert
    def on_replica(inputs, targets, weight):
        loss, gradients = loss_and_gradients(inputs, targets, weight)
        update(gradients)
        return loss

    @tf.function(autograph=False)
    def step(iterator):
        losses = strategy.run(on_replica, args=next(iterator))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    return step


def _in_parts(model: tf.keras.Model, loss_and_gradients, update, parts: int) -> Callable:
    """Makes the function of `training_step` where `parts` elements of the iterator are a batch."""
    strategy = model.distribute_strategy
    with strategy.scope():
        sums = [
            tf.Variable(
                tf.zeros(variable.shape),
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,  # each replica has its own
                aggregation=tf.VariableAggregation.SUM,
            )
            for variable in model.trainable_variables
        ]

    @tf.autograph.experimental.do_not_convert
    def add(inputs, targets, weight):
        loss, gradients = loss_and_gradients(inputs, targets, weight)
        for total, gradient in zip(sums, gradients):
            total.assign_add(gradient)
        return loss

    @tf.autograph.experimental.do_not_convert
    def end():
        update([total.read_value() for total in sums])
        for total in sums:
            total.assign(tf.zeros(total.shape))

    @tf.function(autograph=False)
    def add_part(iterator):
        losses = strategy.run(add, args=next(iterator))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    @tf.function(autograph=False)
    def end_step():
        strategy.run(end)

    def step(iterator):
        # Each part is a call of its own: within one function, TensorFlow would run parts in parallel.
        loss = tf.add_n([add_part(iterator) for _ in range(parts)])
        end_step()
        return loss

    return step
