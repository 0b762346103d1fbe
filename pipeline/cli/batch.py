"""Answers files of any size with a pushed model, as a Beam job."""

import os

import click

from components.common.stderr_filter import quiet_stderr
from pipeline.beam import beam_arguments
from pipeline.cli.options import PLACE, beam_options, model_argument, pushed_version, when_stopped


@click.command("batch")
@model_argument
@click.argument("files", nargs=-1, required=True, type=PLACE)
@click.option("--output", type=PLACE, required=True, help="Folder for the answers.")
@beam_options
def command(
    model: str, files: tuple[str, ...], output: str, beam: str, beam_arg: tuple[str, ...]
) -> None:
    """Answers files of any size with a pushed model, as a Beam job.

    MODEL is a version, or a folder of versions, of which the newest answers. FILES are JSON lines,
    columns under a header, or TFRecords of tf.Examples. The folder gets files NAME-00000-of-00012.jsonl
    with the answers of 10,000 examples each, and NAME-00000-of-00012.errors.jsonl with the place of each
    refused example and the reason. A file is complete once it exists. After a job was killed, repeat
    the command: it continues.

    \b
    bert-tfx batch output/serving/mrpc examples-*.jsonl --output answers
    """
    # TFX's BulkInferrer, and tfx_bsl's RunInference below it, do not fit: they take TFRecords only, fail
    # at the first bad example, and write nothing before all is done.
    beam_args = beam_arguments(beam, beam_arg)
    with (
        when_stopped("The files in the folder are whole. Repeat the command to go on."),
        quiet_stderr(),
    ):
        version = pushed_version(_absolute(model))
        # It takes seconds to import, so bad arguments are reported before.
        from components.serving.batch_job import run

        refused = run(version, list(files), output, beam_args)
    if refused:
        click.echo(f"some examples were refused: see {output}/*.errors.jsonl", err=True)


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(path)
