"""Answers files of any size with a pushed model.

    batch MODEL FILE... --output DIR

MODEL is a version, or a folder of versions, of which the newest answers. FILE is JSON lines, columns
under a header, or TFRecords of tf.Examples. DIR gets files NAME-00000-of-00012.jsonl with the answers of
10,000 examples each, and NAME-00000-of-00012.errors.jsonl with the place of each refused example and
the reason. A file is complete once it exists. After a job was killed, repeat the command: it continues.
--beam says where the job runs, see pipeline/beam.py.

TFX's BulkInferrer, and tfx_bsl's RunInference below it, do not fit: they take TFRecords only, fail at
the first bad example, and write nothing before all is done.

Exit codes: 0 every example is answered or refused; 2 bad input or usage.
"""

import argparse
import os
import sys

from components.common.errors import InputError
from components.common.stderr_filter import quiet_stderr
from pipeline.beam import beam_arguments
from pipeline.cli.arguments import add_beam_arguments, pushed_version
from pipeline.runs.exit_codes import BAD_INPUT


def main(arguments: list[str] | None = None) -> int:
    """Answers the files that the command line names, and returns the exit code."""
    options = _parse(arguments)
    try:
        beam_args = beam_arguments(options.beam, options.beam_arg)
        with quiet_stderr():
            version = pushed_version(_absolute(options.model))
            # It takes seconds to import, so bad arguments are reported before.
            from components.serving.batch_job import run

            refused = run(version, options.files, options.output, beam_args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    if refused:
        print(f"some examples were refused: see {options.output}/*.errors.jsonl", file=sys.stderr)
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.cli batch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="a version, or a folder of versions")
    parser.add_argument("files", nargs="+", metavar="FILE", help="file of examples, or a pattern")
    parser.add_argument("--output", required=True, help="folder for the answers")
    add_beam_arguments(parser)
    return parser.parse_args(arguments)


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(path)
