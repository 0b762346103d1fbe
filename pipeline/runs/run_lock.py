"""One run at a time in a folder of results."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator

from components.common.errors import InputError


@contextlib.contextmanager
def only_run_in(root: str, before_waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Two runs at once would take each other's artifacts for their own.

    Args:
      before_waiting: called where another process is in this block with the same `root`, before waiting
        for its end; a dead one holds nothing.

    Raises:
      InputError: there is such a process, and `before_waiting` is None.
    """
    os.makedirs(f"{root}/logs", exist_ok=True)
    with open(f"{root}/.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not before_waiting:
                raise InputError(
                    f"Another run is at work in {root}. Wait for it, or pass another --output."
                ) from None
            before_waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
