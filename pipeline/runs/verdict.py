"""What came of a run: its metrics, why it was refused or failed, its exit code."""

import dataclasses
import datetime
import pathlib

from components.serving import versions
from components.spec.task import Task
from pipeline.runs.exit_codes import FAULT, PUSHED, REFUSED
from pipeline.runs.record import RunRecord, StageRecord, State, Verdict
from pipeline.runs.run import Run, Stage

# By verdict. ML Metadata does not say whether a run failed because of bad input.
_EXIT_CODES = {
    "pushed": PUSHED,
    "already served": PUSHED,
    "refused by the gate": REFUSED,
    "refused by ServingCheck": REFUSED,
    "failed": FAULT,
}


def stage_record(stage: Stage | None, seconds: float | None = None) -> StageRecord:
    """Returns the record of a stage.

    Args:
      stage: what ML Metadata says of it, None where the condition under which it runs is not met.
      seconds: that it took, if not what ML Metadata says.
    """
    if stage is None:
        return StageRecord("skipped", seconds)
    state: State = "complete" if stage.succeeded else "failed" if stage.failure else "running"
    took = stage.seconds if seconds is None else seconds
    return StageRecord(state, round(took, 3), stage.state == "CACHED")


def with_results(record: RunRecord, run: Run, task: Task | None) -> RunRecord:
    """Returns the record with all results of the stages that have run.

    Args:
      record: of the run, as it was before.
      run: what ML Metadata says of it.
      task: None where no task has the run's settings; the metrics are left out then.
    """
    metrics, slices = record.metrics, record.slices
    evaluation = run.evaluation
    is_new = evaluation != record.places.evaluation
    if evaluation and is_new and task and _is_there(evaluation):
        from pipeline.runs.metric_results import measured, sliced  # seconds of imports

        metrics, slices = measured(task, evaluation), sliced(task, evaluation)
    places = dataclasses.replace(record.places, evaluation=evaluation, model_run=run.model_run)
    record = dataclasses.replace(
        record,
        data=dataclasses.replace(record.data, fingerprint=run.data_fingerprint),
        metrics=metrics,
        slices=slices,
        serving=run.serving,
        code=record.code | run.code,
        pushed_to=run.pushed_to,
        places=places,
    )
    return _judged(record, run)


def _judged(record: RunRecord, run: Run) -> RunRecord:
    """Returns the record with the run's verdict, its reasons and its exit code."""
    reasons = [f"{m.name} {m.refused}" for m in record.metrics if m.refused]
    for where, m in record.slices_refused():
        reasons.append(f"{m.name} where {where.slice} is {where.value} {m.refused}")
    if run.unservable and run.blessed:
        reasons.append(run.unservable)
    verdict: Verdict
    failure = next((f"{n}: {s.failure}" for n, s in run.stages.items() if s.failure), None)
    if failure:
        verdict, reasons = "failed", [failure]
    elif "Pusher" not in run.stages or not run.stages["Pusher"].succeeded:
        verdict = "running"
    elif run.pushed_to:
        verdict = "pushed" if _pushed_by(run) else "already served"
    else:
        verdict = "refused by ServingCheck" if run.blessed else "refused by the gate"
    code = _EXIT_CODES.get(verdict)
    return dataclasses.replace(
        record, verdict=verdict, reasons=reasons, error=failure, exit_code=code
    )


def _pushed_by(run: Run) -> bool:
    """Whether this run, and no earlier one, pushed the version; true where the version is gone."""
    return versions.read(f"{run.pushed_to}/{versions.RECORD}").get("run", run.run_id) == run.run_id


def _is_there(evaluation: str) -> bool:
    """Whether a folder exists; one on an object store is taken to."""
    return "://" in evaluation or pathlib.Path(evaluation).exists()


def now() -> datetime.datetime:
    """Returns the time in UTC."""
    return datetime.datetime.now(datetime.timezone.utc)
