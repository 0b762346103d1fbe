"""The graphs that airflow_dag.py makes a DAG of and that its tasks run by; graph.py tells their form."""

import argparse
import datetime
import json
import os
from typing import Any

from google.protobuf import json_format

from components.common.errors import InputError
from components.common.files import write_atomic
from components.models.bert.hub import resolve
from components.spec.task import Task
from pipeline.config import PipelineConfig
from pipeline.local_config import local_config
from pipeline.orchestrators.graph import config_to_json, describe, edges, read_graph
from pipeline.pipeline import compile_pipeline
from pipeline.runs.record import record_file
from pipeline.runs.stages import begin_run


def write_graph(
    options: argparse.Namespace, task: Task, beam: tuple[str, ...], started: datetime.datetime
) -> str:
    """Writes the graph of a DAG, or of one run, and returns what to tell the user.

    Args:
      options: of `pipeline/cli/compile.py`.
      beam: Beam's arguments.
      started: when the run began.

    Raises:
      InputError: the encoder, the data or a setting cannot be used, or the stages are others than the
        DAG's.
    """
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


def _run(
    options: argparse.Namespace,
    config: PipelineConfig,
    examples: dict[str, int],
    pipeline: Any,
    started: datetime.datetime,
) -> dict[str, Any]:
    """Begins the run, writes its pipeline, and returns what the run's graph holds in addition."""
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
