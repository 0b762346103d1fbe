"""The one error that is the user's to mend."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad data, a wrong encoder handle or a wrong setting.

    The message names what is wrong (file, line, field) and what to do. Runners print it without a
    traceback and exit with code 2.
    """


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Returns " Did you mean 'NEAREST'?", or "" where no name is near."""
    near = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
