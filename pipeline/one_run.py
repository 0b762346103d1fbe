"""One run at a time in a folder of results."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from components.errors import InputError


@contextlib.contextmanager
def only_run_in(root: str) -> Iterator[None]:
    """Two runs at once would take each other's artifacts for their own.

    Raises:
      InputError: another process is in this block with the same `root`; a dead one holds nothing.
    """
    os.makedirs(f"{root}/logs", exist_ok=True)
    with open(f"{root}/.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"Another run is at work in {root}. Wait for it, or pass another --output."
            ) from None
        yield
