"""Checks the environment, one line per check."""

import click

from pipeline.doctor import main
from pipeline.runs.exit_codes import FAULT


@click.command("doctor")
def command() -> int:
    """Checks the environment: one line per check, with the remedy where one fails.

    Exit codes: 0 all is well; 1 a check failed.

    \b
    bert-tfx doctor
    """
    return FAULT if main() else 0
