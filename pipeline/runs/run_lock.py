"""One run at a time in a folder of results."""

import contextlib
import os
from collections.abc import Callable, Iterator

from components.common.errors import InputError
from components.common.locks import locked


@contextlib.contextmanager
def only_run_in(root: str, before_waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Two runs at once would take each other's artifacts for their own.

    Args:
      before_waiting: called where another process is in this block with the same `root`, before waiting
        for its end; a dead one holds nothing.

    Raises:
      InputError: there is such a process, and `before_waiting` is None.
    """

    def refuse() -> None:
        raise InputError(
            f"Another run is at work in {root}. Wait for it, or pass another --output."
        )

    os.makedirs(f"{root}/logs", exist_ok=True)  # where the run writes its log first of all
    with locked(root, ".lock", before_waiting or refuse):
        yield
