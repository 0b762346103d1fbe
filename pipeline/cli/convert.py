"""Converts a Hugging Face BERT checkpoint into an encoder."""

import dataclasses
import json

import click

from components.models.bert.convert import convert
from pipeline.cli.options import PLACE, when_stopped


@click.command("convert")
@click.argument("checkpoint", type=PLACE)
@click.argument("output", type=PLACE)
def command(checkpoint: str, output: str) -> None:
    """Converts a Hugging Face BERT checkpoint into an encoder, and prints what it found as JSON.

    CHECKPOINT is a folder with config.json and model.safetensors; OUTPUT, the folder to write, is what
    --encoder takes.

    \b
    bert-tfx convert checkpoints/bert-base-german my/encoder
    """
    with when_stopped("Nothing was written. Repeat the command."):
        conversion = convert(checkpoint, output)
    click.echo(json.dumps(dataclasses.asdict(conversion), indent=2))
