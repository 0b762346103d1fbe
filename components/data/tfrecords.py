"""TFRecords of tf.Examples, one folder a split: written, and checked before a run relies on them."""

import dataclasses
import gzip
import hashlib
import math
import os
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from google.protobuf import message, text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.common.errors import InputError
from components.common.files import file_sha256
from components.spec.data_source import SPLITS, Example

OPTIONAL_SPLITS = ("test",)
_EXAMPLES_A_FILE = 5_000
_RECORDS_AT_ONCE = 1_024
_CHUNK_BYTES = 1 << 20
# TFX reads every file of a split's folder, hidden ones too, so each must be one of these.
_RECORD_FILE = re.compile(r"(?![._]).*tfrecords?(-\d+-of-\d+)?(\.gz)?")
_KINDS = {
    schema_pb2.BYTES: "bytes_list",
    schema_pb2.INT: "int64_list",
    schema_pb2.FLOAT: "float_list",
}


def write_records(
    folder: str, examples: Sequence[Example], written: Callable[[], None] = lambda: None
) -> None:
    """Writes examples as gzip-compressed TFRecords; the same examples give the same bytes.

    str and bytes become a bytes_list (UTF-8), int an int64_list, float a float_list; a list holds
    several of one kind. `written` is called after each example.
    """
    os.mkdir(folder)
    file_count = max(1, math.ceil(len(examples) / _EXAMPLES_A_FILE))
    for index in range(file_count):
        path = os.path.join(folder, f"data-{index:05}-of-{file_count:05}.tfrecord.gz")
        first, end = (len(examples) * i // file_count for i in (index, index + 1))
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for example in examples[first:end]:
                proto = _fill(tf.train.Example(), example)
                writer.write(proto.SerializeToString(deterministic=True))
                written()


def _fill(proto: Any, example: Example) -> Any:
    for name, value in example.items():
        feature = proto.features.feature[name]
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, int):
                feature.int64_list.value.append(item)
            elif isinstance(item, float):
                feature.float_list.value.append(item)
            else:
                feature.bytes_list.value.append(item.encode() if isinstance(item, str) else item)
    return proto


def check_records(data_dir: str, schema_path: str) -> dict[str, int]:
    """Reads and checks all records of all splits, and counts them.

    Args:
      data_dir: has folders train and eval, and may have test.
      schema_path: the task's schema, which every record must meet: presence, type, number of values
        and domain of integers. Further features are allowed.

    Returns:
      Split -> number of its records.

    Raises:
      InputError: at the first file or record that TFX would fail on, or would wrongly accept.
    """
    task, _ = os.path.splitext(os.path.basename(schema_path))
    remedy = f"Write it with `bert-tfx prepare {task} --output DIR`."
    if "://" not in data_dir and not os.path.isdir(data_dir):
        raise InputError(f"The data folder {data_dir} does not exist. {remedy}")
    rules = _read_rules(schema_path)
    counts = {}
    for split, files in _list_splits(data_dir, remedy).items():
        try:
            counts[split] = sum(_check_file(path, rules) for path in files)
        except _Fault as fault:
            raise InputError(f"{fault} {remedy}") from None
        if not counts[split]:
            raise InputError(f"The {split} split in {data_dir} has no records. {remedy}")
    return counts


def content_sha256(data_dir: str) -> str:
    """Returns a hash of the records of all splits: of the names and bytes of their files."""
    digest = hashlib.sha256()
    for split, files in sorted(_list_splits(data_dir, "").items()):
        for path in sorted(files):
            name = f"{split}/{os.path.basename(path)}"
            digest.update(f"{name} {file_sha256(path, tf.io.gfile.GFile)}\n".encode())
    return digest.hexdigest()


class _Fault(Exception):
    """What is wrong with one record."""


@dataclasses.dataclass(frozen=True)
class _Rule:
    """What the schema asks of one feature.

    Attributes:
      name: of the feature.
      kind: field of tf.train.Feature that holds the values.
      is_required: whether every record has it.
      least, most: how many values it has where it is present.
      low, high: the range of its values, where these are integers.
    """

    name: str
    kind: str
    is_required: bool
    least: float
    most: float
    low: float
    high: float


def _read_rules(schema_path: str) -> list[_Rule]:
    try:
        with open(schema_path, encoding="utf-8") as file:
            schema = text_format.Parse(file.read(), schema_pb2.Schema())
    except OSError as error:
        raise InputError(f"The schema {schema_path} cannot be read: {error.strerror}.") from None
    except text_format.ParseError as error:
        raise InputError(f"The schema {schema_path}:{error}. Mend it.") from None
    # What has a stage is no feature of the records: DriftGate reads its thresholds there.
    return [_rule(feature) for feature in schema.feature if not feature.lifecycle_stage]


def _rule(feature: schema_pb2.Feature) -> _Rule:
    least, most = feature.value_count.min, feature.value_count.max or math.inf
    if feature.HasField("shape"):
        least = most = math.prod(dim.size for dim in feature.shape.dim)
    domain = feature.int_domain
    return _Rule(
        name=feature.name,
        kind=_KINDS[feature.type],
        is_required=feature.presence.min_fraction == 1.0,
        least=least,
        most=most,
        low=domain.min if domain.HasField("min") else -math.inf,
        high=domain.max if domain.HasField("max") else math.inf,
    )


