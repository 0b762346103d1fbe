"""Compiles the pipeline for an orchestrator whose own environment has no TFX.

    compile airflow --task mrpc --data DIR --output DIR --graph DAGS/mrpc.graph.json

It writes the graph that airflow_dag.py makes a DAG of; see orchestrators/graph.py. With --run-id, which
the DAG's first task passes, it writes the graph of one run, and TFX's compiled pipeline beside it.

Exit codes: 0 the graph was written; 2 bad input or usage; 1 a fault.
"""

import argparse
import datetime
import sys

from components.common.errors import InputError
from components.common.stderr_filter import quiet_stderr
from pipeline.cli.arguments import add_local_arguments, task_and_beam
from pipeline.runs.exit_codes import BAD_INPUT


def main(arguments: list[str] | None = None) -> int:
    """Writes the graph, and returns the exit code."""
    options = _parse(arguments)
    try:
        with quiet_stderr():
            print(_compile(options), flush=True)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.cli compile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("orchestrator", choices=["airflow"], help="what runs the graph")
    add_local_arguments(parser)
    parser.add_argument("--graph", required=True, help="the file to write")
    parser.add_argument("--schedule", help="cron expression, such as '0 2 * * *'; none without it")
    parser.add_argument("--run-id", help="compile one run, with this id in ML Metadata")
    parser.add_argument(
        "--same-stages-as",
        metavar="GRAPH",
        help="refuse a pipeline with other stages than this graph's",
    )
    return parser.parse_args(arguments)


def _compile(options: argparse.Namespace) -> str:
    started = datetime.datetime.now(datetime.timezone.utc)
    task, beam = task_and_beam(options)

    # It takes seconds to import, so bad arguments are reported before.
    from pipeline.orchestrators.airflow import write_graph

    return write_graph(options, task, beam, started)
