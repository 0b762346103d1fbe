import io
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.common.errors import InputError
from components.serving.request_examples import batches, read_texts


def read(content: bytes) -> list[dict]:
    return [texts for _, texts in read_texts(io.BytesIO(content), "rows", ["a", "b"])]


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


GOOD = b'{"a": "x", "b": "y"}\n'


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"a\tb\nx\nx\ty\n", 2, r"1 columns.* 2\b"),
        (b"a\tb\nx\t\xff\nx\ty\n", 2, r"byte 3\b.*UTF-8"),
        (b'{"a": "x"}\n' + GOOD, 1, r"b\b.*missing"),
        (b'{"a": "x", "b": 3}\n' + GOOD, 1, r"b\b.*no text"),
        (b'{"a": "\xff", "b": ""}\n' + GOOD, 1, r"byte 8\b.*UTF-8"),
        (GOOD + b'["a"]\n', 2, "JSON object"),
        (GOOD + b"x\n", 2, r"JSON.*column 1\b"),
        (GOOD + b"[" * 200_000 + b"\n", 2, "JSON.*recursion"),
        (GOOD + b'{"a": "x", "b": ' + b"1" * 5_000 + b"}\n", 2, "b .*no text|JSON"),
        (GOOD + b'{"a": "x \\ud83d y", "b": ""}\n', 2, r"a: character 2, \\ud83d"),
    ],
)
def test_a_bad_line_is_told_and_the_other_one_read(content, line, reason):
    lines = dict(read_texts(io.BytesIO(content), "rows", ["a", "b"]))
    assert re.search(reason, lines.pop(line))
    assert list(lines.values()) == [{"a": "x", "b": "y"}]


def test_a_header_without_a_text_is_an_error():
    with pytest.raises(InputError, match=r"rows:1: b\b.*missing.* a, b\b"):
        read(b"a\tc\nx\ty\n")


@given(lines=st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line), max_size=8))
def test_each_line_has_one_entry_whatever_its_bytes(lines):
    content = b"".join(line + b"\n" for line in lines)
    numbers = [number for number, _ in read_texts(io.BytesIO(GOOD + content), "rows", ["a", "b"])]
    asked = [number for number, line in enumerate(lines, 2) if _is_filled(line)]
    assert numbers == [1, *asked]


def _is_filled(line: bytes) -> bool:
    """Whether a line is more than blanks, which JSON lines may be parted by."""
    try:
        return bool(line.decode().strip())
    except UnicodeDecodeError:
        return True


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
        assert next(got) == [(2, {"a": "first"})]
        feed.write(b"second\n")
        feed.close()
        assert list(got) == [[(3, {"a": "second"})]]


def test_an_error_of_the_source_comes_after_what_was_read():
    def examples():
        yield "first"
        raise OSError("gone")

    got = batches(examples(), 1)
    assert next(got) == ["first"]
    with pytest.raises(OSError, match="gone"):
        next(got)
