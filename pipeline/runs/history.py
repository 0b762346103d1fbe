"""The records of all runs of a task, made from ML Metadata where a run has none."""

import datetime

from components.common.errors import InputError
from pipeline.runs.metadata import metadata_file, read_run, run_ids
from pipeline.runs.record import (
    Data,
    EncoderName,
    RunRecord,
    read_record,
    record_file,
    task_of,
)
from pipeline.runs.run import Run
from pipeline.runs.verdict import stage_record, with_results


def read_records(output: str, task: str | None) -> list[RunRecord]:
    """Reads the records of all runs of a task under a folder of results, the oldest first.

    Raises:
      InputError: there is no run, there are runs of several tasks and `task` is None, or a record
        cannot be read.
    """
    task, file = metadata_file(output, task)
    records = []
    for number, run_id in enumerate(run_ids(file), start=1):
        written = record_file(output, task, number)
        record = read_record(written) if written.exists() else None
        if record is None or record.run_id != run_id:  # the folder has come without its metadata
            record = record_of(task, read_run(file, run_id))
        records.append(record)
    return records


def record_of(task_name: str, run: Run) -> RunRecord:
    """Makes a record from ML Metadata alone, for a run of a version that wrote no records."""
    handle, sha256 = run.encoder.get("handle"), run.encoder.get("sha256")
    record = RunRecord(
        task=task_name,
        number=run.number,
        run_id=run.run_id,
        started=datetime.datetime.fromtimestamp(run.started, datetime.timezone.utc),
        data=Data(run.data),
        encoder=EncoderName(handle, sha256) if handle and sha256 else None,
        settings=run.settings,
        eval_split=run.eval_split,
        stages={node: stage_record(stage) for node, stage in run.stages.items()},
    )
    try:
        task = task_of(record)
    except InputError:  # this version does not take its settings
        task = None
    return with_results(record, run, task)
