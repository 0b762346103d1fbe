"""The tiny training on two logical processors: python -m tests.two_devices ENCODER WEIGHTS.npz

A program of its own, since devices are fixed when TensorFlow starts.
"""

import sys

import numpy as np
import tensorflow as tf

from tests.tiny_training import train

if __name__ == "__main__":
    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        processor, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    trained = train(sys.argv[1], strategy=strategy, dropout="0")
    np.savez(sys.argv[2], *[variable.numpy() for variable in trained.trainable_variables])
