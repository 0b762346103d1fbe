"""Compares learning rates, numbers of epochs and seeds on the train split alone.

    sweep --task TASK --data DIR

It holds out `--validation-fraction` of the train split, trains every combination on the rest, and
measures its loss on the held-out examples after the last epoch. It never reads the split that the gate
judges by, so that the gate's metrics stay unbiased. The learning rate is the encoder's; set the head's
with --set head_learning_rate=.

Finished trainings are in OUTPUT/TASK.jsonl, one per line. A sweep that is started again reuses those
with the same data, encoder, settings and code. It prints mean and standard deviation over the seeds.

Exit codes: 0 every combination is trained; 2 bad input or usage.
"""

import argparse
import contextlib
import glob
import itertools
import logging
import os
import pathlib
import sys
from collections.abc import Iterator

from rich.console import Console

from components.common.errors import InputError
from components.common.settings import parse_settings
from components.models.bert.hub import resolve
from components.models.bert.presets import DEFAULT_ENCODER
from components.spec.registry import load_task
from components.spec.task import Task
from pipeline.fingerprint import stage_code
from pipeline.runs.exit_codes import BAD_INPUT


def main(arguments: list[str] | None = None) -> int:
    """Trains the combinations, prints the table, and returns the exit code."""
    options = _parse(arguments)
    try:
        tasks = combinations(options)
        files = sorted(glob.glob(f"{options.data}/train/*"))
        if not files:
            raise InputError(f"{options.data}/train holds no file. Pass what `prepare` wrote.")
        encoder = resolve(options.encoder)
        finished = pathlib.Path(options.output, f"{options.task}.jsonl")
        with _progress_on_terminal():
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's messages of its start
            # These imports take seconds, so bad arguments are reported before them.
            from components.tuning.sweep import report, sweep

            code = stage_code("Trainer", tasks[0].head)
            results = sweep(tasks, files, encoder, code, finished)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    print(report(results))
    return 0


@contextlib.contextmanager
def _progress_on_terminal() -> Iterator[None]:
    """Shows the last progress message of the current training, below the finished ones."""
    logger = logging.getLogger("progress")
    logger.setLevel(logging.INFO)
    with Console(stderr=True).status("reading the data") as status:

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                status.update(record.getMessage())

        handler = Handler()
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.cli sweep",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--task", default="mrpc")
    parser.add_argument("--data", required=True, help="what `prepare` wrote")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER)
    parser.add_argument("--learning-rates", nargs="+", default=["5e-5", "1e-4", "2e-4"])
    parser.add_argument("--epochs", nargs="+", default=["2", "3", "4"])
    parser.add_argument("--seeds", nargs="+", default=["0", "1", "2"])
    parser.add_argument(
        "--validation-fraction", default="0.2", help="fraction of the train split to hold out"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--output", default="output/sweep")
    return parser.parse_args(arguments)


def combinations(options: argparse.Namespace) -> list[Task]:
    """Returns the task with each combination of the settings, ordered by seed.

    Raises:
      InputError: a setting has a value that is not allowed.
    """
    task = load_task(options.task)
    every = itertools.product(options.seeds, options.learning_rates, options.epochs)
    fixed = parse_settings(options.set) | {"validation_fraction": options.validation_fraction}
    return [
        task.override(fixed | {"seed": seed, "learning_rate": rate, "epochs": epochs})
        for seed, rate, epochs in every
    ]
