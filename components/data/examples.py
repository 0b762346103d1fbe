"""Reads a serialized tf.Example into Python values."""

import tensorflow as tf


def values_by_name(serialized: bytes) -> dict[str, list]:
    """Returns feature name -> its bytes, ints or floats; leaves out features without a value list."""
    features = tf.train.Example.FromString(serialized).features.feature
    return {
        name: list(getattr(feature, kind).value)
        for name, feature in features.items()
        if (kind := feature.WhichOneof("kind"))
    }
