"""Converts a Hugging Face BERT checkpoint into an encoder.

Exit codes: 0 the encoder was written; 2 bad input or usage.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence

from components.common.errors import InputError
from components.models.bert.convert import convert
from pipeline.runs.exit_codes import BAD_INPUT


def main(arguments: Sequence[str] | None = None) -> int:
    """Converts the checkpoint, prints what it found as JSON, and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.cli convert", description=__doc__)
    parser.add_argument("checkpoint_dir", help="folder with config.json and model.safetensors")
    parser.add_argument("output_dir", help="folder to write; pass it as --encoder")
    options = parser.parse_args(arguments)
    try:
        conversion = convert(options.checkpoint_dir, options.output_dir)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    print(json.dumps(dataclasses.asdict(conversion), indent=2))
    return 0
