"""The Evaluator's results, read from TFMA's own files."""

import dataclasses
import math
from collections.abc import Mapping

from components.evaluation.intervals import Interval
from components.evaluation.paired import JUDGED, LEAST_EXAMPLES, LOWER, UPPER, VALUE
from components.evaluation.tfma_results import SliceKey, metrics_by_slice, refusals
from components.spec.task import Task
from pipeline.runs.record import Change, Measured, Sliced


def sliced(task: Task, evaluation: str) -> list[Sliced]:
    """Reads the metrics of each slice, in the task's order of slices, then by value.

    Args:
      task: with the run's settings.
      evaluation: folder of the Evaluator's results.
    """
    candidate, baseline = (metrics_by_slice(evaluation, m) for m in ("candidate", "baseline"))
    bounds = {(b.slice, b.value, b.metric): b.bound for b in task.slice_bounds}
    names = dict.fromkeys([*task.thresholds, *(b.metric for b in task.slice_bounds)])
    refused = refusals(evaluation)
    found = []
    for key in sorted(candidate, key=str):
        if key == ():
            continue
        (where,) = key
        metrics = []
        for name in names:
            bare = _measured(task, name, candidate[key], baseline.get(key, {}))
            judged = dataclasses.replace(bare, bound=bounds.get((*where, name)))
            reason = _beyond_bound(judged, refused.get((key, name + JUDGED)))
            metrics.append(dataclasses.replace(judged, refused=reason))
        count = int(candidate[key]["examples"])
        found.append(Sliced(*where, count, metrics, is_judged=count >= LEAST_EXAMPLES))
    order = {name: place for place, name in enumerate(task.slices)}
    return sorted(found, key=lambda s: order.get(s.slice, len(order)))


def measured(task: Task, evaluation: str) -> list[Measured]:
    """Reads the metrics over the whole split, in the task's order.

    Those that a run of an older version does not have are left out.

    Args:
      task: with the run's settings.
      evaluation: folder of the Evaluator's results.
    """
    candidate = overall(evaluation, "candidate")
    baseline = overall(evaluation, "baseline")
    refused = refusals(evaluation)
    found = []
    for metric in task.metrics:
        if metric.name not in candidate:
            continue
        bare = _measured(task, metric.name, candidate, baseline)
        if threshold := task.thresholds.get(metric.name):
            bare = dataclasses.replace(
                bare, bound=threshold.bound, max_worsening=threshold.max_worsening
            )
        found.append(dataclasses.replace(bare, refused=_reason(bare, task, refused)))
    return found


def changes(evaluation: str, metrics: Mapping[str, bool]) -> list[Change]:
    """Reads the changes of metrics that have one; none where the candidate had no baseline.

    Args:
      metrics: name -> whether higher is better.
    """
    candidate = overall(evaluation, "candidate")
    found = [_change(candidate, name, higher) for name, higher in metrics.items()]
    return [change for change in found if change]


def _measured(
    task: Task, name: str, candidate: dict[str, float], baseline: dict[str, float]
) -> Measured:
    """Returns one metric, without its bound and its refusal."""
    metric = task.metric(name)
    higher_is_better = not metric or metric.higher_is_better
    value = candidate.get(name + VALUE, candidate[name])
    return Measured(
        name=name,
        candidate=value,
        interval=_interval(candidate, name, ""),
        # Both models answer the same examples: what is not defined is so for both.
        baseline=None if math.isnan(value) else baseline.get(name),
        change=_change(candidate, name, higher_is_better),
        bound=None,
        refused=None,
        higher_is_better=higher_is_better,
    )


def _change(values: dict[str, float], name: str, higher_is_better: bool) -> Change | None:
    interval = _interval(values, name, "_diff")
    return interval and Change(values[f"{name}_diff"], interval, higher_is_better)


def _interval(values: dict[str, float], name: str, suffix: str) -> Interval | None:
    lower, upper = (values.get(f"{name}{bound}{suffix}") for bound in (LOWER, UPPER))
    return None if lower is None or upper is None else Interval(lower, upper)


def overall(evaluation: str, model: str) -> dict[str, float]:
    """Reads the value of each metric over the whole split; none if there is no such model.

    Args:
      evaluation: folder of the Evaluator's results.
      model: candidate or baseline.
    """
    return metrics_by_slice(evaluation, model).get((), {})


def _reason(measured: Measured, task: Task, refused: dict[tuple[SliceKey, str], str]) -> str | None:
    """Says why the gate refused the metric: its bound, its change from the baseline, or both."""
    reasons = [_beyond_bound(measured, refused.get(((), measured.name)))]
    best_case = UPPER if measured.higher_is_better else LOWER
    if ((), measured.name + best_case) in refused and measured.change:
        lower, upper = measured.change.interval
        reasons.append(
            f"is worse than the baseline by more than {task.thresholds[measured.name].max_worsening:g}: "
            f"{measured.change.value:+.4f}, {task.confidence:.0%} interval {lower:+.4f} to {upper:+.4f}"
        )
    return "; ".join(filter(None, reasons)) or None


def _beyond_bound(measured: Measured, message: str | None) -> str | None:
    """Says that the metric is beyond its bound; `message` is TFMA's, None where it did not refuse."""
    if message is None:
        return None
    side = "at or above" if measured.higher_is_better else "at or below"
    return message or f"{measured.candidate:.4f} is not {side} {measured.bound:.4f}"
