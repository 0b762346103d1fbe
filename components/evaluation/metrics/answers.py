"""The metrics of SQuAD 1.1 as TFMA computes them: the mean over the questions of a slice.

The label is the feature with the texts of all reference answers, any number of them; the prediction is
one text. The class names differ from all of TFMA's own, because TFMA would use its own class instead.
"""

import functools
from collections.abc import Callable, Iterable

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma

# TFMA 0.52 does not export it; TFX 1.21 adds it, but only once tfx.components is imported.
from tensorflow_model_analysis.proto.config_pb2 import EvalConfig

from components.evaluation.metrics.span_extraction import EXACT_MATCH, F1

Score = Callable[[np.ndarray, np.ndarray], float]


class AnswerExactMatch(tfma.metrics.Metric):
    """The fraction of predictions that equal one of their references once both are normalized."""

    def __init__(self, name: str = "exact_match", code: str = ""):
        """Ignores `code`, a hash of what computes it, which is in the config for TFX's cache."""
        super().__init__(_mean_of(EXACT_MATCH.score), name=name)


class AnswerF1(tfma.metrics.Metric):
    """The mean F1 of predictions, each against its nearest reference."""

    def __init__(self, name: str = "f1", code: str = ""):
        """Ignores `code`, a hash of what computes it, which is in the config for TFX's cache."""
        super().__init__(_mean_of(F1.score), name=name)


class MeanScore(beam.CombineFn):
    """The mean of a score over the questions of a slice, as one model answered them.

    It is 0.0 where no question has weight, as Keras' means are.
    """

    def __init__(self, score: Score, key: tfma.metrics.MetricKey, eval_config: EvalConfig):
        """Keeps the score, and the key, which names the model and the output."""
        self._score, self._key, self._eval_config = score, key, eval_config

    def create_accumulator(self) -> tuple[float, float]:
        """Returns the sum of weighted scores and the sum of weights, of no question."""
        return 0.0, 0.0

    def add_input(
        self, accumulator: tuple[float, float], inputs: tfma.metrics.StandardMetricInputs
    ) -> tuple[float, float]:
        """Adds one question, as TFMA hands it over."""
        ((references, prediction, weight),) = tfma.metrics.to_label_prediction_example_weight(
            inputs,
            eval_config=self._eval_config,
            model_name=self._key.model_name,
            output_name=self._key.output_name,
            example_weighted=self._key.example_weighted,
            flatten=False,
            squeeze=False,
            require_single_example_weight=True,
        )
        score = self._score(references, prediction)
        return accumulator[0] + weight.item() * score, accumulator[1] + weight.item()

    def merge_accumulators(
        self, accumulators: Iterable[tuple[float, float]]
    ) -> tuple[float, float]:
        """Adds the sums up."""
        score_sum, weight_sum = self.create_accumulator()
        for score, weight in accumulators:
            score_sum, weight_sum = score_sum + score, weight_sum + weight
        return score_sum, weight_sum

    def extract_output(
        self, accumulator: tuple[float, float]
    ) -> dict[tfma.metrics.MetricKey, float]:
        """Divides the sums."""
        score, weight = accumulator
        return {self._key: score / weight if weight else 0.0}


def _mean_of(score: Score) -> Callable[..., list[tfma.metrics.MetricComputation]]:
    return tfma.metrics.merge_per_key_computations(functools.partial(_computations, score))


def _computations(
    score: Score,
    name: str,
    eval_config: EvalConfig,
    model_name: str,
    output_name: str,
    example_weighted: bool,
) -> list[tfma.metrics.MetricComputation]:
    """Makes the computation of a score's mean; TFMA passes the arguments by these names."""
    key = tfma.metrics.MetricKey(
        name=name,
        model_name=model_name,
        output_name=output_name,
        example_weighted=example_weighted,
    )
    combiner = MeanScore(score, key, eval_config)
    return [tfma.metrics.MetricComputation(keys=[key], preprocessors=None, combiner=combiner)]
