"""`bert-tfx`: imports the command that was asked for, and turns errors into exit codes."""

import ast
import contextlib
import importlib
import importlib.metadata
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from components.common.errors import InputError, did_you_mean, mendable
from components.common.plain import ClosedPipe, write_plainly
from pipeline import __version__
from pipeline.runs.exit_codes import BAD_INPUT, CLOSED_PIPE, STOPPED

_NO_COMMANDS = ("__init__", "__main__", "main", "options")


class _Commands(click.Group):
    """The modules of this package; a summary is read from a module without importing it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(summaries())

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in summaries():
            return None
        return importlib.import_module(f"pipeline.cli.{name}").command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in summaries() and not args[0].startswith("-"):
            hint = did_you_mean(args[0], summaries())
            ctx.fail(f"There is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _until_nobody_reads():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _until_nobody_reads():
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(summaries().items()))


@contextlib.contextmanager
def _until_nobody_reads() -> Iterator[None]:
    """Ends the command without a word where its output is closed; click would make a fault of it."""
    try:
        yield
    except (BrokenPipeError, ClosedPipe):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise click.exceptions.Exit(CLOSED_PIPE) from None


def _show_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        stack = " ".join(f"{n} {_installed(n)}" for n in ("tfx", "tensorflow"))
        python = ".".join(map(str, sys.version_info[:2]))
        click.echo(f"bert-tfx {__version__} ({stack}, Python {python})")
        ctx.exit()


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "is missing"


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version)
def commands() -> None:
    """Fine-tunes BERT with TFX: data in, a judged and versioned model out.

    \b
    bert-tfx prepare mrpc --output data/mrpc
    bert-tfx run --task mrpc --data data/mrpc
    bert-tfx predict output/serving/mrpc sentence1='He won .' sentence2='The win was his .'
    """


def main(arguments: Sequence[str] | None = None, program: str = "bert-tfx") -> int:
    """Runs a command and returns its exit code.

    Exit codes: 0 done; 1 a fault; 2 bad input or usage, or a file that cannot be read or written; 3 the
    gate refused the model; 130 stopped; 141 nobody reads the output.

    Args:
      arguments: those of the command line where it is None.
      program: name in messages about usage.
    """
    _let_workers_import_us()
    write_plainly()
    try:
        return commands.main(arguments, prog_name=program, standalone_mode=False) or 0
    except click.Abort:
        return STOPPED
    except click.ClickException as error:
        error.show()
    except InputError as error:
        click.echo(f"error: {error}", err=True)
    except Exception as error:
        problem = mendable(error)
        if not problem:
            raise
        click.echo(f"error: {problem}", err=True)
    return BAD_INPUT


def _let_workers_import_us() -> None:
    """Names this project's folder to the processes that Beam starts, from whatever folder."""
    paths = (str(pathlib.Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))


def summaries() -> dict[str, str]:
    """Returns each command's summary, the first line of its module."""
    found = {}
    for path in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        if path.stem not in _NO_COMMANDS:
            text = ast.get_docstring(ast.parse(path.read_text())) or ""
            found[path.stem] = text.partition("\n")[0].rstrip(".")
    return found
