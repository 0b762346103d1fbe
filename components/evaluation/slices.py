"""The kinds of rows that every figure is shown for as well.

A slice is a function of a row's raw features, and a task names those it wants. A task's label needs no
function: TFMA slices by raw features itself.
"""

import bisect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_model_analysis as tfma

from components.data.examples import values_by_name

# Raw feature -> its values, bytes or numbers.
Features = Mapping[str, np.ndarray]

_NEGATION = re.compile(
    r"\b(?:not|no|never|nobody|nothing|none|nor|neither|without|cannot)\b|n ?'t\b"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUESTION_WORD = re.compile(r"\b(?:what|who|when|where|which|why|how)\b")


def words(features: Features) -> str:
    """How many words both sentences have together."""
    first, second = _sentences(features)
    return _bucket(len(first.split()) + len(second.split()), (0, 35, 45, 55))


def overlap(features: Features) -> str:
    """Of the words in either sentence, the share that both have, in per cent."""
    first, second = (set(sentence.split()) for sentence in _sentences(features))
    return _bucket(100 * len(first & second) // max(len(first | second), 1), (0, 40, 55, 70))


def negation(features: Features) -> str:
    """Whether a word such as "not" is in one sentence only."""
    return _compared([bool(_NEGATION.search(sentence)) for sentence in _sentences(features)])


def numbers(features: Features) -> str:
    """Whether both sentences have the same numbers."""
    return _compared([sorted(_NUMBER.findall(sentence)) for sentence in _sentences(features)])


def question_word(features: Features) -> str:
    """The first of what, who, when, ... in the question."""
    found = _QUESTION_WORD.search(_text(features, "question").lower())
    return found[0] if found else "other"


def context_words(features: Features) -> str:
    return _bucket(len(_text(features, "context").split()), (0, 100, 140, 180))


def answer_words(features: Features) -> str:
    """Of the first reference answer."""
    return _bucket(len(_text(features, "answer_text").split()), (1, 2, 3, 6))


SLICES: dict[str, Callable[[Features], str]] = {
    function.__name__: function
    for function in (
        *(words, overlap, negation, numbers),
        *(question_word, context_words, answer_words),
    )
}


def custom_extractors(eval_shared_model, eval_config, tensor_adapter_config) -> list:
    """TFMA's own, with the slices that the configuration names added to each row's features.

    TFX's Evaluator calls it by this name.
    """
    *extractors, keys_of_slices = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    named = [name for spec in eval_config.slicing_specs for name in spec.feature_keys]
    names = [name for name in named if name in SLICES]
    added = tfma.extractors.Extractor("AddSlices", beam.Map(_with_slices, names))
    return [*extractors, added, keys_of_slices]


def values_of_slice(name: str, files: Sequence[str]) -> Iterator[str]:
    """The value of every row in files of records; `name` may be of a feature, too."""
    for file in files:
        for record in tf.data.TFRecordDataset(file, "GZIP" if file.endswith(".gz") else ""):
            values = values_by_name(record.numpy())
            row = {key: np.array(value, object) for key, value in values.items()}
            yield SLICES[name](row) if name in SLICES else str(row[name][0])


def _with_slices(extracts, names):
    """Without annotations: Beam would check them against TFMA's own, which are narrower."""
    features = extracts[tfma.FEATURES_KEY]
    slices = {name: np.array([SLICES[name](features).encode()], object) for name in names}
    return {**extracts, tfma.FEATURES_KEY: {**features, **slices}}


def _sentences(features: Features) -> tuple[str, str]:
    return _text(features, "sentence1").lower(), _text(features, "sentence2").lower()


def _text(features: Features, name: str) -> str:
    """The feature's first value; what is no UTF-8 is read as U+FFFD."""
    return np.ravel(features[name])[0].decode(errors="replace")


def _bucket(value: int, edges: Sequence[int]) -> str:
    """The edges that the value lies between, as "35-44", "2" or "55+"."""
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
