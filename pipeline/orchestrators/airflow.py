"""The graphs that airflow_dag.py makes a DAG of and that its tasks run by; graph.py tells their form."""

import dataclasses
import datetime
import json
import os
from collections.abc import Sequence
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


@dataclasses.dataclass(frozen=True)
class GraphOptions:
    """What a graph is written of.

    Attributes:
      data, output: folders.
      encoder: preset, URL or folder.
      beam: the options that say where Beam stages run, in all runs.
      graph: the file to write.
      schedule: cron expression.
      run_id: TFX's id of the run, for the graph of one run.
      same_stages_as: graph file whose stages the pipeline must have.
    """

    data: str
    output: str
    encoder: str
    beam: Sequence[str]
    graph: str
    schedule: str | None
    run_id: str | None
    same_stages_as: str | None


def write_graph(
    options: GraphOptions, task: Task, beam_args: tuple[str, ...], started: datetime.datetime
) -> str:
    """Writes the graph of a DAG, or of one run, and returns what to tell the user.

    Args:
      beam_args: Beam's arguments.
      started: when the run began.

    Raises:
      InputError: the encoder, the data or a setting cannot be used, or the stages are others than the
        DAG's.
    """
    encoder = resolve(_absolute_folder(options.encoder))
    config, examples = local_config(task, encoder, options.data, options.output, beam_args)
    pipeline = compile_pipeline(config)
    nodes = [node.pipeline_node for node in pipeline.nodes]
    upstream = {node.node_info.id: list(node.upstream_nodes) for node in nodes}
    graph = describe(config, upstream, options.schedule, options.beam)
    if options.same_stages_as:
        _refuse_other_stages(graph, options.same_stages_as)
    if options.run_id:
        graph |= _run(options, options.run_id, config, examples, pipeline, started)
    write_atomic(options.graph, json.dumps(graph, indent=2) + "\n")
    counts = ", ".join(f"{count:,} {split}" for split, count in examples.items())
    made_from = f"{task.name} with {encoder.handle}, {counts} examples"
    return f"{made_from}; {options.graph} has {len(nodes)} stages"


def _run(
    options: GraphOptions,
    run_id: str,
    config: PipelineConfig,
    examples: dict[str, int],
    pipeline: Any,
    started: datetime.datetime,
) -> dict[str, Any]:
    """Begins the run, writes its pipeline, and returns what the run's graph holds in addition."""
    log = f"{config.root}/logs/{run_id}"
    record = begin_run(config, examples, pipeline, run_id, started, log)
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
            "made of. Run the `bert-tfx compile` that wrote it again, then start a new run."
        )


def _absolute_folder(encoder: str) -> str:
    path = os.path.abspath(os.path.expanduser(encoder))
    return path if os.path.isdir(path) else encoder
