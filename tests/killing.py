"""Kills a copy of this process at a chosen moment, as `kill -9` or a power cut does."""

import os
import pathlib
import signal
import sys
import time
import traceback
from collections.abc import Callable

# What Python reports to audit hooks, each before it is done.
_MOMENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.scandir", "ctypes.dlsym"}


def is_killed_at(action: Callable[[], object], moment: int) -> bool:
    """Runs `action` in a forked process that dies just before its n-th step on the file system.

    Returns:
      Whether it was killed; False where `action` came to its end first.
    """

    def act() -> None:
        sys.addaudithook(_killer(moment))
        action()

    return _was_killed(_fork(act))


def is_killed_after(action: Callable[[], object], seconds: float) -> bool:
    """Runs `action` in a forked process and kills it from outside, wherever it then is.

    Returns:
      Whether it was killed; False where `action` came to its end first.
    """
    child = _fork(action)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return _was_killed(child)


def _fork(action: Callable[[], object]) -> int:
    child = os.fork()
    if not child:
        exit_code = 1
        try:
            action()
            exit_code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(exit_code)
    return child


def _was_killed(child: int) -> bool:
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def _killer(moment: int) -> Callable[[str, tuple], None]:
    left = moment

    def hook(event: str, arguments: tuple) -> None:
        nonlocal left
        if event in _MOMENTS:
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    return hook


def snapshot(folder: str) -> dict[str, bytes]:
    """Path -> content of all files below the folder."""
    paths = (path for path in sorted(pathlib.Path(folder).rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}
