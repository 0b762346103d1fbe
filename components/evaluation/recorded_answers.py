"""Keeps some of the answers that the Evaluator was given, by example, with its results.

They are in TFMA's table of attributions, which maps names to values of any kind. TFMA's table of metrics
and its views hold numbers only.
"""

import hashlib
import heapq
from collections.abc import Iterable, Sequence

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics.metric_types import (
    AttributionsKey,
    StandardMetricInputsPreprocessor,
)
from tensorflow_model_analysis.proto.config_pb2 import EvalConfig

N_EXAMPLES = 64
_CANDIDATE = "candidate"
# SHA-256 of a serialized tf.Example, in hexadecimal -> what the model answered.
Answers = dict[str, bytes | np.ndarray]


class RecordedAnswers(tfma.metrics.Metric):
    """Each model's answers to the 64 examples with the lowest hashes, in whatever order they come."""

    def __init__(self, name: str, head: str = "", code: str = ""):
        """Keeps what TFMA reads from the metric's configuration.

        Args:
          name: the output of the model that is judged.
          head: JSON of the task's head. It is not used here; `slices.head_of` reads it.
          code: hash of what computes it. It is not used; in the config, TFX's cache sees it.
        """
        super().__init__(_computations, name=name)


class _Lowest(beam.CombineFn):
    def __init__(self, model: str, keys: list[AttributionsKey], eval_config: EvalConfig):
        """Keeps what TFMA passes; the first key is that of the answers, the others hold nothing."""
        self._model, self._keys, self._eval_config = model, keys, eval_config

    def create_accumulator(self) -> Answers:
        return {}

    def add_input(self, accumulator: Answers, inputs: tfma.metrics.StandardMetricInputs) -> Answers:
        (serialized,) = np.ravel(inputs[tfma.INPUT_KEY])
        key = example_key(serialized)
        if len(accumulator) == N_EXAMPLES and key > max(accumulator):
            return accumulator
        ((_, prediction, _),) = tfma.metrics.to_label_prediction_example_weight(
            inputs,
            eval_config=self._eval_config,
            model_name=self._model,
            example_weighted=False,
            flatten=False,
            squeeze=False,
        )
        prediction = np.ravel(prediction)
        is_text = prediction.dtype.kind in "OSU"
        answer = prediction[0] if is_text else prediction
        return self.merge_accumulators([accumulator, {key: answer}])

    def merge_accumulators(self, accumulators: Iterable[Answers]) -> Answers:
        together = {key: answer for some in accumulators for key, answer in some.items()}
        return {key: together[key] for key in heapq.nsmallest(N_EXAMPLES, together)}

    def extract_output(self, accumulator: Answers) -> dict[AttributionsKey, Answers]:
        return {key: {} for key in self._keys} | {self._keys[0]: accumulator}


def example_key(serialized: bytes) -> str:
    """Returns the key of a serialized tf.Example in `Answers`."""
    return hashlib.sha256(serialized).hexdigest()


def read(evaluation: str) -> tuple[str, dict[str, str | list[float]]]:
    """Reads the candidate's answers from the Evaluator's output.

    Args:
      evaluation: URI of the Evaluator's output.

    Returns:
      The name of the judged output, and the answers by `example_key`, as what JSON holds.
    """
    ((name, answers),) = (
        (entry.key.name, entry.values)
        for of_slice in tfma.load_attributions(evaluation)
        if not of_slice.slice_key.single_slice_keys
        for entry in of_slice.attributions_keys_and_values
        if entry.key.model_name == _CANDIDATE and not entry.key.is_diff
    )
    return name, {key: _plain(value) for key, value in answers.items()}


def _plain(value) -> str | list[float]:
    """Returns a value as JSON holds it; bytes that are no UTF-8 become lone surrogates (os.fsdecode)."""
    if value.WhichOneof("type") == "bytes_value":
        return value.bytes_value.decode(errors="surrogateescape")
    return list(value.array_value.float32_values)


def _computations(
    name: str, eval_config: EvalConfig, model_names: Sequence[str]
) -> list[tfma.metrics.MetricComputation]:
    """Makes the computations of `RecordedAnswers`; TFMA passes the arguments by these names."""
    with_examples = StandardMetricInputsPreprocessor(
        include_filter={tfma.INPUT_KEY: {}}, name="with_serialized_examples"
    )
    # TFX names the models only where there are two. tfma.load_eval_result fails where answers are of
    # none that it is asked for, so that a model without a name gets the candidate's.
    keys = {
        model: [AttributionsKey(name=name, model_name=model or _CANDIDATE)] for model in model_names
    }
    if len(keys) > 1:
        # An empty one, which tells it whose results to take where it is asked for none.
        keys[_CANDIDATE].append(AttributionsKey(name=name, model_name=_CANDIDATE, is_diff=True))
    return [
        tfma.metrics.MetricComputation(
            keys=of_model,
            preprocessors=[with_examples],
            combiner=_Lowest(model, of_model, eval_config),
        )
        for model, of_model in keys.items()
    ]
