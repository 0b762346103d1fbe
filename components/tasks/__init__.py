"""One module a task; `load_task` finds it by name, so that there is no registry to keep."""

import difflib
import importlib
import pkgutil

from components.errors import InputError
from components.tasks.base import Task


def task_names() -> list[str]:
    """Names of the tasks there are: the modules of this package but `base`."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "base")


def load_task(name: str) -> Task:
    """The task of that name, with its defaults.

    Raises:
      InputError: there is no such task; the message names the nearest one.
    """
    names = task_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InputError(f"There is no task {name!r}.{hint} The tasks are: {', '.join(names)}.")
    return importlib.import_module(f"components.tasks.{name}").TASK
