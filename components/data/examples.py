"""What a serialized tf.Example holds, as Python values."""

import tensorflow as tf


def values_by_name(serialized: bytes) -> dict[str, list]:
    """Feature name -> its bytes, ints or floats; a feature that is none of them is left out."""
    features = tf.train.Example.FromString(serialized).features.feature
    return {
        name: list(getattr(feature, kind).value)
        for name, feature in features.items()
        if (kind := feature.WhichOneof("kind"))
    }
