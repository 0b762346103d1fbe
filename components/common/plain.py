"""Text for terminals and files that are not UTF-8, or are closed before all is written."""

import codecs
import sys

_PLAIN = {"✓": "ok", "≥": ">=", "≤": "<=", "…": "...", "─": "-", "━": "-"}


class ClosedPipe(Exception):
    """Nobody reads any more what is shown."""


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replaces a character that the encoding lacks; gives back the byte that half a pair stands for."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":  # a byte of a file's name, which is not UTF-8
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return _PLAIN.get(character, "?"), error.start + 1


# The name of the handler of errors that text streams take.
PLAIN_ERRORS = "bert-tfx-plain"
codecs.register_error(PLAIN_ERRORS, _replace)


def write_plainly() -> None:
    """Has stdout and stderr replace what their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors=PLAIN_ERRORS)
