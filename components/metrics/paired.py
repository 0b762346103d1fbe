"""The interval of a figure, and of its change against the baseline on the same rows, as TFMA metrics."""

from collections.abc import Iterable, Sequence

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma

# TFMA 0.52 does not export it; TFX 1.21 adds it, but only once tfx.components is imported.
from tensorflow_model_analysis.proto.config_pb2 import EvalConfig

from components.metrics import figures

UPPER, LOWER = "_upper", "_lower"


class PairedInterval(tfma.metrics.Metric):
    """`accuracy_lower` and `accuracy_upper` of the candidate, and the same of its change.

    The change is candidate minus baseline; in TFMA's results its names end in `_diff`, as those of all
    changes do. A change threshold on `accuracy_upper` is one on the best case of the change. Every row
    counts once: example weights are not looked at.
    """

    def __init__(
        self,
        name: str,
        figure: str,
        confidence: float,
        positive: int | None = None,
        code: str = "",
    ):
        """TFMA passes what the metric's configuration holds.

        Args:
          name: ends in `_upper`; TFMA looks for a threshold's metric under this name.
          figure: import path of a figure of `components.metrics.figures`.
          confidence: of the intervals.
          positive: the class that a figure of one class is about.
          code: hash of what computes it, not used: it is in the config for TFX's cache to see.
        """
        super().__init__(
            _computations, name=name, figure=figure, confidence=confidence, positive=positive
        )


class _Intervals(beam.CombineFn):
    """Sums what the figure asks for of each row; the intervals come from the sums."""

    def __init__(self, keys: dict, figure, confidence: float, positive: int | None, eval_config):
        """keys: whether of the change -> the two keys, the lower bound's first."""
        self._keys, self._figure, self._confidence = keys, figure, confidence
        self._positive, self._eval_config = positive, eval_config

    def create_accumulator(self) -> np.ndarray:
        return np.zeros(self._figure.shape)

    def add_input(
        self, accumulator: np.ndarray, inputs: tfma.metrics.StandardMetricInputs
    ) -> np.ndarray:
        label, candidate = self._answer(inputs, self._keys[False][0].model_name)
        baseline = None
        if True in self._keys:
            _, baseline = self._answer(inputs, _baseline(self._eval_config))
        return accumulator + self._figure.outcome(label, candidate, baseline, self._positive)

    def _answer(self, inputs, model_name: str) -> tuple[np.ndarray, np.ndarray]:
        ((label, prediction, _),) = tfma.metrics.to_label_prediction_example_weight(
            inputs,
            eval_config=self._eval_config,
            model_name=model_name,
            example_weighted=False,
            flatten=False,
            squeeze=False,
        )
        return label, prediction

    def merge_accumulators(self, accumulators: Iterable[np.ndarray]) -> np.ndarray:
        return sum(accumulators, self.create_accumulator())

    def extract_output(self, accumulator: np.ndarray) -> dict[tfma.metrics.MetricKey, float]:
        values = {}
        for is_change, keys in self._keys.items():
            interval = self._figure.change if is_change else self._figure.interval
            values |= zip(keys, interval(accumulator, self._confidence))
        return values


def _computations(
    name: str,
    eval_config: EvalConfig,
    model_names: Sequence[str],
    example_weighted: bool,
    figure: str,
    confidence: float,
    positive: int | None,
) -> list[tfma.metrics.MetricComputation]:
    """TFMA passes the arguments by these names."""
    baseline = _baseline(eval_config)
    (candidate,) = (model for model in model_names if model != baseline)
    names = (name.removesuffix(UPPER) + LOWER, name)
    keys = {
        is_change: [
            tfma.metrics.MetricKey(
                name=name,
                model_name=candidate,
                example_weighted=example_weighted,
                is_diff=is_change,
            )
            for name in names
        ]
        for is_change in ((False,) if baseline is None else (False, True))
    }
    combiner = _Intervals(
        keys,
        figures.of_path(figure),
        confidence,
        positive,
        eval_config,
    )
    all_keys = [key for pair in keys.values() for key in pair]
    return [tfma.metrics.MetricComputation(keys=all_keys, preprocessors=None, combiner=combiner)]


def _baseline(eval_config: EvalConfig) -> str | None:
    """Name of the baseline model, None where there is none."""
    return next((spec.name for spec in eval_config.model_specs if spec.is_baseline), None)
