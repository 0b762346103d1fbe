"""Runs the pipeline on this machine."""

import datetime
import os
import traceback
from typing import Any

import click
from rich.markup import escape

from components.common.errors import InputError, mendable
from components.common.plain import ClosedPipe
from pipeline.cli.options import PipelineOptions, output_option, pipeline_options
from pipeline.runs.exit_codes import BAD_INPUT, CLOSED_PIPE, FAULT, STOPPED
from pipeline.runs.terminal import Terminal


@click.command("run")
@pipeline_options("Folder of TFRecords that `prepare` wrote.")
@output_option
@click.option(
    "--warm-start",
    is_flag=True,
    help="Trains on from the weights of the model that was pushed last.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Prints the run's record as JSON on stdout, once it has begun, and all else on stderr.",
)
def command(warm_start: bool, as_json: bool, **options: Any) -> int:
    """Runs the pipeline on this machine: data in, a judged model in OUTPUT/serving/TASK out.

    The record of a run is OUTPUT/runs/TASK-NUMBER.json. Exit codes: 0 the model was pushed, or is served
    already; 3 the gate refused it; 2 bad input or usage, or a full disk; 1 a fault; 130 stopped by
    Ctrl-C.

    \b
    bert-tfx run --task mrpc --data data/mrpc --set epochs=3
    """
    with Terminal(to_stderr=as_json) as terminal:
        try:
            return _run(PipelineOptions(**options), warm_start, as_json, terminal)
        except InputError as error:
            terminal.fail(f"error: {error}")
            return BAD_INPUT
        except KeyboardInterrupt:
            stage = f" in {terminal.stage}" if terminal.stage else ""
            terminal.fail(
                f"stopped{stage}. Finished stages and the last checkpoint of a training are kept: "
                "repeat the command to go on."
            )
            return STOPPED
        except ClosedPipe:
            return CLOSED_PIPE
        except Exception as error:
            os.write(2, traceback.format_exc().encode())  # to the log
            if problem := mendable(error):
                terminal.fail(f"error: {problem}")
                terminal.say(f"The full log is {escape(terminal.log())}.")
                return BAD_INPUT
            stage = f" in {terminal.stage}" if terminal.stage else ""
            terminal.fail(f"fault{stage}: {type(error).__name__}: {str(error)[:500]}")
            terminal.say(f"The full log is {escape(terminal.log())}.")
            return FAULT


def _run(options: PipelineOptions, warm_start: bool, as_json: bool, terminal: Terminal) -> int:
    started = datetime.datetime.now(datetime.timezone.utc)
    task, beam_args = options.checked()
    terminal.wait_for("loading TensorFlow and TFX")

    # It takes seconds to import, so bad arguments are reported before.
    from pipeline.local_run import run_pipeline

    return run_pipeline(
        task,
        options.encoder,
        options.data,
        options.output,
        beam_args,
        warm_start,
        started,
        terminal,
        as_json,
    )
