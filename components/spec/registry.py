"""The tasks by name: one module each in `components/tasks`, so that there is no list to keep."""

import importlib
import pathlib

from components.common.errors import InputError, did_you_mean
from components.spec.task import Task

_TASKS = pathlib.Path(__file__).resolve().parents[1] / "tasks"


def task_names() -> list[str]:
    """Lists the names of the built-in tasks."""
    return sorted(path.stem for path in _TASKS.glob("*.py") if path.stem != "__init__")


def load_task(name: str) -> Task:
    """Loads the task of that name, with its defaults.

    Raises:
      InputError: there is no such task; the message names the nearest one.
    """
    names = task_names()
    if name not in names:
        hint = did_you_mean(name, names)
        raise InputError(f"There is no task {name!r}.{hint} The tasks are: {', '.join(names)}.")
    return importlib.import_module(f"components.tasks.{name}").TASK
