"""Rows of files of any size, answered in pieces: each is answered whole or not at all, and once.

A piece is some rows of one file, and what is answered to it is one file, renamed into place. So what is
there after a kill is right, and what is not there is all that is left to do.
"""

import codecs
import contextlib
import dataclasses
import itertools
import json
import os
import struct
import uuid
from collections.abc import Callable, Iterator
from typing import BinaryIO

import apache_beam as beam
import tensorflow as tf
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.utils import shared
from tfx.dsl.io import fileio

from components.common.errors import InputError
from components.serving.client import PushedModel
from components.serving.request_examples import read_header, read_row

ROWS_A_PIECE = 10_000
ERRORS = ".errors.jsonl"
_ROWS_AT_ONCE = 256
_PART = ".part"
_TEXT, _TFRECORD, _GZIPPED_TFRECORD = "text", "tfrecord", "gzipped tfrecord"


@dataclasses.dataclass(frozen=True)
class Piece:
    """Some rows of a text, or all of a file of TFRecords: what is compressed has no way into its midst.

    Attributes:
      name: of what is written of it, without the ending.
      file: where the rows are.
      kind: of the file.
      columns: of a text file that has a header.
      offset: of the first row, in bytes.
      first: number of the first row in the file, from 1; a line's number where there are lines.
      rows: how many there are, None for all.
    """

    name: str
    file: str
    kind: str
    columns: list[str] | None = None
    offset: int = 0
    first: int = 1
    rows: int | None = None


def cut(file: str, names: list[str]) -> list[Piece]:
    """The pieces of a file, of which the text is read through once.

    Args:
      file: JSON lines, columns under a header, or TFRecords of tf.Examples, gzip-compressed or not; its
        first bytes tell which.
      names: of the texts that the model takes.

    Raises:
      InputError: the header lacks a text.
    """
    base = os.path.basename(file)
    with _bytes_of(file) as stream:
        if (kind := _kind(stream.read(12))) != _TEXT:
            return [Piece(_name(base, 0, 1), file, kind)]
        stream.seek(0)
        first = stream.readline()
        content = first.removeprefix(codecs.BOM_UTF8)
        columns = read_header(f"{file}:1", content, names) if content else None
        begin, number = (len(first), 2) if columns else (len(first) - len(content), 1)
        stream.seek(begin)
        starts, offset = [(begin, number)], begin
        for count, line in enumerate(stream):
            if count and count % ROWS_A_PIECE == 0:
                starts.append((offset, number + count))
            offset += len(line)
    return [
        Piece(_name(base, place, len(starts)), file, kind, columns, *start, rows=ROWS_A_PIECE)
        for place, start in enumerate(starts)
    ]


def read_rows(piece: Piece, names: list[str]) -> Iterator[tuple[int, dict | str]]:
    """The number of each row, and its texts, or why it has none."""
    if piece.kind == _TEXT:
        yield from _read_lines(piece, names)
    else:
        yield from _read_records(piece, names)


def answer(piece: Piece, model: PushedModel, folder: str) -> int:
    """Writes NAME.jsonl, and NAME.errors.jsonl if need be; returns how many rows were answered.

    A line of the first is the number of a row and the model's outputs; one of the other is a row's file,
    number and reason. The answers appear last: with them the piece is done.
    """
    answered = 0
    with (
        _appearing(f"{folder}/{piece.name}.jsonl") as write,
        _appearing(f"{folder}/{piece.name}{ERRORS}", only_filled=True) as complain,
    ):

        def refuse(number: int, reason: str) -> None:
            complain({"file": piece.file, "row": number, "reason": reason})

        def ask(rows: list[tuple[int, dict]]) -> int:
            try:
                answers = model.answers([texts for _, texts in rows])
            except tf.errors.OpError as error:
                if len(rows) > 1:
                    return sum(ask([row]) for row in rows)
                refuse(rows[0][0], f"the model fails: {error.message[:300]}")
                return 0
            for (number, _), said in zip(rows, answers):
                write({"row": number, **said})
            return len(rows)

        rows = read_rows(piece, model.names)
        while some := list(itertools.islice(rows, _ROWS_AT_ONCE)):
            for number, reason in some:
                if isinstance(reason, str):
                    refuse(number, reason)
            if good := [(n, texts) for n, texts in some if isinstance(texts, dict)]:
                answered += ask(good)
    return answered


