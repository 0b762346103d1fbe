"""A task's metrics and thresholds, as TFMA reads them."""

import collections
import itertools
import json
import math
import pathlib

# TFMA exports these in some versions, in others only once tfx.components is imported.
from tensorflow_model_analysis.proto import config_pb2

from components.common.code_hash import code_sha256
from components.common.errors import InputError
from components.common.serialization import to_json
from components.evaluation.paired import JUDGED, LOWER, UPPER
from components.evaluation.slices import SLICES, values_of_slice
from components.spec.metrics import Metric, Threshold
from components.spec.task import Task

SIGNATURE = "serve_examples"
# The module in which TFX's Evaluator finds the extractor that adds the slices to the examples.
EXTRACTORS = "components.evaluation.slices"
_PAIRED = "components.evaluation.paired"
_RECORDED = "components.evaluation.recorded_answers"


def eval_config(task: Task) -> config_pb2.EvalConfig:
    """Returns TFMA's configuration of the task's metrics, slices and thresholds.

    The Evaluator calls the signature that will be served, and judges the whole split. It also judges
    each slice that has a bound and enough examples.

    Raises:
      InputError: the task has no threshold, a threshold cannot be applied, or a slice does not exist.
    """
    check_gate(task)
    check_slices(task)
    by_class = itertools.groupby(
        sorted(
            (*task.metrics, *task.plots),
            key=lambda metric: (metric.class_id is not None, metric.class_id),
        ),
        key=lambda metric: metric.class_id,
    )
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name=SIGNATURE,
                label_key=task.head.label_key,
                prediction_key=task.head.prediction_key,
            )
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[name]) for name in task.slices),
        ],
        metrics_specs=[
            *(_metrics_spec(class_id, list(metrics), task) for class_id, metrics in by_class),
            config_pb2.MetricsSpec(
                metrics=[_interval_config(m, task) for m in task.metrics if m.estimator],
                per_slice_thresholds=_slice_thresholds(task),
            ),
            config_pb2.MetricsSpec(metrics=[_recorded_config(task)]),
        ],
    )


def check_gate(task: Task) -> None:
    """Raises InputError where the task's thresholds would let every model pass, or none."""
    if not task.thresholds:
        raise InputError(
            f"The task {task.name} has no thresholds, so that every model would be pushed. Give it "
            f"some in components/tasks/{task.name}.py."
        )
    comparable = _comparable(task)
    for name, threshold in task.thresholds.items():
        if name not in comparable:
            raise InputError(
                f"The task {task.name} has a threshold on {name!r}, which is none of its metrics with "
                f"an interval. Those are: {', '.join(comparable)}."
            )
        metric = comparable[name]
        if not math.isfinite(threshold.bound) or not 0 <= threshold.max_worsening < math.inf:
            raise InputError(
                f"{metric.bound_setting} is {threshold.bound} and {metric.worsening_setting} is "
                f"{threshold.max_worsening}. Both must be numbers, and the latter at least 0."
            )
    if not 0.5 <= task.confidence < 1:
        raise InputError(
            f"confidence is {task.confidence} and must be at least 0.5 and less than 1. "
            f"An example: --set confidence=0.95"
        )


def check_slices(task: Task) -> None:
    """Raises InputError where a slice does not exist: TFMA would leave it out without a word."""
    known = [*SLICES, *filter(None, [task.head.class_feature])]
    for name in task.slices:
        if name not in known:
            raise InputError(
                f"The task {task.name} has a slice {name!r}, which is not in evaluation/slices.py and "
                f"not its label. There are: {', '.join(known)}."
            )
    for asked in task.slice_bounds:
        if asked.slice not in task.slices:
            raise InputError(
                f"slice_bounds has {asked}, and the task {task.name} has no slice {asked.slice!r}. It "
                f"has: {', '.join(task.slices)}."
            )
        if asked.metric not in _comparable(task) or not math.isfinite(asked.bound):
            raise InputError(
                f"slice_bounds has {asked}. Its bound must be a number, and its metric one that has an "
                f"interval: {', '.join(_comparable(task))}."
            )


def check_slice_examples(task: Task, folder: str) -> None:
    """Raises InputError where a slice reads a feature that examples lack, or has a bound and no example.

    The first would make the Evaluator fail after the training, the second would refuse every model.

    Args:
      task: with the slices.
      folder: of the split that the gate judges. One on another machine is not checked here; TFMA
        finds out.
    """
    files = [str(file) for file in sorted(pathlib.Path(folder).glob("*"))]
    if not files:
        return
    for name in task.slices:
        try:
            next(values_of_slice(name, task.head, files), None)
        except KeyError as feature:
            raise InputError(
                f"The slice {name!r} of the task {task.name} reads {feature}, and the examples of "
                f"{folder} have no such feature. Take it out of the task's slices, or write one for its "
                "features in components/evaluation/slices.py."
            ) from None
    for asked in task.slice_bounds:
        found = collections.Counter(values_of_slice(asked.slice, task.head, files))
        if asked.value not in found:
            has = ", ".join(f"{value} ({count} examples)" for value, count in sorted(found.items()))
            raise InputError(
                f"slice_bounds has {asked}, and of {folder} no example is in that slice. By "
                f"{asked.slice} there are: {has}."
            )


