"""Starts a command: python -m pipeline.cli NAME ...; without a name it lists the commands."""

import ast
import importlib
import pathlib
import sys

from components.common.errors import did_you_mean
from pipeline.runs.exit_codes import BAD_INPUT

_NO_COMMANDS = ("__init__", "__main__", "arguments")


def main() -> int:
    """Runs the command that the first argument names, and returns its exit code."""
    name, *arguments = sys.argv[1:] or ["--help"]
    commands = _commands()
    if name in ("-h", "--help"):
        print("python -m pipeline.cli COMMAND ...; --help after a command shows its arguments\n")
        for command, summary in commands.items():
            print(f"  {command:<10} {summary}")
        return 0
    if name not in commands:
        hint = did_you_mean(name, commands)
        print(
            f"error: there is no command {name!r}.{hint} There are: {', '.join(commands)}.",
            file=sys.stderr,
        )
        return BAD_INPUT
    return importlib.import_module(f"pipeline.cli.{name}").main(arguments)


def _commands() -> dict[str, str]:
    """Returns each command's summary, the first line of its module, without importing it."""
    summaries = {}
    for path in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        if path.stem not in _NO_COMMANDS:
            text = ast.get_docstring(ast.parse(path.read_text())) or ""
            summaries[path.stem] = text.partition("\n")[0].rstrip(".")
    return summaries


if __name__ == "__main__":
    sys.exit(main())
