"""A serving folder: numbered versions that a model server watches; each is whole, and numbers only grow.

A server loads the highest number. A version comes and goes by one rename, so that a server sees it whole
or not at all, even when the writer is killed. Names that are not numbers are ignored. Each version has
an assets.extra/push.json, the record of its push.

On an object store a rename is not a single step. There a push copies saved_model.pb last: a server that
finds a version without it fails to load it, keeps what it serves, and tries again.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator

from tfx.dsl.io.plugins.local import LocalFilesystem

from components.common.errors import InputError
from components.common.locks import locked

RECORD = "assets.extra/push.json"
CARD = "assets.extra/model_card.json"
_INCOMING, _LEAVING = ".incoming", ".leaving"
_MARKER = "saved_model.pb"
# The index holds a checksum of each tensor.
_IDENTITY = (_MARKER, "variables/variables.index")


def versions(base: str) -> list[int]:
    """Lists the numbers of the whole versions in ascending order: the last one is served."""
    return [number for number in _numbers(base) if _is_whole(f"{base}/{number}")]


def newest(model: str) -> str | None:
    """Returns the folder of the version that is served, None where there is none.

    Args:
      model: a folder of versions, or one version, which is its own newest one.
    """
    model = model.rstrip("/")
    if _is_whole(model):
        return model
    numbers = versions(model)
    return f"{model}/{numbers[-1]}" if numbers else None


def serves(model: str, base: str) -> int | None:
    """Returns the newest version's number if it is this model by the checksums of tensors, else None."""
    version = newest(base)
    if version and all(
        _content(f"{model}/{name}") == _content(f"{version}/{name}") for name in _IDENTITY
    ):
        return int(os.path.basename(version))
    return None


def push(model: str, base: str, record: dict, keep: int = 0) -> int:
    """Copies a model to a new, newest version, and returns its number.

    Args:
      model: folder of a SavedModel.
      base: folder of versions.
      record: what push.json holds beside the time.
      keep: how many of the newest versions stay, 0 for all.
    """
    with _alone_in(base):
        version = _push(model, base, record)
        _prune(base, keep)
    return version


def rollback(base: str) -> tuple[int, int]:
    """Serves the model again that was served before the newest version.

    The older version is pushed once more, under a new number. Removing the newest version instead has
    three drawbacks. A client or a log could not tell by the number which model answered. A server that
    unloads first would have no version for an instant. And nobody could look at the bad version.

    Returns:
      The older version, and the new number that it is served under.

    Raises:
      InputError: nothing was served before.
    """
    with _alone_in(base):
        line = _lineage(base)
        if len(line) < 2:
            raise InputError(f"{base} holds nothing that was served before the newest version.")
        target, withdrawn = line[-2], versions(base)[-1]
        record = read(f"{base}/{target}/{RECORD}")
        record |= {"rollback_to": target, "withdrawn": withdrawn}
        return target, _push(f"{base}/{target}", base, record)


def prune(base: str, keep: int) -> list[int]:
    """Removes all but the newest `keep` versions, and returns the numbers of those removed.

    Raises:
      InputError: `keep` is less than 1.
    """
    if keep < 1:
        raise InputError(f"keep is {keep} and must be 1 or more: the newest version is served.")
    with _alone_in(base):
        return _prune(base, keep)


def read(path: str) -> dict:
    """Reads a JSON file; returns {} where there is none."""
    content = _content(path)
    return {} if content is None else json.loads(content)


@contextlib.contextmanager
def _alone_in(base: str) -> Iterator[None]:
    """Lets one writer in at a time, and first removes what a killed one left."""
    if not _is_local(base):
        yield
        return
    with locked(base):
        for leftover in (_INCOMING, _LEAVING):
            if os.path.exists(f"{base}/{leftover}"):
                shutil.rmtree(f"{base}/{leftover}")
        yield


def _push(model: str, base: str, record: dict) -> int:
    version = _next_version(base)
    record = {**record, "pushed_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    if _is_local(base):
        _copy(model, f"{base}/{_INCOMING}", record)
        os.rename(f"{base}/{_INCOMING}", f"{base}/{version}")
    else:
        _copy(model, f"{base}/{version}", record)
    return version


def _copy(model: str, target: str, record: dict) -> None:
    """Copies a version, the marker last: see the top of the module."""
    files = _file_system(model, target)
    for folder, _, names in files.walk(model):
        into = target + folder.rstrip("/").removeprefix(model.rstrip("/"))
        files.makedirs(into)
        for name in set(names) - {_MARKER}:
            files.copy(f"{folder}/{name}", f"{into}/{name}")
    files.makedirs(os.path.dirname(f"{target}/{RECORD}"))
    with files.open(f"{target}/{RECORD}", "w") as file:
        file.write(json.dumps(record, indent=2) + "\n")
    files.copy(f"{model}/{_MARKER}", f"{target}/{_MARKER}")


def _prune(base: str, keep: int) -> list[int]:
    removed = versions(base)[:-keep] if keep else []
    for version in removed:
        if _is_local(base):
            os.rename(f"{base}/{version}", f"{base}/{_LEAVING}")
            shutil.rmtree(f"{base}/{_LEAVING}")
        else:
            _file_system(base).rmtree(f"{base}/{version}")
    return removed


def _lineage(base: str) -> list[int]:
    """Lists the versions that rollbacks go back through; the last one's model is served.

    Withdrawn versions are not among them. A version that a rollback pushed again is listed instead of
    its copies.
    """
    line: list[int] = []
    for version in versions(base):
        target = read(f"{base}/{version}/{RECORD}").get("rollback_to", version)
        kept = target if target in line else version
        line = [*(earlier for earlier in line if earlier < target), kept]
    return line


def _next_version(base: str) -> int:
    """Returns the seconds since 1970, or the highest number plus one where that is more."""
    return max([int(time.time()), *(number + 1 for number in _numbers(base))])


def _numbers(base: str) -> list[int]:
    """Lists the numbers that are names of folders, whole versions or not, in ascending order."""
    files = _file_system(base)
    names = [name.rstrip("/") for name in files.listdir(base)] if files.isdir(base) else []
    return sorted(int(name) for name in names if name.isdigit())


def _is_whole(version: str) -> bool:
    return _file_system(version).exists(f"{version}/{_MARKER}")


def _content(path: str) -> bytes | None:
    files = _file_system(path)
    if not files.exists(path):
        return None
    with files.open(path, "rb") as file:
        return file.read()


def _file_system(*paths: str):
    """Returns TFX's functions on files that take these paths.

    Those for all paths load TensorFlow, which takes seconds; local paths do not need them.
    """
    if all(map(_is_local, paths)):
        return LocalFilesystem
    from tfx.dsl.io import fileio

    return fileio


def _is_local(path: str) -> bool:
    return "://" not in path
