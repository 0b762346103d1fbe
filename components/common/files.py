"""Files and folders that change as a whole, whenever the process may be killed; hashes of files."""

import contextlib
import ctypes
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from typing import Any

# From linux/fcntl.h and linux/fs.h.
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_CHUNK_BYTES = 1 << 20


def file_sha256(path: str | os.PathLike, opener: Callable[..., Any] = open) -> str:
    """Returns the SHA-256 of a file's bytes, in hexadecimal.

    Args:
      opener: tf.io.gfile.GFile for a path of gs://.
    """
    digest = hashlib.sha256()
    with opener(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def write_atomic(path: str | os.PathLike, content: str | bytes) -> None:
    """Writes a local file as a whole, and makes its folder.

    A reader sees the old content or the new one, even after a power cut. Text is UTF-8.
    """
    folder, name = os.path.split(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    new = os.path.join(folder, f".{name}.{uuid.uuid4().hex}")
    try:
        with open(new, "xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(new)
        raise


@contextlib.contextmanager
def replacing(target: str) -> Iterator[str]:
    """Yields a new folder to fill; it replaces `target` when the block ends without an error.

    `target` is always the whole old folder or the whole new one. A file system that cannot exchange
    two folders (NFS) is the exception: there `target` is absent for an instant, and `recover` brings
    it back if the process dies just then. The caller holds the lock on the parent folder.
    """
    new, aside = _new(target), _aside(target)
    os.mkdir(new)
    try:
        yield new
        if not os.path.exists(target):
            os.rename(new, target)
        elif not _exchange(new, target):
            os.rename(target, aside)
            os.rename(new, target)
    finally:
        recover(target)


def recover(target: str) -> None:
    """Removes what a killed `replacing` left beside `target`."""
    new, aside = _new(target), _aside(target)
    if os.path.exists(aside) and not os.path.exists(target):
        os.rename(aside, target)
    for leftover in (new, aside):
        if os.path.exists(leftover):
            shutil.rmtree(leftover)


def _new(target: str) -> str:
    return _beside(target, "new")


def _aside(target: str) -> str:
    return _beside(target, "old")


def _beside(target: str, suffix: str) -> str:
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name}.{suffix}")


def _exchange(one: str, other: str) -> bool:
    """Swaps two folders in one step; False where this cannot be done."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except AttributeError:
        return False
    paths = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    return rename(*paths, _RENAME_EXCHANGE) == 0
