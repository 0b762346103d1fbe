"""Runs one stage of a compiled run.

    python -m pipeline.orchestrators.run_node --graph RUN.graph.json --node Trainer

The stage runs as LocalDagRunner would run it, and uses the same cache. A stage that failed or was killed
earlier in this run runs again; one that succeeded does not.

Exit codes: 0 the stage ran, or the cache had its results; 99 there was nothing to do, since its
condition is not met, or since the gate refused the model to push; 2 bad input or usage; 1 a fault.
"""

import argparse
import os
import pathlib
import sys
import traceback
from typing import Any

from components.common.errors import InputError
from pipeline.orchestrators.graph import config_from_json, read_graph
from pipeline.runs.exit_codes import BAD_INPUT, FAULT, SKIPPED
from pipeline.runs.run_lock import only_run_in
from pipeline.runs.terminal import Terminal


def main(arguments: list[str] | None = None) -> int:
    """Runs the stage that the command line names, and returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.orchestrators.run_node",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--graph", required=True, help="graph of one run, compiled with --run-id")
    parser.add_argument("--node", required=True, help="id of the stage to run")
    options = parser.parse_args(arguments)
    with Terminal() as terminal:
        try:
            return _run(options.graph, options.node, terminal)
        except InputError as error:
            terminal.fail(f"error: {error}")
            return BAD_INPUT
        except Exception:
            terminal.fail(traceback.format_exc())
            terminal.say(f"The full log is {terminal.log()}.")
            return FAULT


def _run(graph_file: str, node_id: str, terminal: Terminal) -> int:
    graph = read_graph(graph_file)
    _check(graph, graph_file, node_id)
    busy = f"Another run is at work in {graph['output']}; waiting for its end."
    with only_run_in(graph["output"], before_waiting=lambda: terminal.say(busy)):
        logs = f"{graph['output']}/logs/{graph['run_id']}"
        os.makedirs(logs, exist_ok=True)
        terminal.keep_log(f"{logs}/{node_id}.log")
        terminal.say(f"[bold]{node_id}[/] of {graph['task']}, run {graph['run_id']}")
        terminal.say(f"  log: {terminal.log_path}", style="dim")
        return _launch(graph, node_id, terminal)


def _check(graph: dict[str, Any], file: str, node_id: str) -> None:
    if "record" not in graph:
        raise InputError(f"{file} is not the graph of a run. Compile one with --run-id.")
    if node_id not in graph["nodes"]:
        raise InputError(f"There is no stage {node_id!r}. {file} has: {', '.join(graph['nodes'])}.")


# The other stages run Beam in many processes, none of which uses a GPU. TensorFlow reads
# CUDA_VISIBLE_DEVICES when it is imported.
_STAGES_ON_GPU = ("Trainer", "Evaluator")


def _launch(graph: dict[str, Any], node_id: str, terminal: Terminal) -> int:
    """Runs the stage unless it has already succeeded in this run, and returns the exit code."""
    if node_id not in _STAGES_ON_GPU:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    from google.protobuf import json_format
    from tfx.proto.orchestration import pipeline_pb2

    from pipeline.runs.metadata import read_run
    from pipeline.runs.results import read_record
    from pipeline.runs.stages import close_run, note_stage, run_stage

    with open(graph["ir"]) as file:
        pipeline = json_format.Parse(file.read(), pipeline_pb2.Pipeline())
    config = config_from_json(graph["config"])
    record = read_record(pathlib.Path(graph["record"]))
    before = read_run(config.metadata_file, record.run_id).stages.get(node_id)
    if before and before.succeeded:
        terminal.say(
            "  It has already succeeded in this run and is not run again. To take up changed data, "
            "code or settings, compile the run again (clear the task that compiles as well)."
        )
        if record.stages[node_id].state != "complete":  # it was killed before it noted this
            record = note_stage(record, config, node_id, before)
    else:
        record = run_stage(record, config, pipeline, node_id, terminal)
    if record.stages[node_id].state == "skipped":
        terminal.say("skipped: the condition under which it runs is not met")
        return SKIPPED
    if node_id != "Pusher":
        return 0
    return SKIPPED if close_run(record, config, terminal).is_refused else 0


if __name__ == "__main__":
    sys.exit(main())
