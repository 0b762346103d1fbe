"""One stage of a compiled run, in this process; what starts it is `run_node.py`."""

import pathlib
from typing import Any

from google.protobuf import json_format
from tfx.proto.orchestration import pipeline_pb2

from pipeline.orchestrators.graph import config_from_json
from pipeline.runs.exit_codes import SKIPPED
from pipeline.runs.metadata import read_run
from pipeline.runs.record import read_record
from pipeline.runs.stages import close_run, note_stage, run_stage
from pipeline.runs.terminal import Terminal


def run_compiled_stage(graph: dict[str, Any], node_id: str, terminal: Terminal) -> int:
    """Runs the stage unless it has already succeeded in this run, and returns the exit code."""
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
