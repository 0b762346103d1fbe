"""Commands that are printed for the user to paste."""

import os
import shlex
import shutil
import sys


def command_line(*words: str) -> str:
    """Returns a `bert-tfx` command, quoted for a shell, by a name that finds it from here."""
    installed = os.path.join(sys.prefix, "bin", "bert-tfx")
    found = shutil.which("bert-tfx")
    if found and os.path.realpath(found) == os.path.realpath(installed):
        program = ["bert-tfx"]
    elif os.path.exists(installed):
        program = [os.path.relpath(installed)]
    else:
        program = [sys.executable, "-m", "pipeline.cli"]
    return shlex.join([*program, *words])
