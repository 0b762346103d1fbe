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
import contextlib
import json
import os
import sys

from components.common.errors import InputError
from components.common.stderr_filter import quiet_stderr
from pipeline.beam import beam_arguments
from pipeline.cli.arguments import add_beam_arguments, pushed_version

_JOB = "job.json"


def main(arguments: list[str] | None = None) -> int:
    """Answers the files that the command line names, and returns the exit code."""
    options = _parse(arguments)
    try:
        beam_args = beam_arguments(options.beam, options.beam_arg)
        with quiet_stderr():
            refused = run(options.model, options.files, options.output, beam_args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if refused:
        print(f"some rows were refused: see {options.output}/*.errors.jsonl", file=sys.stderr)
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


def run(model: str, patterns: list[str], output: str, beam_args: tuple[str, ...]) -> bool:
    """Answers the examples without an answer, and returns whether any example was refused.

    Raises:
      InputError: the model or a file does not exist, or `output` holds the answers of another job.
    """
    version = pushed_version(_absolute(model))
    # These imports take seconds, so bad arguments are reported before them.
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from tfx.dsl.io import fileio

    from components.common.locks import locked
    from components.serving.batch_shards import ERRORS, AnswerShards, cut, remove_parts
    from components.serving.client import PushedModel

    files, output = _files(patterns), _absolute(output)
    names = PushedModel(version).names
    shards = [shard for file in files for shard in cut(file, names)]
    with contextlib.nullcontext() if "://" in output else locked(output):
        _keep_job(output, version, files)
        remove_parts(output)
        left = [shard for shard in shards if not fileio.exists(f"{output}/{shard.name}.jsonl")]
        print(f"{len(shards) - len(left)} of {len(shards)} shards are done", flush=True)
        if left:
            with beam.Pipeline(options=PipelineOptions(list(beam_args))) as pipeline:
                todo = pipeline | beam.Create(left) | beam.Reshuffle()
                todo | beam.ParDo(AnswerShards(version, output))
        return any(name.endswith(ERRORS) for name in fileio.listdir(output))


def _files(patterns: list[str]) -> list[str]:
    from tfx.dsl.io import fileio

    files = []
    for pattern in patterns:
        found = sorted(fileio.glob(_absolute(pattern)))
        if not found:
            raise InputError(f"{pattern}: no such file.")
        files += found
    names = [os.path.basename(file) for file in files]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(
            f"Two files are named {twice[0]}, and so would be their answers. Rename one, or answer "
            "them into another --output."
        )
    return files


def _keep_job(output: str, version: str, files: list[str]) -> None:
    """Writes which model answers which files; refuses a folder with the answers of another job."""
    from tfx.dsl.io import fileio
    from tfx.utils import io_utils

    from components.serving.batch_shards import state_of

    job = {"model": version, "files": {file: state_of(file) for file in files}}
    path = f"{output}/{_JOB}"
    if not fileio.exists(path):
        fileio.makedirs(output)
        if fileio.listdir(output):
            raise InputError(f"{output} holds something else. Pass another --output.")
        io_utils.write_string_file(path, json.dumps(job, indent=2))
    elif json.loads(io_utils.read_string_file(path)) != job:
        raise InputError(
            f"{output} holds the answers of another model or to other files, see {path}. Pass another "
            "--output, or remove it."
        )


def _absolute(path: str) -> str:
    """Returns the absolute path: workers may run in another folder."""
    return path if "://" in path else os.path.abspath(path)
