"""The arguments that all runners share."""

import argparse

from components.bert.presets import DEFAULT_ENCODER
from components.tasks import task_names
from pipeline.beam import PROFILES


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
    parser.add_argument(
        "--beam", default="local", help=f"where Beam stages run: {', '.join(PROFILES)}"
    )
    parser.add_argument(
        "--beam-arg", action="append", default=[], metavar="NAME=VALUE", help="an option of Beam"
    )
