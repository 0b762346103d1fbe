import io
import os

import pytest

from components.common.errors import InputError
from components.serving.request_examples import batches, read_texts


def read(content: bytes) -> list[dict]:
    return list(read_texts(io.BytesIO(content), "rows", ["a", "b"]))


@pytest.mark.parametrize(
    "content",
    [
        'b\tid\ta\nß "\t1\t x\n\t2\t\n'.encode(),
        '\ufeffb\ta\r\nß "\t x\r\n\t\r\n'.encode(),
        b'{"a": " x", "b": "\\u00df \\"", "id": 1}\n\n{"b": "", "a": ""}',
    ],
    ids=["columns", "byte order mark and CRLF", "JSON"],
)
def test_examples_are_read(content):
    assert read(content) == [{"a": " x", "b": 'ß "'}, {"a": "", "b": ""}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\tc\nx\ty\n", r"rows:1: b\b.*missing.* a, b\b"),
        (b"a\tb\nx\n", r"rows:2: 1 columns.* 2\b"),
        (b"a\tb\nx\t\xff\n", r"rows:2: byte 3\b.*UTF-8"),
        (b'{"a": "x", "b": "y"}\n{"a": "x"}\n', r"rows:2: b\b.*missing"),
        (b'{"a": "x", "b": 3}\n', r"rows:1: b\b.*no text"),
        (b'{"a": "x", "b": "y"}\n["a"]\n', "rows:2: .*JSON object"),
        (b'{"a": "x", "b": "y"}\nx\n', r"rows:2: .*JSON.*column 1\b"),
    ],
)
def test_a_bad_line_is_named(content, message):
    with pytest.raises(InputError, match=message):
        read(content)


def test_batches_hold_all_examples_in_order():
    rows = [{"a": str(i)} for i in range(100)]
    got = list(batches(iter(rows), 7))
    assert [row for batch in got for row in batch] == rows
    assert all(1 <= len(batch) <= 7 for batch in got)


def test_a_slow_stream_is_answered_before_it_ends():
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as stream, os.fdopen(writer, "wb") as feed:
        got = batches(read_texts(stream, "rows", ["a"]), 32)
        feed.write(b"a\nfirst\n")
        feed.flush()
        assert next(got) == [{"a": "first"}]
        feed.write(b"second\n")
        feed.close()
        assert list(got) == [[{"a": "second"}]]


def test_examples_before_a_bad_line_are_answered():
    stream = io.BytesIO(b"a\nfirst\nx\ty\n")
    got = batches(read_texts(stream, "rows", ["a"]), 1)
    assert next(got) == [{"a": "first"}]
    with pytest.raises(InputError, match="rows:3"):
        next(got)
