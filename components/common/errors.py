"""What is the user's to mend: bad input, and files that the system refuses."""

import difflib
import errno
import os
from collections.abc import Iterable


class InputError(ValueError):
    """Bad data, a wrong encoder handle or a wrong setting.

    The message names what is wrong (file, line, field) and what to do. Runners print it without a
    traceback and exit with code 2.
    """


# What the system refuses for a reason that the user can mend.
_MENDABLE = {
    *(
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EMFILE,
        errno.EFBIG,
    ),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP),
}
_FULL = os.strerror(errno.ENOSPC)


def mendable(error: BaseException) -> str | None:
    """Says what the user can mend, where the system refused a file or a disk is full; else None.

    Also of an error that another one came from, and of TensorFlow's, which have no number.
    """
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, OSError):
            of = f"{cause.filename}: " if cause.filename else ""
            if cause.errno in _MENDABLE:
                return f"{of}{cause.strerror}. Make room or mend the path, then repeat the command."
            if "No usable temporary directory" in str(cause):
                return f"{cause.args[-1]}. Set TMPDIR to a folder that can be written to."
        elif _FULL in str(cause) or type(cause).__name__ == "PermissionDeniedError":
            return f"{str(cause).splitlines()[0][:300]}. Make room or mend the path."
        # What was handled before another error was raised on purpose says nothing about that one.
        handled = None if cause.__suppress_context__ else cause.__context__
        cause = cause.__cause__ or handled
    return None


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
