"""What all values of a task have in common."""

from typing import ClassVar


class Value:
    """A frozen dataclass that is read from JSON as it is written: an unknown key is an error."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
