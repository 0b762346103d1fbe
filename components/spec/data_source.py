"""Where a task's examples come from."""

import dataclasses
from typing import Any, TypeAlias

from components.spec.value import Value

# The folders of prepared data; a test split is left out at will.
SPLITS = ("train", "eval", "test")
# One example before it is a tf.Example: feature name -> str, bytes, int, float or a list of one of them.
Example: TypeAlias = dict[str, Any]
# Where an example stands ("train.tsv:17"), and the example.
LocatedExample: TypeAlias = tuple[str, Example]


@dataclasses.dataclass(frozen=True)
class OfficialFile(Value):
    """One file of the published data set.

    Attributes:
      name: its file name, in `--source DIR` and after a download.
      url: where it is downloaded from.
      size: in bytes.
      sha256: of its bytes, in hexadecimal.
      optional: a missing one is no error.
    """

    name: str
    url: str
    size: int
    sha256: str
    optional: bool = False


@dataclasses.dataclass(frozen=True)
class DataSource(Value):
    """How the examples of a task are read, in pure Python.

    Attributes:
      reader: the module of `components/data/readers` that reads the files.
      files: the official files, none where all files are the user's own.
    """

    reader: str
    files: tuple[OfficialFile, ...] = ()
