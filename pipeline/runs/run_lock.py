"""The lock that allows one run at a time in a folder of results."""

import contextlib
import os
from collections.abc import Callable, Iterator

from components.common.errors import InputError
from components.common.locks import locked


@contextlib.contextmanager
def only_run_in(root: str, before_waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Holds the lock of a folder of results: two runs at once would mix up their artifacts.

    The lock of a process that dies is free.

    Args:
      root: the folder of results.
      before_waiting: called where another process holds the lock, before waiting for it.

    Raises:
      InputError: another process holds the lock, and `before_waiting` is None.
    """

    def refuse() -> None:
        raise InputError(
            f"Another run is at work in {root}. Wait for it, or pass another --output."
        )

    os.makedirs(f"{root}/logs", exist_ok=True)  # where the run writes its log first of all
    with locked(root, ".lock", before_waiting or refuse):
        yield
