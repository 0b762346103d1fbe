"""Fetches an encoder where needed, and describes it."""

import dataclasses
import json

import click

from components.models.bert.hub import resolve
from components.models.bert.presets import DEFAULT_ENCODER
from pipeline.cli.options import PLACE


@click.command("encoder")
@click.argument("handle", type=PLACE, default=DEFAULT_ENCODER)
def command(handle: str) -> None:
    """Fetches an encoder where needed, and prints its description as JSON.

    HANDLE is a preset, a TF Hub URL, or a folder.

    \b
    bert-tfx encoder bert-base-uncased
    """
    click.echo(json.dumps(dataclasses.asdict(resolve(handle)), indent=2))
