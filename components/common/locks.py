"""Locks between processes of a machine; a dead process holds none."""

import contextlib
import os
from collections.abc import Callable, Iterator

import filelock


@contextlib.contextmanager
def locked(
    folder: str, file: str = "", before_waiting: Callable[[], None] | None = None
) -> Iterator[None]:
    """Makes the folder and holds a lock on it; another process waits.

    The folder itself is locked. So it holds no lock file, which a model server or a check for other
    people's files would have to ignore. A file system without locks is used without one.

    Args:
      file: name of a file in the folder that is locked in its place: NFS locks files, not folders.
      before_waiting: called where another process holds the lock; what it raises is raised.
    """
    os.makedirs(folder, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT if file else os.O_RDONLY
    handle = os.open(os.path.join(folder, file), flags, 0o666)
    try:
        if not _hold(handle, blocking=False):
            if before_waiting:
                before_waiting()
            _hold(handle, blocking=True)
        yield
    finally:
        os.close(handle)


def _hold(handle: int, blocking: bool) -> bool:
    """Whether the lock is now held, or the file system has no locks."""
    try:
        return filelock.lock_descriptor(handle, blocking=blocking)
    except OSError:
        return True
