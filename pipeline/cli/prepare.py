"""Writes the data of a task as the pipeline reads it."""

from typing import Any

import click

from components.common.errors import InputError
from components.data.prepare import official_files, own_files, prepare
from components.data.readers.reader import has_alignment, reader_of
from components.spec.data_source import SPLITS
from components.spec.registry import load_task
from pipeline.cli.options import PLACE, when_stopped


@click.command("prepare")
@click.argument("task")
@click.option("--output", type=PLACE, required=True, help="Folder to write.")
@click.option("--source", type=PLACE, help="Folder that holds the official files.")
@click.option("--train", type=PLACE, help="Your own examples to train on.")
@click.option("--eval", type=PLACE, help="Your own examples to evaluate on.")
@click.option("--test", type=PLACE, help="Your own examples for the gate, instead of --eval.")
@click.option(
    "--drop-misaligned",
    is_flag=True,
    help="Leaves out examples whose answer is not at its position, instead of refusing them.",
)
def command(task: str, output: str, source: str | None, drop_misaligned: bool, **own: Any) -> None:
    """Writes the data of a task as the pipeline reads it.

    Without --source and --train it downloads the official files.

    \b
    bert-tfx prepare mrpc --output data/mrpc
    bert-tfx prepare mrpc --train train.tsv --eval dev.tsv --output data/mine
    """
    given = [f"--{split}" for split in SPLITS if own[split]]
    if given and source:
        raise click.UsageError(f"--source and {given[0]} exclude each other")
    if given and not (own["train"] and own["eval"]):
        raise click.UsageError(f"{given[0]} needs both --train and --eval beside it")
    spec = load_task(task)
    if drop_misaligned and not has_alignment(reader_of(spec.data)):
        raise InputError(
            f"--drop-misaligned: no example of the task {spec.name} says where its answer is. "
            "Leave it out."
        )
    with when_stopped("Nothing was written. Repeat the command."):
        try:
            files = own_files(spec, own) if given else official_files(spec, source)
            prepare(spec, files, output, drop_misaligned)
        except OSError as error:
            raise InputError(f"{error.filename or output}: {error.strerror or error}.") from None
