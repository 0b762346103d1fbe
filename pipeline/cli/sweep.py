"""Tries learning rates, epochs and seeds on the train split alone: sweep --task TASK --data DIR

Every combination is trained on the train split but for `--validation-fraction` of its examples, and
judged by its loss on those after the last epoch. What the gate judges by is never read, so that its
metrics stay those of a model that was not chosen by it. The learning rate is the encoder's; the head's
is swept with --set head_learning_rate=.

Finished trainings stand in OUTPUT/TASK.jsonl, one a line; a sweep that is started again takes those up
whose data, encoder, settings and code are the same. Prints mean and standard deviation over the seeds.

Exit codes: 0 all are trained; 2 bad input or usage.
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


def main(arguments: list[str] | None = None) -> int:
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
            # Seconds of imports, after what can be told without them.
            from components.tuning.sweep import report, sweep

            code = stage_code("Trainer", tasks[0].head)
            results = sweep(tasks, files, encoder, code, finished)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(report(results))
    return 0


@contextlib.contextmanager
def _progress_on_terminal() -> Iterator[None]:
    """Shows below the finished trainings what the one that runs said last."""
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
        "--validation-fraction", default="0.2", help="of the train split, held out to judge by"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--output", default="output/sweep")
    return parser.parse_args(arguments)


def combinations(options: argparse.Namespace) -> list[Task]:
    """The task with each combination of the settings; a seed's come one after the other.

    Raises:
      InputError: a setting that cannot be trained with.
    """
    task = load_task(options.task)
    every = itertools.product(options.seeds, options.learning_rates, options.epochs)
    fixed = parse_settings(options.set) | {"validation_fraction": options.validation_fraction}
    return [
        task.override(fixed | {"seed": seed, "learning_rate": rate, "epochs": epochs})
        for seed, rate, epochs in every
    ]
