"""Compares learning rates, numbers of epochs and seeds on the train split alone."""

import contextlib
import glob
import itertools
import logging
import os
import pathlib
from collections.abc import Iterator, Mapping

import click
from rich.console import Console

from components.common.errors import InputError
from components.common.settings import parse_settings
from components.spec.registry import load_task
from components.spec.task import Task
from pipeline.cli.options import (
    PLACE,
    encoder_option,
    set_option,
    task_option,
    when_stopped,
)
from pipeline.config import SCHEMA_DIRECTORY
from pipeline.fingerprint import stage_code


@click.command("sweep")
@task_option
@click.option("--data", type=PLACE, required=True, help="Folder of TFRecords that `prepare` wrote.")
@encoder_option
@click.option(
    "--learning-rates", default="5e-5,1e-4,2e-4", show_default=True, help="Commas between."
)
@click.option("--epochs", default="2,3,4", show_default=True, help="Commas between.")
@click.option("--seeds", default="0,1,2", show_default=True, help="Commas between.")
@click.option(
    "--validation-fraction",
    default="0.2",
    show_default=True,
    help="Fraction of the train split to hold out.",
)
@set_option
@click.option("--output", type=PLACE, default="output/sweep", show_default=True)
def command(
    task: str,
    data: str,
    encoder: str,
    learning_rates: str,
    epochs: str,
    seeds: str,
    validation_fraction: str,
    settings: tuple[str, ...],
    output: str,
) -> None:
    """Compares learning rates, numbers of epochs and seeds on the train split alone.

    It holds out a fraction of the train split, trains every combination on the rest, and measures its
    loss on the held-out examples after the last epoch. It never reads the split that the gate judges by,
    so that the gate's metrics stay unbiased. The learning rate is the encoder's; set the head's with
    --set head_learning_rate=. It prints mean and standard deviation over the seeds.

    Finished trainings are in OUTPUT/TASK.jsonl, one per line. A sweep that is started again reuses those
    with the same data, encoder, settings and code.

    \b
    bert-tfx sweep --task mrpc --data data/mrpc --learning-rates 5e-5,1e-4 --epochs 3 --seeds 0,1
    """
    tasks = combinations(
        load_task(task),
        {"learning_rate": learning_rates, "epochs": epochs, "seed": seeds},
        parse_settings(settings) | {"validation_fraction": validation_fraction},
    )
    files = sorted(glob.glob(f"{glob.escape(data)}/train/*"))
    if not files:
        raise InputError(f"{data}/train holds no file. Pass what `bert-tfx prepare` wrote.")
    finished = pathlib.Path(output, f"{task}.jsonl")
    with when_stopped("Finished trainings are kept. Repeat the command to go on."):
        with _progress_on_terminal():
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's messages of its start
            # These imports take seconds, so bad arguments are reported before them.
            from components.tuning.sweep import report, sweep

            schema = SCHEMA_DIRECTORY / f"{task}.pbtxt"
            code = stage_code("Trainer", tasks[0].head)
            results = sweep(tasks, files, schema, encoder, code, finished)
    click.echo(report(results))


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


def combinations(task: Task, tried: Mapping[str, str], fixed: Mapping[str, str]) -> list[Task]:
    """Returns the task with each combination of the settings, ordered by seed.

    Args:
      tried: learning_rate, epochs and seed -> values with commas between.
      fixed: settings of all combinations.

    Raises:
      InputError: a setting has a value that is not allowed.
    """
    values = {name: text.split(",") for name, text in tried.items()}
    return [
        task.override({**fixed, "seed": seed, "learning_rate": rate, "epochs": epochs})
        for seed, rate, epochs in itertools.product(
            values["seed"], values["learning_rate"], values["epochs"]
        )
    ]
