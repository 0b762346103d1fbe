"""Frozen dataclasses as JSON: what crosses from the pipeline's definition to its stages."""

import dataclasses
import importlib
import json


def dump(value) -> str:
    """A frozen dataclass as JSON: its module, its class and its fields."""
    kind = type(value)
    return json.dumps([kind.__module__, kind.__name__, dataclasses.asdict(value)])


def load(text: str):
    """The value that `dump` wrote; JSON's lists become tuples again."""
    module, name, fields = json.loads(text)
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    return getattr(importlib.import_module(module), name)(**fields)
