"""The arguments that several commands and runners take."""

import argparse

from components.common.errors import InputError
from components.common.settings import parse_settings
from components.models.bert.presets import DEFAULT_ENCODER
from components.serving import versions
from components.spec.registry import load_task, task_names
from components.spec.task import Task
from pipeline.beam import PROFILES, beam_arguments


def add_pipeline_arguments(parser: argparse.ArgumentParser, data_help: str) -> None:
    """Adds --task, --data, --encoder, --set, --beam and --beam-arg."""
    parser.add_argument("--task", required=True, help=f"one of: {', '.join(task_names())}")
    parser.add_argument("--data", required=True, help=data_help)
    parser.add_argument(
        "--encoder", default=DEFAULT_ENCODER, help="preset, TF Hub URL, or folder of a SavedModel"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="override a setting of the task",
    )
    add_beam_arguments(parser)


def add_beam_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --beam and --beam-arg, see `pipeline/beam.py`."""
    parser.add_argument(
        "--beam", default="local", help=f"where Beam stages run: {', '.join(PROFILES)}"
    )
    parser.add_argument(
        "--beam-arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set an option of Beam",
    )


def add_local_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of a run on this machine: those of the pipeline, and --output."""
    add_pipeline_arguments(parser, "folder of TFRecords that `prepare` wrote")
    parser.add_argument("--output", default="output", help="folder for the results of all runs")


def parser_of_runs(command: str, description: str) -> argparse.ArgumentParser:
    """Returns a parser with --output and --task, for a command about past runs."""
    parser = argparse.ArgumentParser(
        prog=f"python -m pipeline.cli {command}",
        description=description,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--output", default="output", help="folder with the results of all runs")
    parser.add_argument("--task", help="needed where the folder has runs of several tasks")
    return parser


def pushed_version(model: str) -> str:
    """Returns `model` itself, or the newest version in it; raises InputError where there is none."""
    version = versions.newest(model)
    if not version:
        raise InputError(f"{model} holds no model. Pass what the closing table of a run names.")
    return version


def task_and_beam(options: argparse.Namespace) -> tuple[Task, tuple[str, ...]]:
    """Returns the task with the given settings, and the arguments for Beam.

    It imports almost nothing, so that bad arguments are reported at once.

    Raises:
      InputError: a task, setting, engine or option is unknown, or a value is not allowed.
    """
    task = load_task(options.task).override(parse_settings(options.set))
    return task, beam_arguments(options.beam, options.beam_arg)
