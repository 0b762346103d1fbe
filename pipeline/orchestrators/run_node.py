"""Runs one stage of a compiled run.

    python -m pipeline.orchestrators.run_node --graph RUN.graph.json --node Trainer

The stage runs as LocalDagRunner would run it, and uses the same cache. A stage that failed or was killed
earlier in this run runs again; one that succeeded does not.

Exit codes: 0 the stage ran, or the cache had its results; 99 there was nothing to do, since its
condition is not met, or since the gate refused the model to push; 2 bad input or usage; 1 a fault.
"""

import argparse
import os
import sys
import traceback
from typing import Any

from rich.markup import escape

from components.common.errors import InputError
from pipeline.orchestrators.graph import read_graph
from pipeline.runs.exit_codes import BAD_INPUT, FAULT
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
            terminal.say(f"The full log is {escape(terminal.log())}.")
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
        terminal.say(f"  log: {escape(terminal.log())}", style="dim")
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
    if node_id not in _STAGES_ON_GPU:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    from pipeline.orchestrators.airflow_stage import run_compiled_stage

    return run_compiled_stage(graph, node_id, terminal)


if __name__ == "__main__":
    sys.exit(main())
