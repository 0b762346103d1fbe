"""The one error that is the user's to mend."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad data, a wrong encoder handle or a wrong setting.

    The message names what is wrong (file, line, field) and what to do. Runners print it without a
    traceback and exit with code 2.
    """


def half_character(text: str) -> str | None:
    """Says where a text holds half a surrogate pair, which has no UTF-8 form; None where nowhere."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start].encode("ascii", "backslashreplace").decode()
        return f"character {error.start}, {half}, is half a surrogate pair"
    return None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Returns " Did you mean 'NEAREST'?", or "" where no name is near."""
    near = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
