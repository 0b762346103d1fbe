"""The graph of a pipeline for an orchestrator without TFX: stages, edges and commands in a JSON file.

    {"task": "mrpc",
     "directory": the project's folder, in which all commands run,
     "output": folder of the results of all runs,
     "schedule": cron expression or null,
     "exit_codes": {"bad_input": 2, "skipped": 99}, of all commands,
     "parameters": {name: default}, those that a run may be given,
     "compile": command that makes the graph of one run,
     "nodes": {id: {"upstream": [id], "command": [...], "pool": name or null, "timeout_hours": 2}}}

The graph of one run holds in addition:

    {"run_id": of TFX, "record": file of the run's record, see pipeline/runs/record.py,
     "ir": file of the compiled pipeline, "config": PipelineConfig}
"""

import dataclasses
import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from components.common.errors import InputError
from components.spec.encoder import Encoder
from components.spec.task_json import task_from_json, task_to_json
from pipeline.config import PipelineConfig
from pipeline.runs.exit_codes import BAD_INPUT, SKIPPED

_DIRECTORY = pathlib.Path(__file__).resolve().parents[2]
_STAGE = {"pool": None, "timeout_hours": 2}
# One slot of this pool is one GPU.
_STAGES_UNLIKE_THE_REST = {"Trainer": {"pool": "gpu", "timeout_hours": 24}}


def describe(
    config: PipelineConfig,
    upstream: dict[str, list[str]],
    schedule: str | None,
    beam: Sequence[str],
) -> dict[str, Any]:
    """Returns the graph of a pipeline.

    Args:
      config: the pipeline's; its data, encoder and settings become the defaults of each run.
      upstream: id of each node -> ids of the nodes that must end before it starts.
      schedule: cron expression, or None for runs that are started by hand.
      beam: the arguments that say where Beam's stages run, in all runs.
    """
    python = [sys.executable, "-m"]
    compile_run = [*python, "pipeline.cli", "compile", "airflow", "--task", config.task.name]
    return {
        "task": config.task.name,
        "directory": str(_DIRECTORY),
        "output": config.root,
        "schedule": schedule,
        "exit_codes": {"bad_input": BAD_INPUT, "skipped": SKIPPED},
        "parameters": {
            "data": config.data,
            "encoder": config.encoder.handle,
            **config.task.settings(),
        },
        "compile": [*compile_run, "--output", config.root, *beam],
        "nodes": {
            node: {
                "upstream": before,
                "command": [*python, "pipeline.orchestrators.run_node", "--node", node],
                **(_STAGE | _STAGES_UNLIKE_THE_REST.get(node, {})),
            }
            for node, before in upstream.items()
        },
    }


def config_to_json(config: PipelineConfig) -> dict[str, Any]:
    """Returns the configuration, with all of its task, as values that JSON can hold."""
    return dataclasses.asdict(config) | {"task": json.loads(task_to_json(config.task))}


def config_from_json(value: dict[str, Any]) -> PipelineConfig:
    """Returns the configuration that `config_to_json` was given."""
    return PipelineConfig(
        **value
        | {
            "task": task_from_json(json.dumps(value["task"])),
            "encoder": Encoder(**value["encoder"]),
            "beam_args": tuple(value["beam_args"]),
        }
    )


def edges(graph: dict[str, Any]) -> dict[str, list[str]]:
    """Returns the ids of the nodes before each node, by its id."""
    return {node: sorted(facts["upstream"]) for node, facts in graph["nodes"].items()}


def read_graph(file: str) -> dict[str, Any]:
    """Reads a graph; raises InputError where the file does not exist or is no graph."""
    try:
        graph = json.loads(pathlib.Path(file).read_text())
    except FileNotFoundError:
        raise InputError(f"{file} does not exist. `bert-tfx compile` writes it.") from None
    except ValueError as error:
        raise InputError(f"{file} is no JSON: {error}. Compile it again.") from None
    if not isinstance(graph, dict) or "nodes" not in graph:
        raise InputError(f"{file} is no graph of stages. Compile it again.")
    return graph
