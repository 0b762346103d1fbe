"""How a metric and its interval are estimated: what is summed over examples, and what follows from it.

The sums are of the candidate's and the baseline's answers to the same examples, so that examples which
both find hard add no noise to the difference of the two. NumPy only: a task that names an estimator is
read without TensorFlow.
"""

import dataclasses
import importlib
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from components.evaluation import intervals


@dataclasses.dataclass(frozen=True)
class Mean:
    """A metric that is the mean of a score of each example.

    Attributes:
      score: an example's label, a model's prediction -> its score.
    """

    score: Callable[[np.ndarray, np.ndarray], float]

    def empty(self) -> np.ndarray:
        """Returns the sums over no example."""
        return np.zeros(5)

    def outcome(self, label, candidate, baseline, positive: int | None) -> np.ndarray:
        """Returns what an example adds to the sums, float64 [5]; `baseline` is None without one."""
        score = self.score(label, candidate)
        change = 0.0 if baseline is None else score - self.score(label, baseline)
        return np.array([1.0, score, score**2, change, change**2])

    def n_examples(self, sums: np.ndarray) -> float:
        """Returns over how many examples the sums are."""
        return float(sums[0])

    def value(self, sums: np.ndarray) -> float:
        """Returns the candidate's metric, NaN over no example."""
        return float(_ratio(sums[1], sums[0]))

    def interval(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        """Returns the interval of the candidate's metric."""
        n_examples, total, squares, _, _ = sums.tolist()
        return intervals.of_mean(total, squares, n_examples, confidence)

    def change(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        """Returns the interval of the change, candidate minus baseline."""
        n_examples, _, _, total, squares = sums.tolist()
        return intervals.of_mean(total, squares, n_examples, confidence)


class Fraction(Mean):
    """A mean of scores that are 0 or 1."""

    def interval(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        """Returns the interval of the candidate's metric."""
        n_examples, hits, _, _, _ = sums.tolist()
        return intervals.of_fraction(hits, n_examples, confidence)

    def change(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        """Returns the interval of the change, candidate minus baseline."""
        n_examples, _, _, change, differing = sums.tolist()
        return intervals.of_fraction_change(
            (differing + change) / 2, (differing - change) / 2, n_examples, confidence
        )


@dataclasses.dataclass(frozen=True)
class OfClass:
    """A metric of one class that follows from counts of examples.

    Attributes:
      metric: counts [..., is of the class, is said to be] -> the metric [...].
    """

    metric: Callable[[np.ndarray], np.ndarray]

    def empty(self) -> np.ndarray:
        """Returns the counts of no example."""
        return np.zeros((2, 2, 2))

    def outcome(self, label, candidate, baseline, positive: int | None) -> np.ndarray:
        """Returns 1 in the example's cell of [label, candidate, baseline], each 1 for the class."""
        said = candidate if baseline is None else baseline
        cells = self.empty()
        cells[
            int(label.item() == positive),
            int(candidate.argmax() == positive),
            int(said.argmax() == positive),
        ] = 1
        return cells

    def n_examples(self, sums: np.ndarray) -> float:
        """Returns how many examples were counted."""
        return float(sums.sum())

    def value(self, sums: np.ndarray) -> float:
        """Returns the candidate's metric."""
        return float(self.metric(sums.sum(axis=2)))

    def interval(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        """Returns the interval of the candidate's metric.

        It is NaN where no example is of the class: F1 over such examples is 0, whatever the model says.
        """
        if not sums[1].any():
            return intervals.UNKNOWN
        return intervals.percentiles(self.metric(intervals.redrawn(sums).sum(axis=3)), confidence)

    def change(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        """Returns the interval of the change, candidate minus baseline."""
        tables = intervals.redrawn(sums)
        changes = self.metric(tables.sum(axis=3)) - self.metric(tables.sum(axis=2))
        return intervals.percentiles(changes, confidence)


@dataclasses.dataclass(frozen=True)
class FractionOfClass(OfClass):
    """A metric of one class that is the fraction of hits among some of the examples.

    Its interval is that of a fraction, which has a width even where all are hits.

    Attributes:
      among: counts [2, 2] -> how many examples those are.
    """

    among: Callable[[np.ndarray], np.ndarray]

    def interval(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        """Returns the interval of the candidate's metric."""
        counts = sums.sum(axis=2)
        return intervals.of_fraction(float(counts[1, 1]), float(self.among(counts)), confidence)


@dataclasses.dataclass(frozen=True)
class Ranking:
    """The area under the ROC curve: how often an example of the class is scored above one that is not.

    Two examples with the same score count as half. The intervals are those of DeLong, DeLong and
    Clarke-Pearson (1988, doi:10.2307/2531595). They come from the scores themselves, so memory grows
    with the examples. They have no width where the order is perfect.
    """

    def empty(self) -> list[tuple]:
        """Returns the sums over no example."""
        return []

    def outcome(self, label, candidate, baseline, positive: int | None) -> list[tuple]:
        """Returns one entry: whether the example is of the class, and both models' scores of it."""
        said = candidate if baseline is None else baseline
        return [(label.item() == positive, candidate.flat[positive], said.flat[positive])]

    def n_examples(self, sums: list[tuple]) -> float:
        """Returns how many examples there are."""
        return float(len(sums))

    def value(self, sums: list[tuple]) -> float:
        """Returns the candidate's area, NaN over no example."""
        return float(np.mean(_placements(sums, model=1)[0])) if sums else math.nan

    def interval(self, sums: list[tuple], confidence: float) -> intervals.Interval:
        """Returns the interval of the candidate's area."""
        lower, upper = intervals.of_placements(*_placements(sums, model=1), confidence)
        return intervals.Interval(max(lower, 0.0), min(upper, 1.0))

    def change(self, sums: list[tuple], confidence: float) -> intervals.Interval:
        """Returns the interval of the change, candidate minus baseline."""
        candidate, baseline = _placements(sums, model=1), _placements(sums, model=2)
        positive, negative = (ours - theirs for ours, theirs in zip(candidate, baseline))
        return intervals.of_placements(positive, negative, confidence)


def _placements(sums: list[tuple], model: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the fraction of pairs in order, for each example of the class, and for each other one."""
    of_class, scores = np.array([(entry[0], entry[model]) for entry in sums]).reshape(-1, 2).T
    positive, negative = scores[of_class == 1], scores[of_class == 0]
    return _fraction_below(positive, negative), 1 - _fraction_below(negative, positive)


def _fraction_below(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns for each score the fraction of the others below it; equal ones count half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return _ratio(below / 2, len(others))


Estimator: TypeAlias = Mean | OfClass | Ranking


def of_path(path: str) -> Any:
    """Returns the estimator that a task's metric names by its import path."""
    module, _, attribute = path.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def as_label(value) -> np.ndarray:
    """Turns an example's label as read from a file (number, text or list) into TFMA's form."""
    values = value if isinstance(value, list) else [value]
    return np.array([v.encode() if isinstance(v, str) else v for v in values], dtype=object)


def f1_of_class(counts: np.ndarray) -> np.ndarray:
    """Returns 2 TP / (2 TP + FP + FN); NaN where no example is of the class or is said to be."""
    hits = 2 * counts[..., 1, 1]
    return _ratio(hits, hits + counts[..., 0, 1] + counts[..., 1, 0])


def said_to_be(counts: np.ndarray) -> np.ndarray:
    """Returns TP + FP: how many examples are said to be of the class."""
    return counts[..., :, 1].sum(axis=-1)


def precision_of_class(counts: np.ndarray) -> np.ndarray:
    """Returns TP / (TP + FP); NaN where no example is said to be of the class."""
    return _ratio(counts[..., 1, 1], said_to_be(counts))


def of_the_class(counts: np.ndarray) -> np.ndarray:
    """Returns TP + FN: how many examples are of the class."""
    return counts[..., 1, :].sum(axis=-1)


def recall_of_class(counts: np.ndarray) -> np.ndarray:
    """Returns TP / (TP + FN); NaN where no example is of the class."""
    return _ratio(counts[..., 1, 1], of_the_class(counts))


def _ratio(part: np.ndarray, whole: np.ndarray | int) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.divide(part, whole)
