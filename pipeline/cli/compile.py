"""Compiles the pipeline for an orchestrator whose own environment has no TFX.

    compile airflow --task mrpc --data DIR --output DIR --graph DAGS/mrpc.graph.json

It writes the graph that airflow_dag.py makes a DAG of; see orchestrators/graph.py. With --run-id, which
the DAG's first task passes, it writes the graph of one run, and TFX's compiled pipeline beside it.

Exit codes: 0 the graph was written; 2 bad input or usage; 1 a fault.
"""

import argparse
import datetime
import json
import os
import sys
from typing import Any

from components.common.errors import InputError
from components.common.files import write_atomic
from components.common.stderr_filter import quiet_stderr
from pipeline.cli.arguments import add_local_arguments, task_and_beam
from pipeline.orchestrators.graph import (
    config_to_json,
    describe,
    edges,
    read_graph,
)
from pipeline.runs.exit_codes import BAD_INPUT
from pipeline.runs.results import record_file


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
    """Writes the files and returns what to tell the user."""
    started = datetime.datetime.now(datetime.timezone.utc)
    task, beam = task_and_beam(options)

    # These imports take seconds, so bad arguments are reported before them.
    from components.models.bert.hub import resolve
    from pipeline.local_config import local_config
    from pipeline.pipeline import compile_pipeline

    encoder = resolve(_absolute_folder(options.encoder))
    config, examples = local_config(task, encoder, options.data, options.output, beam)
    pipeline = compile_pipeline(config)
    nodes = [node.pipeline_node for node in pipeline.nodes]
    upstream = {node.node_info.id: list(node.upstream_nodes) for node in nodes}
    beam_options = ["--beam", options.beam, *(f"--beam-arg={a}" for a in options.beam_arg)]
    graph = describe(config, upstream, options.schedule, beam_options)
    if options.same_stages_as:
        _refuse_other_stages(graph, options.same_stages_as)
    if options.run_id:
        graph |= _run(options, config, examples, pipeline, started)
    write_atomic(options.graph, json.dumps(graph, indent=2) + "\n")
    counts = ", ".join(f"{count:,} {split}" for split, count in examples.items())
    made_from = f"{task.name} with {encoder.handle}, {counts} examples"
    return f"{made_from}; {options.graph} has {len(nodes)} stages"


def _run(options: argparse.Namespace, config, examples, pipeline, started) -> dict[str, Any]:
    """Begins the run, writes its pipeline, and returns what the run's graph holds in addition."""
    from google.protobuf import json_format

    from pipeline.runs.stages import begin_run

    log = f"{config.root}/logs/{options.run_id}"
    record = begin_run(config, examples, pipeline, options.run_id, started, log)
    ir = f"{os.path.abspath(options.graph).removesuffix('.json').removesuffix('.graph')}.ir.json"
    write_atomic(ir, json_format.MessageToJson(pipeline))
    return {
        "run_id": record.run_id,
        "record": str(record_file(config.root, record.task, record.number)),
        "ir": ir,
        "config": config_to_json(config),
    }


def _refuse_other_stages(graph: dict[str, Any], file: str) -> None:
    if edges(graph) != edges(read_graph(file)):
        raise InputError(
            f"pipeline/pipeline.py has other stages, or another order, than {file}, which the DAG is "
            "made of. Run the `pipeline.cli compile` that wrote it again, then start a new run."
        )


def _absolute_folder(encoder: str) -> str:
    path = os.path.abspath(os.path.expanduser(encoder))
    return path if os.path.isdir(path) else encoder
