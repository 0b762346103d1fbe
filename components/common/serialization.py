"""Values as JSON: the one form in which tasks, settings and results cross from process to process.

A value is a dataclass; pydantic checks what is read by the types of its fields. A dataclass that is read
from a file which a person may edit forbids unknown keys: `__pydantic_config__ = {"extra": "forbid"}`.
"""

from collections.abc import Callable
from typing import Any

import pydantic

from components.common.errors import InputError

# Type -> what reads and writes it; making one takes milliseconds.
_ADAPTERS: dict[Any, pydantic.TypeAdapter] = {}


def to_json(value: Any, indent: int | None = None) -> str:
    """Writes a dataclass as JSON, in the order of its fields, those of a subclass included."""
    return _adapter(type(value)).dump_json(value, indent=indent, serialize_as_any=True).decode()


def from_json(kind: Any, text: str, source: str = "") -> Any:
    """Reads a value of a type, a dataclass or a union of some, from JSON.

    Args:
      source: what a message calls the text, such as its file.

    Raises:
      InputError: it is no JSON, or not of that type; the message names the field.
    """
    return _checked(lambda: _adapter(kind).validate_json(text), source)


def from_plain(kind: Any, value: Any, source: str = "") -> Any:
    """Reads a value of a type from what JSON holds; see `from_json`."""
    return _checked(lambda: _adapter(kind).validate_python(value), source)


def _adapter(kind: Any) -> pydantic.TypeAdapter:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = pydantic.TypeAdapter(kind)
    return _ADAPTERS[kind]


def _checked(read: Callable[[], Any], source: str) -> Any:
    try:
        return read()
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        if isinstance(cause := first.get("ctx", {}).get("error"), InputError):
            raise cause from None
        field = ".".join(map(str, first["loc"]))
        where = ": ".join(filter(None, (source, field and f"field {field!r}")))
        raise InputError(f"{where or 'the JSON'}: {first['msg']}. Mend it.") from None
