"""Fetches an encoder where needed, and prints its description as JSON.

Exit codes: 0 the encoder is on this machine; 2 bad input or usage.
"""

import argparse
import dataclasses
import json
import sys

from components.common.errors import InputError
from components.models.bert.hub import resolve
from components.models.bert.presets import DEFAULT_ENCODER
from pipeline.runs.exit_codes import BAD_INPUT


def main(arguments: list[str] | None = None) -> int:
    """Prints the encoder's description, and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.cli encoder", description=__doc__)
    parser.add_argument(
        "handle",
        nargs="?",
        default=DEFAULT_ENCODER,
        help="preset, TF Hub URL, or folder",
    )
    options = parser.parse_args(arguments)
    try:
        encoder = resolve(options.handle)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    print(json.dumps(dataclasses.asdict(encoder), indent=2))
    return 0
