"""A task's metrics and thresholds, as TFMA reads them."""

import itertools
import json

import tensorflow_model_analysis as tfma

# Not exported by every version of TFMA.
from tensorflow_model_analysis.proto.config_pb2 import PerSliceMetricThreshold

from components.tasks.base import Metric, Task, Threshold
from pipeline.fingerprint import code_sha256

SIGNATURE = "serve_examples"


def eval_config(task: Task) -> tfma.EvalConfig:
    """The Evaluator asks the signature that will be served, and judges the whole split."""
    by_label = itertools.groupby(
        sorted(task.metrics, key=lambda metric: (metric.label is not None, metric.label)),
        key=lambda metric: metric.label,
    )
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(
                signature_name=SIGNATURE,
                label_key=task.head.label_key,
                prediction_key=task.head.prediction_key,
            )
        ],
        slicing_specs=[tfma.SlicingSpec()],
        metrics_specs=[_metrics_spec(label, list(metrics), task) for label, metrics in by_label],
    )


def _metrics_spec(label: int | None, metrics: list[Metric], task: Task) -> tfma.MetricsSpec:
    spec = tfma.MetricsSpec(
        metrics=[_metric_config(m, task.thresholds.get(m.name)) for m in metrics]
    )
    if label is not None:
        spec.binarize.class_ids.values.append(label)
    return spec


def _metric_config(metric: Metric, threshold: Threshold | None) -> tfma.MetricConfig:
    arguments = {"name": metric.name, **metric.config}
    if metric.module:
        # TFX's cache sees the configuration, not the code; the project's metrics take its hash.
        arguments["code"] = code_sha256(metric.module)
    config = tfma.MetricConfig(
        class_name=metric.class_name, module=metric.module, config=json.dumps(arguments)
    )
    if threshold:
        # MetricConfig.threshold would bind on every slice; this one binds on the whole split only.
        config.per_slice_thresholds.append(
            PerSliceMetricThreshold(
                slicing_specs=[tfma.SlicingSpec()],
                threshold=tfma.MetricThreshold(
                    value_threshold=tfma.GenericValueThreshold(
                        lower_bound={"value": threshold.floor}
                    ),
                    change_threshold=tfma.GenericChangeThreshold(
                        direction=tfma.MetricDirection.HIGHER_IS_BETTER,
                        absolute={"value": -threshold.max_drop},
                    ),
                ),
            )
        )
    return config
