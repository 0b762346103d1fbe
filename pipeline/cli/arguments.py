"""The arguments that all runners share."""

import argparse

from components.common.errors import InputError
from components.common.settings import parse_settings
from components.models.bert.presets import DEFAULT_ENCODER
from components.serving import versions
from components.spec.registry import load_task, task_names
from components.spec.task import Task
from pipeline.beam import PROFILES, beam_arguments


def add_pipeline_arguments(parser: argparse.ArgumentParser, data_help: str) -> None:
    """--task, --data, --encoder, --set, --beam and --beam-arg."""
    parser.add_argument("--task", required=True, help=f"one of: {', '.join(task_names())}")
    parser.add_argument("--data", required=True, help=data_help)
    parser.add_argument(
        "--encoder", default=DEFAULT_ENCODER, help="preset, TF Hub URL, or folder of a SavedModel"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="override a setting"
    )
    add_beam_arguments(parser)


def add_beam_arguments(parser: argparse.ArgumentParser) -> None:
    """--beam and --beam-arg, see `pipeline/beam.py`."""
    parser.add_argument(
        "--beam", default="local", help=f"where Beam stages run: {', '.join(PROFILES)}"
    )
    parser.add_argument(
        "--beam-arg", action="append", default=[], metavar="NAME=VALUE", help="an option of Beam"
    )


def add_local_arguments(parser: argparse.ArgumentParser) -> None:
    """The same, and --output, of runs on this machine."""
    add_pipeline_arguments(parser, "folder of TFRecords that `prepare` wrote")
    parser.add_argument("--output", default="output", help="folder for all that runs make")


def parser_of_runs(command: str, description: str) -> argparse.ArgumentParser:
    """With --output and --task, of a command that looks into past runs."""
    parser = argparse.ArgumentParser(
        prog=f"python -m pipeline.cli {command}",
        description=description,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--output", default="output", help="folder for all that runs made")
    parser.add_argument("--task", help="where the folder has runs of several")
    return parser


def pushed_version(model: str) -> str:
    """The version to ask: `model` itself, or the newest one in it; raises InputError."""
    version = versions.newest(model)
    if not version:
        raise InputError(f"{model} holds no model. Pass what the closing table of a run names.")
    return version


def task_and_beam(options: argparse.Namespace) -> tuple[Task, tuple[str, ...]]:
    """The task with the settings that were given, and the arguments for Beam.

    Imports next to nothing, so that what is wrong with them is told at once.

    Raises:
      InputError: an unknown task, setting, engine or option, or a value that it cannot have.
    """
    task = load_task(options.task).override(parse_settings(options.set))
    return task, beam_arguments(options.beam, options.beam_arg)
