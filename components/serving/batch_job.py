"""The Beam job that answers files with a pushed model, and goes on where a killed one has ended."""

import contextlib
import json
import os

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from tfx.dsl.io import fileio
from tfx.utils import io_utils

from components.common.errors import InputError
from components.common.locks import locked
from components.serving.batch_shards import ERRORS, AnswerShards, cut, remove_parts, state_of
from components.serving.client import PushedModel

_JOB = "job.json"


def run(version: str, patterns: list[str], output: str, beam_args: tuple[str, ...]) -> bool:
    """Answers the examples without an answer, and returns whether any example was refused.

    Args:
      version: folder of the model.

    Raises:
      InputError: a file does not exist, or `output` holds the answers of another job.
    """
    files, output = _files(patterns), absolute(output)
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
    files = []
    for pattern in patterns:
        named = absolute(pattern)  # which may hold brackets that are no pattern
        found = [named] if fileio.exists(named) else sorted(fileio.glob(named))
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


def absolute(path: str) -> str:
    """Returns the absolute path: workers may run in another folder."""
    return path if "://" in path else os.path.abspath(path)
