"""Two logical processors: python -m tests.two_devices PLAIN DROPPING FOLDER

Writes weights-N.npz, of the tiny training of the encoder PLAIN with each batch in N parts, and
states.npz, what each device's copy of the encoder DROPPING makes in training of the same row. A program
of its own, since devices are fixed when TensorFlow starts.
"""

import sys

import numpy as np
import tensorflow as tf

from components.models.bert.hub import resolve
from components.models.bert.layers import separate_replicas
from components.models.heads.head import build_head
from components.spec.registry import load_task
from components.training import trainer
from tests.tiny_training import train

ROW = {
    "input_word_ids": [[2, 7, 8, 3, 9, 3]],
    "input_mask": [[1, 1, 1, 1, 1, 1]],
    "input_type_ids": [[0, 0, 0, 0, 1, 1]],
}


def build(encoder: str) -> tf.keras.Model:
    task = load_task("mrpc")
    return trainer.build_model(build_head(task.head), resolve(encoder), task.hyperparameters)


def states_in_training(model: tf.keras.Model) -> tf.Tensor:
    """float32 [1, tokens, hidden size]; what the pair head makes of them is 0 before training."""
    row = {name: tf.constant(values) for name, values in ROW.items()}
    return model.get_layer("encoder")(row, training=True)["sequence_output"]


def main(plain: str, dropping: str, folder: str) -> None:
    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        processor, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for parts in ("1", "2"):
        trained = train(plain, strategy=strategy, dropout="0", gradient_accumulation_steps=parts)
        np.savez(f"{folder}/weights-{parts}.npz", *[v.numpy() for v in trained.trainable_variables])
    with strategy.scope():
        model = build(dropping)
    separate_replicas(model)
    states = strategy.run(tf.function(lambda: states_in_training(model)))
    np.savez(f"{folder}/states.npz", *[of_replica.numpy() for of_replica in states.values])


if __name__ == "__main__":
    main(*sys.argv[1:])
