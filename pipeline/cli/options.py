"""The options that several commands take, and what they share."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from components.common.errors import InputError
from components.common.settings import parse_settings
from components.models.bert.presets import DEFAULT_ENCODER
from components.serving import versions
from components.spec.registry import load_task, task_names
from components.spec.task import Task
from pipeline.beam import PROFILES, beam_arguments
from pipeline.runs.exit_codes import STOPPED

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class _Place(click.ParamType):
    """A path or a URI; `~` is the home folder even where the shell has left it as it is."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return os.path.expanduser(value)


PLACE = _Place()

model_argument = click.argument("model", type=PLACE)
output_option = click.option(
    "--output", type=PLACE, default="output", show_default=True, help="Folder of all results."
)
runs_task_option = click.option("--task", help="Needed where the folder has runs of several tasks.")
task_option = click.option("--task", required=True, help=f"One of: {', '.join(task_names())}.")


def beam_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --beam and --beam-arg, see `pipeline/beam.py`."""
    return _with(
        function,
        click.option(
            "--beam",
            default="local",
            show_default=True,
            help=f"Where Beam stages run: {', '.join(PROFILES)}.",
        ),
        click.option(
            "--beam-arg", multiple=True, metavar="NAME=VALUE", help="Sets an option of Beam."
        ),
    )


def pipeline_options(data_help: str) -> Decorator:
    """Adds --task, --data, --encoder, --set, --beam and --beam-arg."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        return _with(
            beam_options(function),
            task_option,
            click.option("--data", type=PLACE, required=True, help=data_help),
            encoder_option,
            set_option,
        )

    return add


encoder_option = click.option(
    "--encoder",
    type=PLACE,
    default=DEFAULT_ENCODER,
    show_default=True,
    help="Preset, TF Hub URL, or folder of a SavedModel.",
)
set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Changes a setting of the task; a wrong name is answered with all there are.",
)


def _with(function: Callable[..., Any], *options: Decorator) -> Callable[..., Any]:
    for option in reversed(options):
        function = option(function)
    return function


@contextlib.contextmanager
def when_stopped(kept: str) -> Iterator[None]:
    """Says after Ctrl-C what is kept and how to go on, and ends the process."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"stopped. {kept}", err=True)
        raise click.exceptions.Exit(STOPPED) from None


def pushed_version(model: str) -> str:
    """Returns `model` itself, or the newest version in it; raises InputError where there is none."""
    version = versions.newest(model)
    if not version:
        raise InputError(f"{model} holds no model. Pass what the closing table of a run names.")
    return version


@dataclasses.dataclass(frozen=True)
class PipelineOptions:
    """What `pipeline_options` reads, and --output where a command has it."""

    task: str
    data: str
    encoder: str
    settings: Sequence[str]
    beam: str
    beam_arg: Sequence[str]
    output: str = ""

    def checked(self) -> tuple[Task, tuple[str, ...]]:
        """Returns the task with the given settings, and the arguments for Beam.

        It imports almost nothing, so that bad arguments are reported at once.

        Raises:
          InputError: a task, setting, engine or option is unknown, or a value is not allowed.
        """
        task = load_task(self.task).override(parse_settings(self.settings))
        return task, beam_arguments(self.beam, self.beam_arg)
