"""Answers the examples of files of any size in shards: each is answered once, as a whole or not at all.

A shard is some examples of one file. Its answers are one file, which is renamed into place. So after a
kill every file of answers is whole, and the shards without one are left to do.
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

from components.common.files import file_sha256
from components.serving.client import PushedModel
from components.serving.request_examples import read_example, read_header

EXAMPLES_A_SHARD = 10_000
ERRORS = ".errors.jsonl"
_EXAMPLES_AT_ONCE = 256
_PART = ".part"
_TEXT, _TFRECORD, _GZIPPED_TFRECORD = "text", "tfrecord", "gzipped tfrecord"


@dataclasses.dataclass(frozen=True)
class Shard:
    """Some examples of a text file, or all of a file of TFRecords, which cannot be read from its middle.

    Attributes:
      name: of the files with its answers, without the ending.
      file: where the examples are.
      kind: of the file.
      columns: of a text file that has a header.
      offset: of the first example, in bytes.
      first: number of the first example in the file, from 1; the line's number in a text file.
      n_examples: how many there are, None for all.
    """

    name: str
    file: str
    kind: str
    columns: list[str] | None = None
    offset: int = 0
    first: int = 1
    n_examples: int | None = None


def cut(file: str, names: list[str]) -> list[Shard]:
    """Cuts a file into shards; a text file is read once for that.

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
            return [Shard(_name(base, 0, 1), file, kind)]
        stream.seek(0)
        first = stream.readline()
        content = first.removeprefix(codecs.BOM_UTF8)
        columns = read_header(f"{file}:1", content, names) if content else None
        begin, number = (len(first), 2) if columns else (len(first) - len(content), 1)
        stream.seek(begin)
        starts, offset = [(begin, number)], begin
        for count, line in enumerate(stream):
            if count and count % EXAMPLES_A_SHARD == 0:
                starts.append((offset, number + count))
            offset += len(line)
    return [
        Shard(
            _name(base, place, len(starts)),
            file,
            kind,
            columns,
            *start,
            n_examples=EXAMPLES_A_SHARD,
        )
        for place, start in enumerate(starts)
    ]


def read_examples(shard: Shard, names: list[str]) -> Iterator[tuple[int, dict | str]]:
    """Yields the number of each example, and its texts or the reason why it has none."""
    if shard.kind == _TEXT:
        yield from _read_lines(shard, names)
    else:
        yield from _read_records(shard, names)


def answer(shard: Shard, model: PushedModel, folder: str) -> int:
    """Writes NAME.jsonl, and NAME.errors.jsonl where there are errors; returns the number of answers.

    A line of the first holds the number of an example ("row") and the model's outputs. A line of the
    other holds the file, the number and the reason. The file of answers appears last: then the shard is
    done.
    """
    answered = 0
    with (
        _appearing(f"{folder}/{shard.name}.jsonl") as write,
        _appearing(f"{folder}/{shard.name}{ERRORS}", only_filled=True) as complain,
    ):
        examples = read_examples(shard, model.names)
        while some := list(itertools.islice(examples, _EXAMPLES_AT_ONCE)):
            for number, said in model.answers_by_number(some):
                if isinstance(said, str):
                    complain({"file": shard.file, "row": number, "reason": said})
                else:
                    write({"row": number, **said})
                    answered += 1
    return answered


class AnswerShards(beam.DoFn):
    """Answers each shard, and prints how many examples it answered."""

    def __init__(self, version: str, folder: str):
        self._version, self._folder, self._shared = version, folder, shared.Shared()

    def setup(self):
        """Loads the model, once for each process."""
        self._model = self._shared.acquire(lambda: PushedModel(self._version))

    def process(self, shard: Shard):
        """Answers a shard."""
        answered = answer(shard, self._model, self._folder)
        print(f"{shard.name}: {answered:,} examples answered", flush=True)


def state_of(file: str) -> str:
    """Returns the SHA-256 of a file, which differs where its examples do."""
    return file_sha256(file, lambda path, _: _bytes_of(path))


def remove_parts(folder: str) -> None:
    """Removes the unfinished files that killed workers left."""
    for name in fileio.listdir(folder):
        if name.endswith(_PART):
            fileio.remove(f"{folder}/{name}")


def _name(base: str, place: int, count: int) -> str:
    return f"{base}-{place:05d}-of-{count:05d}"


def _kind(head: bytes) -> str:
    """Tells records from text: a record begins with its length, 8 bytes of which the higher are 0."""
    if head.startswith(b"\x1f\x8b"):
        return _GZIPPED_TFRECORD
    is_record = len(head) == 12 and struct.unpack("<Q", head[:8])[0] < 2**32
    return _TFRECORD if is_record else _TEXT


def _bytes_of(file: str) -> BinaryIO:
    """Opens a file by Beam: TensorFlow's own files, which TFX would open, drop carriage returns."""
    return FileSystems.open(file, compression_type=CompressionTypes.UNCOMPRESSED)


def _read_lines(shard: Shard, names: list[str]) -> Iterator[tuple[int, dict | str]]:
    with _bytes_of(shard.file) as stream:
        stream.seek(shard.offset)
        for number, raw in enumerate(itertools.islice(stream, shard.n_examples), shard.first):
            where = f"{shard.file}:{number}"
            if example := read_example(where, raw, shard.columns, names):
                yield number, example


def _read_records(shard: Shard, names: list[str]) -> Iterator[tuple[int, dict | str]]:
    compression = "GZIP" if shard.kind == _GZIPPED_TFRECORD else ""
    records = tf.data.TFRecordDataset(shard.file, compression).as_numpy_iterator()
    for number in itertools.count(shard.first):
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
    """Yields a function that writes lines of JSON to a file, which appears once it is whole."""
    folder, name = os.path.split(path)
    # Two workers may have the same shard, where an engine thinks that the first has died.
    part = f"{folder}/.{name}.{uuid.uuid4().hex}{_PART}"
    is_filled = False
    with fileio.open(part, "w") as file:
        file.write("")  # TensorFlow makes a file at the first write

        def write(value: dict) -> None:
            nonlocal is_filled
            is_filled = True
            line = json.dumps(value, ensure_ascii=False)
            # Half a surrogate pair stands for a byte of a file's name that is not UTF-8.
            file.write(line.encode(errors="backslashreplace").decode() + "\n")

        yield write
    if is_filled or not only_filled:
        fileio.rename(part, path, overwrite=True)
    else:
        fileio.remove(part)
