"""What the Evaluator found, read from TFMA's own files."""

import dataclasses
from collections.abc import Collection

from components.evaluation.intervals import Interval
from components.evaluation.paired import JUDGED, LEAST_ROWS, LOWER, UPPER
from components.evaluation.tfma_results import SliceKey, metrics_by_slice, refusals
from components.spec.task import Task
from pipeline.runs.results import Change, Measured, Sliced


def sliced(task: Task, evaluation: str) -> list[Sliced]:
    """By slice in the task's order, then by value."""
    candidate, baseline = (metrics_by_slice(evaluation, m) for m in ("candidate", "baseline"))
    floors = {(f.slice, f.value, f.metric): f.floor for f in task.slice_floors}
    names = dict.fromkeys([*task.thresholds, *(f.metric for f in task.slice_floors)])
    refused = refusals(evaluation)
    found = []
    for key in sorted(candidate, key=str):
        if key == ():
            continue
        (where,) = key
        metrics = []
        for name in names:
            bare = _measured(name, candidate[key], baseline.get(key, {}))
            judged = dataclasses.replace(bare, floor=floors.get((*where, name)))
            reason = _below_floor(judged, refused.get((key, name + JUDGED)))
            metrics.append(dataclasses.replace(judged, refused=reason))
        count = int(candidate[key]["examples"])
        found.append(Sliced(*where, count, metrics, is_judged=count >= LEAST_ROWS))
    order = {name: place for place, name in enumerate(task.slices)}
    return sorted(found, key=lambda s: order.get(s.slice, len(order)))


def measured(task: Task, evaluation: str) -> list[Measured]:
    """The task's metrics in its order, but those that a run of older code did not have.

    Args:
      evaluation: folder of the Evaluator's results.
    """
    candidate = overall(evaluation, "candidate")
    baseline = overall(evaluation, "baseline")
    refused = refusals(evaluation)
    found = []
    for metric in task.metrics:
        if metric.name not in candidate:
            continue
        bare = _measured(metric.name, candidate, baseline)
        if threshold := task.thresholds.get(metric.name):
            bare = dataclasses.replace(bare, floor=threshold.floor, margin=threshold.margin)
        found.append(dataclasses.replace(bare, refused=_reason(bare, task, refused)))
    return found


def changes(evaluation: str, names: Collection[str]) -> list[Change]:
    """Of these metrics, those that have one; none where the candidate had no baseline."""
    candidate = overall(evaluation, "candidate")
    found = [_change(candidate, name) for name in names]
    return [change for change in found if change]


def _measured(name: str, candidate: dict[str, float], baseline: dict[str, float]) -> Measured:
    """Without floor and refusal."""
    return Measured(
        name=name,
        candidate=candidate[name],
        interval=_interval(candidate, name, ""),
        baseline=baseline.get(name),
        change=_change(candidate, name),
        floor=None,
        refused=None,
    )


def _change(values: dict[str, float], name: str) -> Change | None:
    interval = _interval(values, name, "_diff")
    return interval and Change(values[f"{name}_diff"], interval)


def _interval(values: dict[str, float], name: str, suffix: str) -> Interval | None:
    bounds = [values.get(f"{name}{bound}{suffix}") for bound in (LOWER, UPPER)]
    return None if None in bounds else Interval(*bounds)


def overall(evaluation: str, model: str) -> dict[str, float]:
    """Metric name -> value over the whole split, of one model; nothing if there is no such model."""
    return metrics_by_slice(evaluation, model).get((), {})


def _reason(measured: Measured, task: Task, refused: dict[tuple[SliceKey, str], str]) -> str | None:
    """Why the gate refused the metric: for its floor, for its change from the baseline, or both."""
    reasons = [_below_floor(measured, refused.get(((), measured.name)))]
    if ((), measured.name + UPPER) in refused and measured.change:
        lower, upper = measured.change.interval
        reasons.append(
            f"is worse than the baseline by more than {task.thresholds[measured.name].margin:g}: "
            f"{measured.change.value:+.4f}, {task.confidence:.0%} interval {lower:+.4f} to {upper:+.4f}"
        )
    return "; ".join(filter(None, reasons)) or None


def _below_floor(measured: Measured, message: str | None) -> str | None:
    """message: TFMA's, None where it did not refuse."""
    if message is None:
        return None
    return (
        message or f"{measured.candidate:.4f} is not at or above the floor of {measured.floor:.4f}"
    )
