"""The kinds of examples, slices, that every metric is shown for as well.

A slice is a function of an example's raw features and the task's head. A task names those that it wants.
A task's label needs no function: TFMA slices by raw features itself.
"""

import bisect
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_model_analysis as tfma

# TFMA 0.52 does not export it; TFX 1.21 adds it, but only once tfx.components is imported.
from tensorflow_model_analysis.proto.config_pb2 import EvalConfig

from components.data.examples import values_by_name
from components.spec.heads import HeadConfig
from components.spec.task_json import head_from_json

# Raw feature -> its values, bytes or numbers.
Features = Mapping[str, np.ndarray]
Slice = Callable[[Features, HeadConfig], str]

_NEGATION = re.compile(
    r"\b(?:not|no|never|nobody|nothing|none|nor|neither|without|cannot)\b|n ?'t\b"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUESTION_WORD = re.compile(r"\b(?:what|who|when|where|which|why|how)\b")


def words(features: Features, head: HeadConfig) -> str:
    """Counts the words of all texts together."""
    count = sum(len(_text(features, name).split()) for name in head.text_features)
    return _bucket(count, (0, 35, 45, 55))


def overlap(features: Features, head: HeadConfig) -> str:
    """Returns how many per cent of the words in either text of a pair are in both."""
    first, second = (set(text.split()) for text in _pair(features, head))
    return _bucket(100 * len(first & second) // max(len(first | second), 1), (0, 40, 55, 70))


def negation(features: Features, head: HeadConfig) -> str:
    """Says whether a word such as "not" is in only one text of a pair."""
    return _compared([bool(_NEGATION.search(text)) for text in _pair(features, head)])


def numbers(features: Features, head: HeadConfig) -> str:
    """Says whether both texts of a pair have the same numbers."""
    return _compared([sorted(_NUMBER.findall(text)) for text in _pair(features, head)])


def question_word(features: Features, head: HeadConfig) -> str:
    """Returns the first of what, who, when, ... in the first text, the question."""
    found = _QUESTION_WORD.search(_text(features, head.text_features[0]).lower())
    return found[0] if found else "other"


def context_words(features: Features, head: HeadConfig) -> str:
    """Counts the words of the last text, the context."""
    return _bucket(len(_text(features, head.text_features[-1]).split()), (0, 100, 140, 180))


def answer_words(features: Features, head: HeadConfig) -> str:
    """Counts the words of the first reference answer."""
    return _bucket(len(_text(features, head.label_key).split()), (1, 2, 3, 6))


SLICES: dict[str, Slice] = {
    function.__name__: function
    for function in (
        *(words, overlap, negation, numbers),
        *(question_word, context_words, answer_words),
    )
}


def custom_extractors(eval_shared_model, eval_config, tensor_adapter_config) -> list:
    """Returns TFMA's own extractors, and one that adds the configuration's slices to the features.

    TFX's Evaluator calls it by this name.
    """
    *extractors, keys_of_slices = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    named = [name for spec in eval_config.slicing_specs for name in spec.feature_keys]
    names = [name for name in named if name in SLICES]
    head = head_of(eval_config)
    added = tfma.extractors.Extractor("AddSlices", beam.Map(_with_slices, names, head))
    return [*extractors, added, keys_of_slices]


def head_of(eval_config: EvalConfig) -> HeadConfig:
    """Reads the task's head from the one metric whose configuration holds it, `RecordedAnswers`."""
    configs = (
        json.loads(m.config or "{}") for spec in eval_config.metrics_specs for m in spec.metrics
    )
    return head_from_json(next(config["head"] for config in configs if "head" in config))


def values_of_slice(name: str, head: HeadConfig, files: Sequence[str]) -> Iterator[str]:
    """Yields the slice's value of every example in files of records; `name` may be a feature's too."""
    for file in files:
        for record in tf.data.TFRecordDataset(file, "GZIP" if file.endswith(".gz") else ""):
            values = values_by_name(record.numpy())
            example = {key: np.array(value, object) for key, value in values.items()}
            yield SLICES[name](example, head) if name in SLICES else str(example[name][0])


def _with_slices(extracts, names, head):
    """Adds the slices; it has no annotations, as Beam would check them against TFMA's narrower ones."""
    features = extracts[tfma.FEATURES_KEY]
    slices = {name: np.array([SLICES[name](features, head).encode()], object) for name in names}
    return {**extracts, tfma.FEATURES_KEY: {**features, **slices}}


def _pair(features: Features, head: HeadConfig) -> list[str]:
    return [_text(features, name).lower() for name in head.text_features]


def _text(features: Features, name: str) -> str:
    """Returns the feature's first value; bytes that are no UTF-8 become U+FFFD."""
    return np.ravel(features[name])[0].decode(errors="replace")


def _bucket(value: int, edges: Sequence[int]) -> str:
    """Returns the range that holds the value, such as "35-44", "2" or "55+"."""
    at = max(bisect.bisect_right(edges, value), 1)
    if at == len(edges):
        return f"{edges[-1]}+"
    first, last = edges[at - 1], edges[at] - 1
    return f"{first}-{last}" if first < last else str(first)


def _compared(found: Sequence) -> str:
    first, second = found
    if first == second:
        return "the same" if first else "in neither"
    return "differ"
