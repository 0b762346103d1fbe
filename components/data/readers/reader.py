"""What a reader is: a module of this package with these functions; a task names it."""

import importlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Protocol, cast

from components.common.errors import InputError
from components.spec.data_source import DataSource, Example, LocatedExample
from components.spec.heads import HeadConfig


class Reader(Protocol):
    """The functions of a reader's module."""

    def read_file(self, path: str, head: HeadConfig) -> Iterator[LocatedExample]:
        """Reads the examples of one file of the user's own.

        Raises:
          InputError: at the first thing in the file that is not what it should be.
        """
        ...

    def read_official(
        self, folder: str, source: DataSource, head: HeadConfig
    ) -> Mapping[str, list[LocatedExample]]:
        """Reads the official files: split name -> examples. Only a reader with such files has it."""
        ...

    def misalignment(self, example: Example) -> str | None:
        """Returns what is wrong with an answer that does not stand where the example says, or None.

        It names the field and the problem. Only a reader whose examples say where answers stand has
        this function.
        """
        ...


def reader_of(source: DataSource) -> Reader:
    """Returns the reader that a task names.

    Raises:
      InputError: there is none of that name.
    """
    names = sorted(path.stem for path in pathlib.Path(__file__).parent.glob("*.py"))
    names = [name for name in names if name not in ("__init__", "reader")]
    if source.reader not in names:
        raise InputError(
            f"There is no reader {source.reader!r}. The readers are: {', '.join(names)}."
        )
    return cast(Reader, importlib.import_module(f"components.data.readers.{source.reader}"))


def has_alignment(reader: Reader) -> bool:
    """Whether its examples say where their answers stand."""
    return hasattr(reader, "misalignment")


def key_of(example: Example, head: HeadConfig) -> tuple[str, ...]:
    """Returns what makes two examples the same: their texts, in any order."""
    return tuple(sorted(str(example[name]) for name in head.text_features))
