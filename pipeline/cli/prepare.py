"""Writes the data of a task as the pipeline reads it.

    prepare TASK --output DIR [--source DIR | --train FILE --eval FILE [--test FILE]] [--drop-misaligned]

Without --source and --train it downloads the official files.

Exit codes: 0 the folder holds the data; 2 bad input or usage.
"""

import argparse
import sys
from collections.abc import Sequence

from components.common.errors import InputError
from components.data.prepare import official_files, own_files, prepare
from components.data.readers.reader import has_alignment, reader_of
from components.spec.data_source import SPLITS
from components.spec.registry import load_task, task_names
from pipeline.runs.exit_codes import BAD_INPUT


def main(argv: Sequence[str] | None = None) -> int:
    """Prepares the data as the command line says, and returns the exit code."""
    arguments = _parse(argv)
    try:
        task = load_task(arguments.task)
        if arguments.drop_misaligned and not has_alignment(reader_of(task.data)):
            raise InputError(
                f"--drop-misaligned: no example of the task {task.name} says where its answer is. "
                "Leave it out."
            )
        if arguments.train:
            source = own_files(task, {split: getattr(arguments, split) for split in SPLITS})
        else:
            source = official_files(task, arguments.source)
        prepare(task, source, arguments.output, arguments.drop_misaligned)
    except InputError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{error.filename or arguments.output}: {error.strerror or error}."
    else:
        return 0
    print(f"error: {problem}", file=sys.stderr)
    return BAD_INPUT


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.cli prepare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("task", metavar="TASK", help=", ".join(task_names()))
    parser.add_argument("--output", metavar="DIR", required=True, help="folder to write")
    parser.add_argument("--source", metavar="DIR", help="folder that holds the official files")
    parser.add_argument("--train", metavar="FILE", help="your own examples to train on")
    parser.add_argument("--eval", metavar="FILE", help="your own examples to evaluate on")
    parser.add_argument(
        "--test",
        metavar="FILE",
        help="your own examples for the gate to judge by, instead of those of --eval",
    )
    parser.add_argument(
        "--drop-misaligned",
        action="store_true",
        help="leave out examples whose answer is not at its position, instead of refusing them",
    )
    arguments = parser.parse_args(argv)
    own = [f"--{split}" for split in SPLITS if getattr(arguments, split)]
    if own and arguments.source:
        parser.error(f"--source and {own[0]} exclude each other")
    if own and not (arguments.train and arguments.eval):
        parser.error(f"{own[0]} needs both --train and --eval beside it")
    return arguments
