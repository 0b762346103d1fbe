"""Transform without Beam, for examples that fit in memory: a sweep and the benchmarks use it."""

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import schema_utils
from tfx.utils import io_utils

from components.common.serialization import to_json
from components.preprocessing.transform import preprocessing_fn
from components.spec.encoder import Encoder
from components.spec.task import Task


def read_raw(files: list[str], schema_file: str) -> dict:
    """Reads all examples of gzip-compressed TFRecords: feature name -> tensor [examples, ...]."""
    schema = io_utils.parse_pbtxt_file(schema_file, schema_pb2.Schema())
    spec = schema_utils.schema_as_feature_spec(schema).feature_spec
    examples = list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())
    return tf.io.parse_example(examples, spec)


def examples_of(raw: dict, task: Task, encoder: Encoder) -> tf.data.Dataset:
    """Transforms examples; the data set has one element with all of them."""
    config = {"head": to_json(task.head), "encoder": to_json(encoder)}
    features = {
        name: tf.cast(value, tf.int32) if name.endswith("_ids") else value
        for name, value in preprocessing_fn(raw, config).items()
    }
    return tf.data.Dataset.from_tensors(features)
