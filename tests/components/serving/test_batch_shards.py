"""Files cut into shards, each answered whole and once, whatever is wrong with its examples."""

import functools
import json
import os
import pathlib
import re
import time

import pytest
import tensorflow as tf

from components.common.errors import InputError
from components.serving import batch_shards
from components.serving.client import PushedModel
from tests.killing import is_killed_after, snapshot

NAMES = ["one", "two"]


class Lengths(PushedModel):
    """A model that cannot bear the text "boom"."""

    def __init__(self):
        self.names = NAMES

    def answers(self, rows: list[dict]) -> list[dict]:
        if any("boom" in map(tf.compat.as_str, row.values()) for row in rows):
            raise tf.errors.InvalidArgumentError(None, None, "cannot bear it")
        return [{"length": len(row["one"]), "two": tf.compat.as_str(row["two"])} for row in rows]


@pytest.fixture
def answered(tmp_path, monkeypatch):
    """Cuts a file of this content by two examples, and returns the answers and what was refused."""
    monkeypatch.setattr(batch_shards, "EXAMPLES_A_SHARD", 2)

    def run(content: bytes) -> tuple[list[dict], list[dict], int]:
        file, output = tmp_path / "rows", tmp_path / "answers"
        file.write_bytes(content)
        output.mkdir()
        found = batch_shards.cut(str(file), NAMES)
        for shard in found:
            batch_shards.answer(shard, Lengths(), str(output))
        lines = {
            p.name: list(map(json.loads, p.read_text().splitlines()))
            for p in sorted(output.iterdir())
        }
        said = [
            x
            for name, some in lines.items()
            if not name.endswith(batch_shards.ERRORS)
            for x in some
        ]
        refused = [
            x for name, some in lines.items() if name.endswith(batch_shards.ERRORS) for x in some
        ]
        assert all(error.pop("file") == str(file) for error in refused)
        return said, refused, len(found)

    return run


JSON_ROWS = "".join(json.dumps({"two": f"ä{n}", "one": "x" * n}) + "\n" for n in range(5)).encode()
COLUMN_ROWS = ("two\tid\tone\n" + "".join(f"ä{n}\t7\t{chr(13) * n}\r\n" for n in range(5))).encode()


@pytest.mark.parametrize(
    ("content", "first"),
    [
        (JSON_ROWS, 1),
        (b"\xef\xbb\xbf" + JSON_ROWS, 1),
        (JSON_ROWS.removesuffix(b"\n"), 1),
        (COLUMN_ROWS, 2),
        (b"\xef\xbb\xbf" + COLUMN_ROWS, 2),
    ],
    ids=["JSON", "JSON with a mark", "no last line break", "columns", "columns with a mark"],
)
def test_every_row_of_a_text_is_answered_once_with_its_line(answered, content, first):
    said, refused, count = answered(content)
    assert said == [{"row": first + n, "length": n, "two": f"ä{n}"} for n in range(5)]
    assert refused == [] and count == 3


def test_bad_lines_are_told_and_the_others_answered(answered):
    good = b'{"one": "a", "two": "b"}\n'
    bad = b'{"one": "a"}\n[1]\n{"one": 1, "two": ""}\n\xff\n{"one": "boom", "two": ""}\n{"one"\n'
    said, refused, _ = answered(good + bad + b"\n" + good)
    assert [answer["row"] for answer in said] == [1, 9]
    reasons = {
        2: r"two\b.*missing",
        3: "JSON object",
        4: r"one\b.*no text",
        5: r"byte 1\b.*UTF-8",
        6: "model .*cannot bear it",
        7: r"JSON.*column 7\b",
    }
    assert [error["row"] for error in refused] == list(reasons)
    for error in refused:
        assert re.match(f"(.* )?{reasons[error['row']]}", error["reason"]), error


@pytest.mark.parametrize("content", [b"", b"one\ttwo\n"], ids=["nothing", "a header"])
def test_a_file_without_rows_has_no_answers(answered, content):
    assert answered(content) == ([], [], 1)


def test_a_header_without_a_text_is_an_error(answered):
    with pytest.raises(InputError, match=r"rows:1: two\b.*missing"):
        answered(b"one\tthree\n")


def example(**texts: list[bytes]) -> bytes:
    feature = {
        n: tf.train.Feature(bytes_list=tf.train.BytesList(value=v)) for n, v in texts.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def records(compression: str, path: pathlib.Path) -> bytes:
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in (
            example(one=[b"a"], two=[b"b"], three=[b"c"]),
            example(one=[b"a"]),
            example(one=[b"a", b"b"], two=[b"b"]),
            b"\xff\xff",
            example(one=[b"abc"], two=[b""]),
        ):
            writer.write(record)
    return path.read_bytes()


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_records_are_answered_by_their_number(answered, tmp_path, compression):
    said, refused, count = answered(records(compression, tmp_path / "records"))
    assert said == [{"row": 1, "length": 1, "two": "b"}, {"row": 5, "length": 3, "two": ""}]
    assert [error["row"] for error in refused] == [2, 3, 4] and count == 1
    assert re.match(r"two\b.*missing", refused[0]["reason"])
    assert "tf.Example" in refused[2]["reason"]


def test_a_damaged_file_is_answered_up_to_where_it_is_damaged(answered, tmp_path):
    content = records("", tmp_path / "records")
    said, refused, _ = answered(content[:-3])
    assert [answer["row"] for answer in said] == [1]
    assert refused[-1]["row"] == 5 and "damaged" in refused[-1]["reason"]


def test_a_kill_at_any_time_leaves_the_answers_whole_or_absent(tmp_path):
    file, output = tmp_path / "rows", tmp_path / "answers"
    file.write_bytes(JSON_ROWS * 1000 + b"bad\n")
    output.mkdir()
    (shard,) = batch_shards.cut(str(file), NAMES)
    started = time.perf_counter()
    batch_shards.answer(shard, Lengths(), str(output))
    seconds = time.perf_counter() - started
    whole = snapshot(str(output))
    assert set(whole) == {f"{shard.name}.jsonl", f"{shard.name}{batch_shards.ERRORS}"}
    parts, killed = 0, 0
    for moment in range(10):
        for name in os.listdir(output):
            os.remove(output / name)
        action = functools.partial(batch_shards.answer, shard, Lengths(), str(output))
        killed += is_killed_after(action, seconds * moment / 10)
        parts += len(list(output.glob(".*")))
        batch_shards.remove_parts(str(output))
        left = snapshot(str(output))
        assert left.items() <= whole.items()
        assert f"{shard.name}.jsonl" not in left or left == whole
    assert killed and parts