class AnswerPieces(beam.DoFn):
    """Answers each piece, and says so on standard output."""

    def __init__(self, version: str, folder: str):
        self._version, self._folder, self._shared = version, folder, shared.Shared()

    def setup(self):
        self._model = self._shared.acquire(lambda: PushedModel(self._version))  # one a process

    def process(self, piece: Piece):
        answered = answer(piece, self._model, self._folder)
        print(f"{piece.name}: {answered:,} rows answered", flush=True)


def state_of(file: str) -> list[int]:
    """Size and time of the last change: other numbers, other rows."""
    stat = tf.io.gfile.stat(file)
    return [stat.length, stat.mtime_nsec]


def remove_parts(folder: str) -> None:
    """Removes what killed workers left."""
    for name in fileio.listdir(folder):
        if name.endswith(_PART):
            fileio.remove(f"{folder}/{name}")


def _name(base: str, place: int, count: int) -> str:
    return f"{base}-{place:05d}-of-{count:05d}"


def _kind(head: bytes) -> str:
    """A record begins with its length, 8 bytes of which a text would not have the higher ones 0."""
    if head.startswith(b"\x1f\x8b"):
        return _GZIPPED_TFRECORD
    is_record = len(head) == 12 and struct.unpack("<Q", head[:8])[0] < 2**32
    return _TFRECORD if is_record else _TEXT


def _bytes_of(file: str) -> BinaryIO:
    """TensorFlow's own files, which TFX would open, drop carriage returns."""
    return FileSystems.open(file, compression_type=CompressionTypes.UNCOMPRESSED)


def _read_lines(piece: Piece, names: list[str]) -> Iterator[tuple[int, dict | str]]:
    with _bytes_of(piece.file) as stream:
        stream.seek(piece.offset)
        for number, raw in enumerate(itertools.islice(stream, piece.rows), piece.first):
            where = f"{piece.file}:{number}"
            try:
                if row := read_row(where, raw, piece.columns, names):
                    yield number, row
            except InputError as error:
                yield number, str(error).removeprefix(f"{where}: ")


def _read_records(piece: Piece, names: list[str]) -> Iterator[tuple[int, dict | str]]:
    compression = "GZIP" if piece.kind == _GZIPPED_TFRECORD else ""
    records = tf.data.TFRecordDataset(piece.file, compression).as_numpy_iterator()
    for number in itertools.count(piece.first):
        try:
            yield number, _texts(next(records), names)
        except StopIteration:
            return
        except tf.errors.DataLossError as error:
            yield number, f"the file is damaged from here on: {error.message}. Write it anew."
            return


def _texts(record: bytes, names: list[str]) -> dict | str:
    try:
        features = tf.train.Example.FromString(record).features.feature
    except Exception:  # protobuf's, whose class differs between its implementations
        return "no tf.Example"
    texts = {name: features[name].bytes_list.value for name in names if name in features}
    wrong = [name for name in names if len(texts.get(name, ())) != 1]
    if wrong:
        return f"{', '.join(wrong)} missing, or not one text. The model takes {', '.join(names)}."
    return {name: values[0] for name, values in texts.items()}


@contextlib.contextmanager
def _appearing(path: str, only_filled: bool = False) -> Iterator[Callable[[dict], None]]:
    """What writes lines of JSON to a file that is there once it is whole."""
    folder, name = os.path.split(path)
    # Two workers may have the same piece, where an engine thinks that the first has died.
    part = f"{folder}/.{name}.{uuid.uuid4().hex}{_PART}"
    is_filled = False
    with fileio.open(part, "w") as file:
        file.write("")  # TensorFlow's files are there once they are written to

        def write(value: dict) -> None:
            nonlocal is_filled
            is_filled = True
            file.write(json.dumps(value, ensure_ascii=False) + "\n")

        yield write
    if is_filled or not only_filled:
        fileio.rename(part, path, overwrite=True)
    else:
        fileio.remove(part)
