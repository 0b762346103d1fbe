"""The one error that is the user's to mend."""


class InputError(ValueError):
    """Bad data, a wrong encoder handle or a wrong setting.

    The message names what is wrong (file, line, field) and what to do. Runners print it without a
    traceback and exit with code 2.
    """
