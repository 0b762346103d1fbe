"""What a run came to, read from ML Metadata and from TFMA's own files."""

import dataclasses

import tensorflow_model_analysis as tfma
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.components.evaluator import constants as evaluator_constants
from tfx.orchestration import metadata

from components.metrics.intervals import Interval
from components.metrics.paired import LOWER, UPPER
from components.tasks.base import Task
from pipeline.config import PipelineConfig


@dataclasses.dataclass(frozen=True)
class Change:
    """Candidate minus baseline, with the interval that the gate judges it by."""

    value: float
    interval: Interval

    @property
    def verdict(self) -> str:
        """better, worse or, where the interval holds 0, same within noise."""
        if self.interval.lower > 0:
            return "better"
        return "worse" if self.interval.upper < 0 else "same within noise"


@dataclasses.dataclass(frozen=True)
class Measured:
    """One metric over the whole evaluation split.

    Attributes:
      candidate: of the model of this run.
      interval: of the candidate, None for a metric without one.
      baseline: of the last blessed model before it, None when there was none.
      change: None for a metric without an interval, and without a baseline.
      floor: the least that may be pushed, None where the task asks nothing.
      refused: why the gate refused it, None when it did not.
    """

    name: str
    candidate: float
    interval: Interval | None
    baseline: float | None
    change: Change | None
    floor: float | None
    refused: str | None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Attributes:
    metrics: in the task's order.
    blessed: whether the gate let the candidate through.
    measured: what ServingCheck measured of it, "" where it was not asked.
    unservable: why ServingCheck refused it, "" where it did not.
    pushed_to: the version's folder, None when nothing was pushed.
    cached: the stages that were not run again.
    evaluation: folder that TFMA opens.
    model_run: folder that TensorBoard opens.
    """

    metrics: list[Measured]
    blessed: bool
    measured: str
    unservable: str
    pushed_to: str | None
    cached: list[str]
    evaluation: str
    model_run: str


def read_outcome(config: PipelineConfig) -> Outcome:
    """The outcome of the last run under `config.root`."""
    with metadata.Metadata(
        metadata.sqlite_metadata_connection_config(config.metadata_file)
    ) as handle:
        executions = _last_run(handle.store)
        outputs = {node: _outputs(handle.store, e) for node, e in executions.items()}
    evaluation = outputs["Evaluator"]["evaluation"].uri
    blessing = outputs["Evaluator"]["blessing"].custom_properties
    served = outputs["ServingCheck"]["blessing"].custom_properties
    pushed = outputs.get("Pusher", {}).get("pushed_model")
    return Outcome(
        metrics=_measured(config.task, evaluation),
        blessed=blessing[evaluator_constants.ARTIFACT_PROPERTY_BLESSED_KEY].int_value == 1,
        measured=served["measured"].string_value,
        unservable=served["reason"].string_value,
        pushed_to=_pushed_to(pushed),
        cached=[n for n, e in executions.items() if e.last_known_state == mlmd.Execution.CACHED],
        evaluation=evaluation,
        model_run=outputs["Trainer"]["model_run"].uri,
    )


def _last_run(store: metadata_store.MetadataStore) -> dict[str, mlmd.Execution]:
    """Node id -> execution of the newest pipeline run, in the order of the run."""
    run = max(store.get_contexts_by_type("pipeline_run"), key=lambda context: context.id)
    pipeline = run.properties["pipeline_name"].string_value if run.properties else ""
    nodes = {}
    for execution in sorted(store.get_executions_by_context(run.id), key=lambda e: e.id):
        names = [c.name for c in store.get_contexts_by_execution(execution.id) if c.type == "node"]
        nodes[names[0].removeprefix(f"{pipeline}.").split(".")[-1]] = execution
    return nodes


def _outputs(store: metadata_store.MetadataStore, execution) -> dict[str, mlmd.Artifact]:
    """Output key -> artifact."""
    events = [
        event
        for event in store.get_events_by_execution_ids([execution.id])
        if event.type == mlmd.Event.OUTPUT
    ]
    by_id = {a.id: a for a in store.get_artifacts_by_id([event.artifact_id for event in events])}
    return {event.path.steps[0].key: by_id[event.artifact_id] for event in events}


def _pushed_to(pushed: mlmd.Artifact | None) -> str | None:
    if not pushed or not pushed.custom_properties["pushed"].int_value:
        return None
    return pushed.custom_properties["pushed_destination"].string_value


def _measured(task: Task, evaluation: str) -> list[Measured]:
    # TFMA names the models only where there are two.
    candidate = _overall(evaluation, "candidate") or _overall(evaluation, None)
    baseline = _overall(evaluation, "baseline")
    measured = []
    for metric in task.metrics:
        name, threshold = metric.name, task.thresholds.get(metric.name)
        change = _interval(candidate, name, "_diff")
        measured.append(
            Measured(
                name=name,
                candidate=candidate[name],
                interval=_interval(candidate, name, ""),
                baseline=baseline.get(name),
                change=change and Change(candidate[f"{name}_diff"], change),
                floor=threshold and threshold.floor,
                refused=None,
            )
        )
    failed = _failed(evaluation)
    return [dataclasses.replace(m, refused=_reason(m, task, failed)) for m in measured]


def _interval(values: dict[str, float], name: str, suffix: str) -> Interval | None:
    bounds = [values.get(f"{name}{bound}{suffix}") for bound in (LOWER, UPPER)]
    return None if None in bounds else Interval(*bounds)


def _overall(evaluation: str, model_name: str | None) -> dict[str, float]:
    """Metric name -> value over the whole split, of one model; nothing if there is no such model."""
    result = tfma.load_eval_result(evaluation, model_name=model_name)
    return {
        name: float(value["doubleValue"])  # JSON has NaN as text
        for slice_key, outputs in result.slicing_metrics
        if slice_key == ()
        for by_class in outputs.values()
        for metrics in by_class.values()
        for name, value in metrics.items()
        if "doubleValue" in value
    }


def _failed(evaluation: str) -> dict[str, str]:
    """Name of what the gate refused -> TFMA's message, "" where the value alone says why."""
    result = tfma.load_validation_result(evaluation)
    return {
        failure.metric_key.name: failure.message
        for per_slice in result.metric_validations_per_slice
        for failure in per_slice.failures
    }


def _reason(measured: Measured, task: Task, failed: dict[str, str]) -> str | None:
    """Why the gate refused the metric: for its floor, for its change from the baseline, or both."""
    reasons = []
    if measured.name in failed:
        below = f"{measured.candidate:.4f} is not at or above the floor of {measured.floor:.4f}"
        reasons.append(failed[measured.name] or below)
    if measured.name + UPPER in failed and measured.change:
        lower, upper = measured.change.interval
        reasons.append(
            f"is worse than the baseline by more than {task.thresholds[measured.name].margin:g}: "
            f"{measured.change.value:+.4f}, {task.confidence:.0%} interval {lower:+.4f} to {upper:+.4f}"
        )
    return "; ".join(reasons) or None
