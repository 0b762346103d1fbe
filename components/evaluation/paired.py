"""The interval of a metric, and of its change against the baseline on the same examples, in TFMA."""

import math
from collections.abc import Iterable, Sequence

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma

# TFMA 0.52 does not export it; TFX 1.21 adds it, but only once tfx.components is imported.
from tensorflow_model_analysis.proto.config_pb2 import EvalConfig

from components.evaluation import estimators
from components.evaluation.intervals import ANYTHING

UPPER, LOWER, JUDGED, VALUE = "_upper", "_lower", "_judged", "_value"
# Over fewer examples a metric is shown, not judged: 95 % of 30 is 0.83 to 0.99.
LEAST_EXAMPLES = 30


class PairedInterval(tfma.metrics.Metric):
    """`accuracy_lower` and `accuracy_upper` of the candidate, and the same of its change.

    The change is candidate minus baseline; in TFMA's results its names end in `_diff`, as those of all
    changes do. A change threshold on `accuracy_upper`, or on `loss_lower`, judges the best case of the
    change. Where the examples tell nothing about the change, its interval is infinite, and no threshold
    refuses it. Every example counts once: weights are ignored.

    `accuracy_value` is the candidate's value as the estimator has it: NaN where the metric is not
    defined, for which TFMA's own may have 0.

    `accuracy_judged` is added on request; the bounds of slices judge it. It is the candidate's value.
    Over fewer than LEAST_EXAMPLES examples it is an infinity that meets every bound, because TFMA
    refuses a metric that is missing.
    """

    def __init__(
        self,
        name: str,
        estimator: str,
        confidence: float,
        positive: int | None = None,
        judged: bool = False,
        higher_is_better: bool = True,
        code: str = "",
    ):
        """Keeps what TFMA reads from the metric's configuration.

        Args:
          name: ends in `_upper`, or in `_lower` where lower is better: TFMA looks for a threshold's
            metric under this name, and a change is judged by its best case.
          estimator: import path of an object of `components/evaluation/estimators.py`.
          confidence: of the intervals.
          positive: the class that a metric of one class is about.
          judged: whether a slice has a bound.
          higher_is_better: whether the bound is the least value.
          code: hash of what computes it. It is not used; in the config, TFX's cache sees it.
        """
        super().__init__(
            _computations,
            name=name,
            estimator=estimator,
            confidence=confidence,
            positive=positive,
            judged=judged,
            higher_is_better=higher_is_better,
        )


class _Intervals(beam.CombineFn):
    """Sums what the estimator needs of each example; the intervals come from the sums."""

    def __init__(
        self,
        keys: dict[bool, list[tfma.metrics.MetricKey]],
        judged: dict[tfma.metrics.MetricKey, float],
        value: tfma.metrics.MetricKey,
        estimator: estimators.Estimator,
        confidence: float,
        positive: int | None,
        eval_config: EvalConfig,
    ):
        """Keeps what TFMA passes.

        Args:
          keys: whether of the change -> two keys, the lower bound's first.
          judged: the key for the bounds of slices -> its value over too few examples; or nothing.
          value: the key for the candidate's value.
        """
        self._keys, self._judged, self._value = keys, judged, value
        self._estimator, self._confidence = estimator, confidence
        self._positive, self._eval_config = positive, eval_config

    def create_accumulator(self):
        return self._estimator.empty()

    def add_input(self, accumulator, inputs: tfma.metrics.StandardMetricInputs):
        label, candidate = self._answer(inputs, self._keys[False][0].model_name)
        baseline = None
        if True in self._keys:
            _, baseline = self._answer(inputs, _baseline(self._eval_config))
        accumulator += self._estimator.outcome(label, candidate, baseline, self._positive)
        return accumulator

    def _answer(self, inputs, model_name: str | None) -> tuple[np.ndarray, np.ndarray]:
        ((label, prediction, _),) = tfma.metrics.to_label_prediction_example_weight(
            inputs,
            eval_config=self._eval_config,
            model_name=model_name,
            example_weighted=False,
            flatten=False,
            squeeze=False,
        )
        return label, prediction

    def merge_accumulators(self, accumulators: Iterable):
        merged = self.create_accumulator()
        for accumulator in accumulators:
            merged += accumulator
        return merged

    def extract_output(self, accumulator) -> dict[tfma.metrics.MetricKey, float]:
        value = self._estimator.value(accumulator)
        values = {self._value: value}
        enough = self._estimator.n_examples(accumulator) >= LEAST_EXAMPLES
        for key, passing in self._judged.items():
            values[key] = value if enough and not math.isnan(value) else passing
        for is_change, keys in self._keys.items():
            find = self._estimator.change if is_change else self._estimator.interval
            interval = find(accumulator, self._confidence)
            if is_change and not interval.is_known:  # which TFMA would take for a loss
                interval = ANYTHING
            values |= zip(keys, interval)
        return values


def _computations(
    name: str,
    eval_config: EvalConfig,
    model_names: Sequence[str],
    example_weighted: bool,
    estimator: str,
    confidence: float,
    positive: int | None,
    judged: bool,
    higher_is_better: bool,
) -> list[tfma.metrics.MetricComputation]:
    """Makes the computations of `PairedInterval`; TFMA passes the arguments by these names."""
    baseline = _baseline(eval_config)
    (candidate,) = (model for model in model_names if model != baseline)
    bare = name.removesuffix(UPPER).removesuffix(LOWER)
    keys = {
        is_change: [
            tfma.metrics.MetricKey(
                name=name,
                model_name=candidate,
                example_weighted=example_weighted,
                is_diff=is_change,
            )
            for name in (bare + LOWER, bare + UPPER)
        ]
        for is_change in ((False,) if baseline is None else (False, True))
    }
    # TFMA looks for it so: a threshold of a MetricsSpec is on no metric's configuration.
    judged_key = tfma.metrics.MetricKey(
        name=bare + JUDGED, model_name=candidate, example_weighted=None
    )
    passing = math.inf if higher_is_better else -math.inf
    judged_keys = {judged_key: passing} if judged else {}
    value_key = tfma.metrics.MetricKey(
        name=bare + VALUE, model_name=candidate, example_weighted=example_weighted
    )
    combiner = _Intervals(
        keys,
        judged_keys,
        value_key,
        estimators.of_path(estimator),
        confidence,
        positive,
        eval_config,
    )
    all_keys = [value_key, *judged_keys, *(key for pair in keys.values() for key in pair)]
    return [tfma.metrics.MetricComputation(keys=all_keys, preprocessors=None, combiner=combiner)]


def _baseline(eval_config: EvalConfig) -> str | None:
    """Returns the name of the baseline model, None where there is none."""
    return next((spec.name for spec in eval_config.model_specs if spec.is_baseline), None)