def _list_splits(data_dir: str, remedy: str) -> dict[str, list[str]]:
    """Returns split -> paths of its files."""
    found = sorted(name.rstrip("/") for name in tf.io.gfile.listdir(data_dir))
    splits = {}
    for split in SPLITS:
        if split in found:
            folder = os.path.join(data_dir, split)
            splits[split] = [os.path.join(folder, n) for n in sorted(tf.io.gfile.listdir(folder))]
        elif split not in OPTIONAL_SPLITS:
            raise InputError(
                f"{data_dir} has no folder {split}, only: {', '.join(found) or 'nothing'}. {remedy}"
            )
    for path in (path for paths in splits.values() for path in paths):
        if not _RECORD_FILE.fullmatch(os.path.basename(path)) or tf.io.gfile.isdir(path):
            raise InputError(
                f"{path} is no TFRecord file (*.tfrecord.gz), but TFX would read it as one. "
                "Move it away."
            )
    return splits


def _check_file(path: str, rules: Sequence[_Rule]) -> int:
    """Counts the records in a file; looks at them one by one only when there is a fault."""
    damage = _gzip_damage(path) if path.endswith(".gz") else None
    if not damage:
        count = _count_if_clean(path, rules)
        if count is not None:
            return count
    return _check_each(path, rules, damage)


def _gzip_damage(path: str) -> str | None:
    """Returns why the file is no whole gzip stream; TensorFlow accepts many truncated ones."""
    try:
        with tf.io.gfile.GFile(path, "rb") as file, gzip.GzipFile(fileobj=file) as stream:
            if not file.size():
                return "no byte in it"
            while stream.read(_CHUNK_BYTES):
                pass
    except (OSError, EOFError, zlib.error, tf.errors.OpError) as error:
        return str(error)
    return None


def _count_if_clean(path: str, rules: Sequence[_Rule]) -> int | None:
    """Counts the records, parsed in batches; returns None where `_check_each` has to look."""
    types = {"bytes_list": tf.string, "int64_list": tf.int64, "float_list": tf.float32}
    specification = {rule.name: tf.io.RaggedFeature(types[rule.kind]) for rule in rules}
    count = 0
    try:
        for serialized in _read(path).batch(_RECORDS_AT_ONCE):
            features = tf.io.parse_example(serialized, specification)
            for rule in rules:
                lengths, values = features[rule.name].row_lengths(), features[rule.name].values
                # A feature without values may be missing: only the record itself can tell.
                least = max(rule.least, rule.is_required)
                if not _is_within(lengths, least, rule.most):
                    return None
                if rule.kind == "int64_list" and not _is_within(values, rule.low, rule.high):
                    return None
            count += len(serialized)
    except (tf.errors.OpError, UnicodeDecodeError):  # A message may quote bytes that are no text.
        return None
    return count


def _is_within(numbers, low: float, high: float) -> bool:
    """Whether all numbers, int64 of any shape, lie between two bounds."""
    numbers = numbers.numpy()
    return not numbers.size or (low <= numbers.min() and numbers.max() <= high)


def _check_each(path: str, rules: Sequence[_Rule], damage: str | None) -> int:
    """Counts the records in a file one by one.

    Raises:
      _Fault: at the first record that breaks a rule.
    """
    count, records = 0, _read(path).as_numpy_iterator()
    while True:
        try:
            serialized = next(records, None)
        except tf.errors.OpError as error:
            kind = type(error).__name__
            raise _Fault(f"{path}: record {count + 1} cannot be read ({kind}).") from None
        if serialized is None:
            break
        count += 1
        problem = _problem_of(serialized, rules)
        if problem:
            raise _Fault(f"{path}: record {count}: {problem}.")
    if damage:
        raise _Fault(f"{path}: truncated or damaged after record {count} ({damage}).")
    return count


def _problem_of(serialized: bytes, rules: Sequence[_Rule]) -> str | None:
    """Returns what is wrong with a record, or None."""
    try:
        features = tf.train.Example.FromString(serialized).features.feature
    except message.DecodeError:
        return "is no tf.Example"
    for rule in rules:
        kind = features[rule.name].WhichOneof("kind") if rule.name in features else None
        if kind and (problem := _problem_of_values(kind, getattr(features[rule.name], kind), rule)):
            return f"feature {rule.name!r}: {problem}"
        if not kind and rule.is_required:
            return f"feature {rule.name!r}: missing"
    return None


def _problem_of_values(kind: str, values: Any, rule: _Rule) -> str | None:
    if kind != rule.kind:
        return f"is a {kind}, should be a {rule.kind}"
    count = len(values.value)
    if not rule.least <= count <= rule.most:
        expected = rule.least if rule.least == rule.most else f"{rule.least} to {rule.most}"
        return f"has {count} values, should have {expected}"
    for value in values.value if kind == "int64_list" else ():
        if not rule.low <= value <= rule.high:
            return f"is {value}, should lie between {rule.low} and {rule.high}"
    return None


def _read(path: str):
    return tf.data.TFRecordDataset(path, "GZIP" if path.endswith(".gz") else "")
