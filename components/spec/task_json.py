"""A task as JSON, from which the same model is trained as from the value in Python."""

import json
from typing import Any

from components.common.errors import InputError, did_you_mean
from components.common.serialization import from_plain, to_json
from components.spec.heads import KINDS, HeadConfig
from components.spec.hyperparameters import Hyperparameters
from components.spec.task import Task


def task_to_json(task: Task) -> str:
    """Writes a task as JSON, for people too."""
    return to_json(task, indent=2) + "\n"


def task_from_json(text: str, source: str = "the task") -> Task:
    """Reads what `task_to_json` wrote.

    Args:
      source: what a message calls it, such as its file.

    Raises:
      InputError: it is no JSON or no task; the message names the field.
    """
    value = _object(text, source)
    head = _head(value.get("head"), f"{source}: head")
    hyperparameters = from_plain(
        head.hyperparameters, value.get("hyperparameters", {}), f"{source}: hyperparameters"
    )
    return from_plain(Task, value | {"head": head, "hyperparameters": hyperparameters}, source)


def head_from_json(text: str) -> HeadConfig:
    """Reads the JSON of a head that a stage was given."""
    return _head(_object(text, "the head"), "the head")


def hyperparameters_from_json(head: HeadConfig, text: str) -> Hyperparameters:
    """Reads the JSON of a head's hyperparameters that a stage was given."""
    return from_plain(head.hyperparameters, _object(text, "the hyperparameters"))


def _head(value: Any, source: str) -> HeadConfig:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind not in KINDS:
        hint = did_you_mean(str(kind), KINDS)
        raise InputError(
            f"{source}: there is no kind {kind!r}.{hint} The kinds are: {', '.join(KINDS)}."
        )
    return from_plain(KINDS[kind], value, source)


def _object(text: str, source: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"{source} is no JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InputError(f"{source} is no JSON object.")
    return value
