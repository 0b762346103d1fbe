"""Settings as text: what `--set NAME=VALUE` gives, and what is said of a bad one."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.common.errors import InputError, did_you_mean


def parse_settings(assignments: Sequence[str]) -> dict[str, str]:
    """Splits what `--set NAME=VALUE` was given into names and values, for `Task.override`.

    Raises:
      InputError: an assignment has no "=".
    """
    for assignment in assignments:
        if "=" not in assignment:
            raise InputError(f"--set {assignment}: write --set NAME=VALUE.")
    return dict(assignment.split("=", 1) for assignment in assignments)


def read_setting(name: str, text: str, known: Mapping[str, Any]) -> Any:
    """Reads a text as a value of the type that the setting has.

    Args:
      known: all settings with their values.

    Raises:
      InputError: there is no such setting, or the text does not read as that type.
    """
    if name not in known:
        hint = did_you_mean(name, known)
        raise InputError(
            f"--set {name}={text}: there is no setting {name!r}.{hint} "
            f"The settings are: {', '.join(known)}."
        )
    kind = type(known[name])
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise InputError(
            f"--set {name}={text}: {text!r} is not a valid {kind.__name__}. "
            f"An example: --set {name}={known[name]}"
        ) from None


def bad_setting(name: str, value: Any, wanted: str) -> InputError:
    """Returns the error to raise for a setting.

    Args:
      wanted: what the value must be.
    """
    return InputError(f"{name} is {value!r} and must be {wanted}. Pass another --set {name}=.")
