"""The metrics of SQuAD 1.1, by the rules of its official evaluation script, version 1.1.

NumPy only: a task that names these metrics is read without TensorFlow. Their mean over a split is
computed in `components/evaluation/metrics/answers.py`.
"""

import collections
import dataclasses
import functools
import re
import string
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from components.common.errors import InputError
from components.evaluation.answer import Answer
from components.evaluation.estimators import Fraction, Mean
from components.spec.heads import SpanExtraction
from components.spec.metrics import Metric

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def metrics(head: SpanExtraction) -> tuple[Metric, ...]:
    """Returns SQuAD's two metrics, as fractions between 0 and 1, and the number of questions."""
    del head
    module = "components.evaluation.metrics.answers"
    exact_match, f1 = f"{__name__}.EXACT_MATCH", f"{__name__}.F1"
    return (
        Metric("examples", "ExampleCount"),
        Metric("exact_match", "AnswerExactMatch", module=module, estimator=exact_match),
        Metric("f1", "AnswerF1", module=module, estimator=f1),
    )


def judge(outputs: Mapping[str, Any], expected: Sequence[str]) -> Answer:
    """Judges the answer to one question; see `sequence_classification.judge`."""
    text = _text(outputs["answer"])
    return Answer(text, float(outputs["score"]), exact_match(text, expected) == 1.0)


def exact_match(prediction: str, references: Collection[str]) -> float:
    """Returns 1.0 if the prediction is one of the references once all are normalized, else 0.0.

    Two texts that normalize to nothing are equal.

    Raises:
      InputError: there is no reference.
    """
    return _best(_equal, prediction, references)


def f1(prediction: str, references: Collection[str]) -> float:
    """Computes the harmonic mean of the words' precision and recall, against the nearest reference.

    A word counts as often as it stands in both. Without a common word the score is 0.0. It is 0.0 too
    where both normalize to nothing, although they match exactly.

    Raises:
      InputError: there is no reference.
    """
    return _best(_overlap, prediction, references)


@functools.lru_cache(maxsize=4096)  # an answer comes up for each metric and each slice
def normalize_answer(text: str) -> str:
    """Lower-cases a text, removes ASCII punctuation and the words a, an and the, and extra spaces.

    Nothing takes the place of punctuation: "well-known" becomes "wellknown".
    """
    words = _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION))
    return " ".join(words.split())


def _best(
    score: Callable[[str, str], float], prediction: str, references: Collection[str]
) -> float:
    if not references:
        raise InputError(
            f"The answer {prediction!r} has no reference answer to be judged by. Give every question "
            "at least one, or leave it out."
        )
    predicted = normalize_answer(prediction)
    return max(score(predicted, normalize_answer(reference)) for reference in references)


def _equal(predicted: str, expected: str) -> float:
    return float(predicted == expected)


def _overlap(predicted: str, expected: str) -> float:
    words, wanted = predicted.split(), expected.split()
    common = (collections.Counter(words) & collections.Counter(wanted)).total()
    return 2 * common / (len(words) + len(wanted)) if common else 0.0


@dataclasses.dataclass(frozen=True)
class OfServed:
    """A score of what TFMA hands over: references, then one prediction, arrays of UTF-8.

    Bytes that are no UTF-8 are read as U+FFFD. It is a class, not a closure, so that Beam can send it to
    its workers.
    """

    score: Callable[[str, Collection[str]], float]

    def __call__(self, references: np.ndarray, prediction: np.ndarray) -> float:
        """Returns the score of one prediction."""
        return self.score(_text(prediction.item()), [_text(value) for value in references.flat])


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


EXACT_MATCH = Fraction(OfServed(exact_match))
F1 = Mean(OfServed(f1), least=0.0, most=1.0)