def _comparable(task: Task) -> dict[str, Metric]:
    """Returns the metrics that a threshold may be on, by name."""
    return {metric.name: metric for metric in task.metrics if metric.estimator}


def _metrics_spec(
    class_id: int | None, metrics: list[Metric], task: Task
) -> config_pb2.MetricsSpec:
    spec = config_pb2.MetricsSpec(
        metrics=[_metric_config(m, task.thresholds.get(m.name)) for m in metrics]
    )
    if class_id is not None:
        spec.binarize.class_ids.values.append(class_id)
    return spec


def _metric_config(metric: Metric, threshold: Threshold | None) -> config_pb2.MetricConfig:
    arguments = {"name": metric.name, **metric.config}
    if metric.module:
        # TFX's cache sees the configuration, not the code; the project's metrics take its hash.
        arguments["code"] = code_sha256(metric.module)
    config = config_pb2.MetricConfig(
        class_name=metric.class_name, module=metric.module, config=json.dumps(arguments)
    )
    if threshold:
        bound = _value_threshold(metric, threshold.bound)
        config.per_slice_thresholds.append(_overall(value_threshold=bound))
    return config


def _value_threshold(metric: Metric, bound: float) -> config_pb2.GenericValueThreshold:
    """Returns TFMA's lower bound, or its upper bound for a metric whose lower value is better."""
    side = "lower_bound" if metric.higher_is_better else "upper_bound"
    return config_pb2.GenericValueThreshold(**{side: {"value": bound}})


def _interval_config(metric: Metric, task: Task) -> config_pb2.MetricConfig:
    """Returns the configuration of the metric's interval, with the threshold against the baseline.

    Without a baseline, TFX drops the threshold.
    """
    arguments = {
        "name": metric.name + (UPPER if metric.higher_is_better else LOWER),
        "estimator": metric.estimator,
        "confidence": task.confidence,
        "positive": metric.class_id,
        "judged": any(asked.metric == metric.name for asked in task.slice_bounds),
        "higher_is_better": metric.higher_is_better,
        "code": code_sha256(_PAIRED, EXTRACTORS, metric.estimator.rpartition(".")[0]),
    }
    config = config_pb2.MetricConfig(
        class_name="PairedInterval", module=_PAIRED, config=json.dumps(arguments)
    )
    if threshold := task.thresholds.get(metric.name):
        # Of the change: its best case must be no worse than max_worsening.
        direction = config_pb2.MetricDirection
        worst = threshold.max_worsening
        best_case = config_pb2.GenericChangeThreshold(
            direction=(
                direction.HIGHER_IS_BETTER if metric.higher_is_better else direction.LOWER_IS_BETTER
            ),
            absolute={"value": -worst if metric.higher_is_better else worst},
        )
        config.per_slice_thresholds.append(_overall(change_threshold=best_case))
    return config


def _slice_thresholds(task: Task) -> dict[str, config_pb2.PerSliceMetricThresholds]:
    """Returns the bounds in slices, by name of a metric of `paired.PairedInterval`."""
    bounds: dict[str, config_pb2.PerSliceMetricThresholds] = collections.defaultdict(
        config_pb2.PerSliceMetricThresholds
    )
    for asked in task.slice_bounds:
        bound = _value_threshold(_comparable(task)[asked.metric], asked.bound)
        bounds[asked.metric + JUDGED].thresholds.add(
            slicing_specs=[config_pb2.SlicingSpec(feature_values={asked.slice: asked.value})],
            threshold=config_pb2.MetricThreshold(value_threshold=bound),
        )
    return bounds


def _recorded_config(task: Task) -> config_pb2.MetricConfig:
    """Returns the configuration that records the answers for ServingCheck."""
    arguments = {
        "name": task.head.prediction_key,
        "head": to_json(task.head),
        "code": code_sha256(_RECORDED),
    }
    return config_pb2.MetricConfig(
        class_name="RecordedAnswers", module=_RECORDED, config=json.dumps(arguments)
    )


def _overall(**threshold) -> config_pb2.PerSliceMetricThreshold:
    """Returns a threshold on the whole split only; MetricConfig.threshold would bind on every slice."""
    return config_pb2.PerSliceMetricThreshold(
        slicing_specs=[config_pb2.SlicingSpec()], threshold=config_pb2.MetricThreshold(**threshold)
    )
