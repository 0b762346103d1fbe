"""Reads examples to be answered from a file or a stream: JSON lines, or columns under a header."""

import codecs
import json
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, TypeVar

from components.common.errors import InputError, half_character

# An example's texts by name.
Texts = dict[str, str]
T = TypeVar("T")


def read_texts(
    stream: BinaryIO, source: str, names: Iterable[str]
) -> Iterator[tuple[int, Texts | str]]:
    """Yields the number of each line as it comes, and its texts or the reason why it has none.

    Fields other than `names` are ignored.

    Args:
      stream: UTF-8. Where it begins with a brace, each line is a JSON object. Else the first line names
        the columns, separated by tabs, and each further line is an example.
      source: what messages call it.
      names: of the texts.

    Raises:
      InputError: the header lacks a name.
    """
    names = sorted(names)
    columns = None
    for number, raw in enumerate(stream, 1):
        where = f"{source}:{number}"
        if number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
            if columns := read_header(where, raw, names):
                continue
        if example := read_example(where, raw, columns, names):
            yield number, example


def read_header(where: str, first: bytes, names: list[str]) -> list[str] | None:
    """Reads the columns that the first line names; returns None where that line is JSON itself."""
    if first.lstrip().startswith(b"{"):
        return None
    line = _decode(where, first)
    columns = line.split("\t")
    _check_names(where, columns, names)
    return columns


def read_example(
    where: str, raw: bytes, columns: list[str] | None, names: list[str]
) -> Texts | str | None:
    """Reads the texts of a line, or says why it has none.

    Returns:
      None for an empty line among JSON.
    """
    try:
        line = _decode(where, raw)
        if columns is None and not line.strip():
            return None
        fields = _object(where, line) if columns is None else _columns(where, line, columns)
        _check_names(where, fields, names)
    except InputError as error:
        return str(error).removeprefix(f"{where}: ")
    return {name: fields[name] for name in names}


def check_text(where: str, name: str, text: str) -> None:
    """Raises InputError where a text has no UTF-8 form."""
    if problem := half_character(text):
        raise InputError(f"{where}: {name}: {problem}. Write the whole character, in UTF-8.")


def batches(examples: Iterator[T], size: int) -> Iterator[list[T]]:
    """Yields batches of the examples that have come by then, at least 1 and at most `size`.

    A thread reads ahead, so that reading and answering overlap. A slow stream is answered line by line.
    """
    ready: queue.Queue = queue.Queue(maxsize=4 * size)

    def is_end(item: Any) -> bool:
        return item is None or isinstance(item, Exception)

    def read() -> None:
        try:
            for example in examples:
                ready.put(example)
            ready.put(None)
        except Exception as error:
            ready.put(error)

    threading.Thread(target=read, daemon=True).start()
    end = False
    while not end:
        batch = [ready.get()]
        while len(batch) < size and not is_end(batch[-1]):
            try:
                batch.append(ready.get_nowait())
            except queue.Empty:
                break
        last = batch[-1]
        if end := is_end(last):
            batch.pop()
        if batch:
            yield batch
        if isinstance(last, Exception):
            raise last


def _decode(where: str, line: bytes) -> str:
    try:
        return line.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where}: byte {error.start + 1} of the line is not UTF-8. Save the text as UTF-8."
        ) from None


def _object(where: str, line: str) -> dict:
    try:
        fields = json.loads(line)
    except (
        ValueError,
        RecursionError,
    ) as error:  # also a number or a nesting beyond Python's limits
        raise InputError(f"{where}: no JSON: {error}. Write one object a line.") from None
    if not isinstance(fields, dict):
        raise InputError(f"{where}: no JSON object. Write one object a line.")
    return fields


def _columns(where: str, line: str, columns: list[str]) -> dict[str, str]:
    values = line.split("\t")
    if len(values) != len(columns):
        raise InputError(
            f"{where}: {len(values)} columns where the header has {len(columns)}. "
            "Separate the columns by one tab each."
        )
    return dict(zip(columns, values))


def _check_names(where: str, fields: Iterable[str], names: list[str]) -> None:
    if missing := [name for name in names if name not in fields]:
        raise InputError(
            f"{where}: {', '.join(missing)} missing. The model takes {', '.join(names)}."
        )
    if isinstance(fields, dict):
        for name in names:
            if not isinstance(fields[name], str):
                raise InputError(f"{where}: {name} is no text. Write it in quotes.")
            check_text(where, name, fields[name])
