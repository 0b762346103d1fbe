"""Runs the stages of a compiled pipeline one by one, shows each, and keeps the run's record."""

import dataclasses
import datetime
import time

from tfx.dsl.compiler.constants import PIPELINE_RUN_ID_PARAMETER_NAME
from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.portable.mlmd import context_lib
from tfx.orchestration.portable.runtime_parameter_utils import substitute_runtime_parameter
from tfx.proto.orchestration import pipeline_pb2

from components.common.errors import InputError
from pipeline.config import PipelineConfig
from pipeline.report.page import report_at_end
from pipeline.runs.exit_codes import BAD_INPUT, FAULT, STOPPED
from pipeline.runs.metadata import read_run, run_ids
from pipeline.runs.record import Data, EncoderName, Places, RunRecord, StageRecord, save
from pipeline.runs.run import Stage
from pipeline.runs.summary import print_summary
from pipeline.runs.terminal import Terminal
from pipeline.runs.verdict import now, stage_record, with_results


def begin_run(
    config: PipelineConfig,
    examples: dict[str, int],
    pipeline: pipeline_pb2.Pipeline,
    run_id: str,
    started: datetime.datetime,
    log: str,
) -> RunRecord:
    """Writes the run's id into the pipeline, registers the run, and writes its first record.

    Args:
      config: of the pipeline.
      examples: split -> how many examples it has.
      pipeline: compiled; changed in place.
      run_id: TFX's.
      started: when the command began, in UTC.
      log: file, or folder with one file per stage.
    """
    substitute_runtime_parameter(pipeline, {PIPELINE_RUN_ID_PARAMETER_NAME: run_id})
    record = RunRecord(
        task=config.task.name,
        number=register_run(config.metadata_file, pipeline),
        run_id=run_id,
        started=started,
        data=Data(config.data, examples=examples),
        encoder=EncoderName(config.encoder.handle, config.encoder.sha256),
        settings=config.task.settings(),
        eval_split=config.eval_split,
        places=Places(log=log),
    )
    return save(record, config.root)


def register_run(file: str, pipeline) -> int:
    """Registers the run before its first stage runs, and returns its number.

    Args:
      file: of ML Metadata, created where it does not exist.
      pipeline: compiled, with the run's id filled in.
    """
    with metadata.Metadata(metadata.sqlite_metadata_connection_config(file)) as handle:
        context_lib.prepare_contexts(handle, pipeline.nodes[0].pipeline_node.contexts)
    run_id = pipeline.runtime_spec.pipeline_run_id.field_value.string_value
    return 1 + run_ids(file).index(run_id)


def run_stage(
    record: RunRecord,
    config: PipelineConfig,
    pipeline: pipeline_pb2.Pipeline,
    node: str,
    terminal: Terminal,
) -> RunRecord:
    """Runs one stage of a run that `begin_run` began, and returns the run's new record.

    Raises:
      Exception: whatever the stage raises, or RuntimeError where TFX only notes that it failed. The
        record is written first, with the error in it.
    """
    running = {**record.stages, node: StageRecord("running")}
    record = dataclasses.replace(
        record,
        stages=running,
        verdict="running",
        reasons=[],
        error=None,
        exit_code=None,
        ended=None,
    )
    save(record, config.root)
    terminal.begin_stage(node)
    started = time.monotonic()
    try:
        stage = launch_node(pipeline, node, config.metadata_file)
        record = note_stage(record, config, node, stage, time.monotonic() - started)
    except BaseException as error:
        save(_failed(record, node, error, time.monotonic() - started), config.root)
        raise
    done = record.stages[node]
    terminal.end_stage("cached" if done.cached else f"{done.seconds:.1f} s")
    return record


def note_stage(
    record: RunRecord,
    config: PipelineConfig,
    node: str,
    stage: Stage | None,
    seconds: float | None = None,
) -> RunRecord:
    """Writes the results of a stage that did not fail into the record, and returns that.

    Args:
      stage: what ML Metadata says of it, None where the condition under which it runs is not met.
      seconds: that it took, if not what ML Metadata says.
    """
    stages = record.stages | {node: stage_record(stage, seconds)}
    record = dataclasses.replace(record, stages=stages)
    run = read_run(config.metadata_file, record.run_id)
    record = with_results(record, run, config.task)
    if record.verdict != "running":
        record = dataclasses.replace(record, ended=now())
    return save(record, config.root)


def close_run(record: RunRecord, config: PipelineConfig, terminal: Terminal) -> RunRecord:
    """Writes the page of a run that has ended, and shows the closing table."""
    terminal.wait_for("writing the report")
    places = dataclasses.replace(record.places, report=report_at_end(record, config))
    record = save(dataclasses.replace(record, places=places), config.root)
    print_summary(terminal, record)
    return record


def launch_node(pipeline: pipeline_pb2.Pipeline, node: str, metadata_file: str) -> Stage | None:
    """Runs one stage through TFX's launcher, as LocalDagRunner would.

    Returns:
      What ML Metadata says of it; None where the condition under which it runs is not met.

    Raises:
      Exception: whatever the stage raises, or RuntimeError where TFX only notes that it failed.
    """
    alone = pipeline_pb2.Pipeline()
    alone.CopyFrom(pipeline)
    del alone.nodes[:]
    alone.nodes.extend(n for n in pipeline.nodes if n.pipeline_node.node_info.id == node)
    LocalDagRunner().run_with_ir(alone)
    run_id = pipeline.runtime_spec.pipeline_run_id.field_value.string_value
    stage = read_run(metadata_file, run_id).stages.get(node)
    if stage and stage.failure:
        raise RuntimeError(stage.failure)
    return stage


def node_ids(pipeline: pipeline_pb2.Pipeline) -> list[str]:
    """Returns the ids of the stages, in an order in which they can run."""
    return [node.pipeline_node.node_info.id for node in pipeline.nodes]


def _failed(record: RunRecord, node: str, error: BaseException, seconds: float) -> RunRecord:
    return dataclasses.replace(
        record,
        stages=record.stages | {node: StageRecord("failed", round(seconds, 3))},
        verdict="failed",
        reasons=[f"{node}: {str(error) or type(error).__name__}"],
        error=f"{type(error).__name__}: {error}",
        exit_code=_exit_code(error),
        ended=now(),
    )


def _exit_code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return STOPPED
    return BAD_INPUT if isinstance(error, InputError) else FAULT
