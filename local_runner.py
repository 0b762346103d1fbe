"""Runs the pipeline on this machine: python local_runner.py --task mrpc --data DIR --output DIR.

The record of a run is OUTPUT/runs/TASK-NUMBER.json, which --json prints as well.

Exit codes: 0 the model was pushed, or is served already; 3 the gate refused it; 2 bad input or usage;
1 a fault.
"""

import argparse
import datetime
import os
import sys
import time
import traceback

from components.common.errors import InputError
from pipeline.cli.arguments import add_local_arguments, task_and_beam
from pipeline.runs.exit_codes import BAD_INPUT, FAULT
from pipeline.runs.run_lock import only_run_in
from pipeline.runs.terminal import Terminal


def main(arguments: list[str] | None = None) -> int:
    """Runs the pipeline as the command line says, and returns the exit code."""
    options = _parse(arguments)
    with Terminal(to_stderr=options.json) as terminal:
        try:
            return _run(options, terminal)
        except InputError as error:
            terminal.fail(f"error: {error}")
            return BAD_INPUT
        except Exception as error:
            os.write(2, traceback.format_exc().encode())
            stage = f" in {terminal.stage}" if terminal.stage else ""
            terminal.fail(f"fault{stage}: {type(error).__name__}: {str(error)[:500]}")
            terminal.say(f"The full log is {terminal.log()}.")
            return FAULT


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_local_arguments(parser)
    parser.add_argument(
        "--warm-start",
        action="store_true",
        help="train on from the weights of the model that was pushed last",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the run's record as JSON on stdout, once it has begun, and all else on stderr",
    )
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace, terminal: Terminal) -> int:
    started = datetime.datetime.now(datetime.timezone.utc)
    task, beam = task_and_beam(options)
    terminal.wait_for("loading TensorFlow and TFX")

    # These imports take seconds, so bad arguments are reported before them.
    from components.models.bert.hub import resolve
    from pipeline.local_config import local_config
    from pipeline.pipeline import compile_pipeline
    from pipeline.runs.record import record_file
    from pipeline.runs.stages import begin_run, close_run, node_ids, run_stage
    from pipeline.runs.summary import print_heading

    terminal.wait_for(f"encoder {options.encoder}")
    encoder = resolve(options.encoder)
    terminal.wait_for(f"checking {options.data}")
    config, examples = local_config(
        task, encoder, options.data, options.output, beam, options.warm_start
    )
    with only_run_in(config.root):
        terminal.keep_log(f"{config.root}/logs/{time.strftime('%Y%m%d-%H%M%S')}-{task.name}.log")
        print_heading(terminal, config, examples)
        pipeline = compile_pipeline(config)
        run_id = datetime.datetime.now().isoformat()  # as LocalDagRunner names runs
        record = begin_run(config, examples, pipeline, run_id, started, terminal.log())
        try:
            for node in node_ids(pipeline):
                record = run_stage(record, config, pipeline, node, terminal)
            record = close_run(record, config, terminal)
        finally:
            if options.json:
                file = record_file(config.root, record.task, record.number)
                terminal.print_last(file.read_text())
    return FAULT if record.exit_code is None else record.exit_code


if __name__ == "__main__":
    # The processes that Beam starts look for this project's modules, from whatever folder.
    paths = (os.path.dirname(os.path.abspath(__file__)), os.environ.get("PYTHONPATH"))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    sys.exit(main())
