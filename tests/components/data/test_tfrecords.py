"""A record that the pipeline would stumble over is named before the pipeline starts."""

import pathlib

import pytest
import tensorflow as tf

from components.common.errors import InputError
from components.data.tfrecords import check_records, write_records
from tests.killing import snapshot

SCHEMA = """
feature { name: "text" type: BYTES presence { min_fraction: 1.0 } shape {} }
feature {
  name: "label" type: INT int_domain { min: 0 max: 1 } presence { min_fraction: 1.0 } shape {}
}
feature { name: "answers" type: BYTES presence { min_fraction: 1.0 } value_count { max: 3 } }
feature { name: "weight" type: FLOAT }
"""
ROW = {"text": "a", "label": 1, "answers": ["b", "c"]}
# More than are parsed at once, so that a count in batches shows.
ROWS_BEFORE = 1_500


@pytest.fixture
def data(tmp_path):
    (tmp_path / "toy.pbtxt").write_text(SCHEMA)
    folder = tmp_path / "data"
    folder.mkdir()
    write_records(str(folder / "train"), [ROW] * 3)
    write_records(str(folder / "eval"), [ROW] * 2)
    return folder


def check(data):
    return check_records(str(data), str(data.parent / "toy.pbtxt"))


def assert_refused(data, *parts):
    with pytest.raises(InputError) as error:
        check(data)
    for part in parts:
        assert part in str(error.value)


def file_of(data, split):
    (path,) = (data / split).iterdir()
    return path


def write_file(path, records, compression="GZIP"):
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in records:
            writer.write(record)


def example(**features):
    lists = {int: "int64_list", bytes: "bytes_list", float: "float_list"}
    built = tf.train.Example()
    for name, values in features.items():
        kind = lists[type(values[0])] if values else "bytes_list"
        getattr(built.features.feature[name], kind).SetInParent()
        getattr(built.features.feature[name], kind).value.extend(values)
    return built.SerializeToString()


GOOD = {"text": [b"a"], "label": [1], "answers": [b"b"]}


def test_examples_are_counted(data):
    assert check(data) == {"train": 3, "eval": 2}


def test_the_same_examples_give_the_same_bytes(tmp_path):
    row = {f"feature{n}": n for n in range(50)}
    for name, written in (("one", row), ("other", dict(reversed(row.items())))):
        write_records(str(tmp_path / name), [written])
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "other")


def test_what_the_schema_allows_passes(data):
    allowed = [
        GOOD | {"answers": []},
        GOOD | {"answers": [b"b", b"c", b"d"]},
        GOOD | {"weight": [0.5], "label": [0]},
        GOOD | {"unlisted": [7], "text": [b"\xff"]},
    ]
    write_file(
        data / "train" / "more.tfrecord-00000-of-00001", [example(**row) for row in allowed], ""
    )
    (data / "test").mkdir()
    write_file(
        data / "test" / "all_tfrecord-00000-of-00001.gz", [example(**row) for row in allowed]
    )
    assert check(data) == {"train": 7, "eval": 2, "test": 4}


def without(name):
    return {key: value for key, value in GOOD.items() if key != name}


@pytest.mark.parametrize(
    ("record", "parts"),
    [
        (without("label"), ["'label'", "missing"]),
        (without("answers"), ["'answers'", "missing"]),
        (GOOD | {"label": [b"1"]}, ["'label'", "bytes_list", "int64_list"]),
        (GOOD | {"text": [1]}, ["'text'", "int64_list", "bytes_list"]),
        (GOOD | {"answers": [1]}, ["'answers'", "int64_list", "bytes_list"]),
        (GOOD | {"weight": [1]}, ["'weight'", "int64_list", "float_list"]),
        (GOOD | {"text": [b"a", b"b"]}, ["'text'", "2 values", "1"]),
        (GOOD | {"text": []}, ["'text'", "0 values", "1"]),
        (GOOD | {"answers": [b"b"] * 4}, ["'answers'", "4 values", "0 to 3"]),
        (GOOD | {"label": [2]}, ["'label'", "is 2", "0 and 1"]),
        (GOOD | {"label": [-1]}, ["'label'", "is -1", "0 and 1"]),
        (b"\xff\xffno example", ["tf.Example"]),
        (b"", ["'text'", "missing"]),
    ],
)
@pytest.mark.parametrize("rows_before", [0, ROWS_BEFORE])
def test_a_bad_record_is_named(data, record, parts, rows_before):
    path = data / "eval" / "own.tfrecord.gz"
    good, bad = example(**GOOD), record if isinstance(record, bytes) else example(**record)
    write_file(path, [good] * rows_before + [bad, good])
    remedy = "bert-tfx prepare toy"
    assert_refused(data, f"{path}: record {rows_before + 1}: ", remedy, *parts)


def test_a_truncated_file_is_named_wherever_it_ends(data):
    path = data / "train" / "own.tfrecord.gz"
    write_file(path, [example(**GOOD)] * 3)
    content = path.read_bytes()
    for size in [0, *range(1, len(content), 9), len(content) - 8, len(content) - 1]:
        path.write_bytes(content[:size])
        assert_refused(data, f"{path}: ", "record", "bert-tfx prepare")


def test_a_changed_byte_is_noticed(data):
    path = data / "train" / "own.tfrecord"
    write_file(path, [example(**GOOD)] * 4, compression="")
    content = bytearray(path.read_bytes())
    content[len(content) * 5 // 8] ^= 1
    path.write_bytes(content)
    assert_refused(data, f"{path}: record 3 ", "DataLossError")


def test_what_is_no_gzip_is_named(data):
    path = file_of(data, "train")
    path.write_bytes(b"no records")
    assert_refused(data, f"{path}: record 1 ", "DataLossError")


@pytest.mark.parametrize("name", [".DS_Store", "_SUCCESS", "data.tfrecord.gz.tmp", "notes.txt"])
@pytest.mark.parametrize("split", ["train", "eval"])
def test_a_stray_file_is_named(data, split, name):
    (data / split / name).write_bytes(b"")
    assert_refused(data, str(data / split / name), "Move")


def test_a_stray_folder_is_named(data):
    (data / "train" / "data.tfrecord").mkdir()
    assert_refused(data, str(data / "train" / "data.tfrecord"), "Move")


@pytest.mark.parametrize("split", ["train", "eval"])
def test_a_missing_split_is_named(data, split):
    (data / split).rename(data / "dev")
    assert_refused(data, f"no folder {split}", "dev", "bert-tfx prepare toy")


@pytest.mark.parametrize("split", ["train", "eval", "test"])
@pytest.mark.parametrize("has_file", [True, False])
def test_an_empty_split_is_named(data, split, has_file):
    folder = data / split
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    if has_file:
        write_file(folder / "own.tfrecord.gz", [])
    assert_refused(data, f"{split} split", "no records", "bert-tfx prepare toy")


def test_a_missing_folder_is_named(data):
    with pytest.raises(InputError, match=rf"{data}/absent\b.*bert-tfx prepare toy"):
        check_records(str(data / "absent"), str(data.parent / "toy.pbtxt"))


@pytest.mark.parametrize(
    ("content", "part"), [(None, "No such file"), ("feature { nme: 1 }", ":1:")]
)
def test_a_bad_schema_is_named(data, content, part):
    path = pathlib.Path(data.parent / "toy.pbtxt")
    path.unlink()
    if content:
        path.write_text(content)
    assert_refused(data, str(path), part)
