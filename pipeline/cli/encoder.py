"""Prints what is known of an encoder, and fetches it if need be: encoder HANDLE

Exit codes: 0 it is there; 2 it cannot be had, or usage.
"""

import argparse
import dataclasses
import json
import sys

from components.common.errors import InputError
from components.models.bert.hub import resolve
from components.models.bert.presets import DEFAULT_ENCODER


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipeline.cli encoder", description=__doc__)
    parser.add_argument("handle", nargs="?", default=DEFAULT_ENCODER)
    options = parser.parse_args(arguments)
    try:
        encoder = resolve(options.handle)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(dataclasses.asdict(encoder), indent=2))
    return 0
