"""How a metric and its interval are estimated: what of each example is summed, and what follows from it.

The sums are of the candidate's and the baseline's answers to the same rows, so that what both find hard
is no noise in the difference of the two. NumPy only: a task that names them is read without TensorFlow.
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
        """The sums over no row."""
        return np.zeros(5)

    def outcome(self, label, candidate, baseline, positive: int | None) -> np.ndarray:
        """What is to be summed over the rows: float64 [5]; `baseline` is None without one."""
        score = self.score(label, candidate)
        change = 0.0 if baseline is None else score - self.score(label, baseline)
        return np.array([1.0, score, score**2, change, change**2])

    def n_examples(self, sums: np.ndarray) -> float:
        return float(sums[0])

    def value(self, sums: np.ndarray) -> float:
        return float(_ratio(sums[1], sums[0]))

    def interval(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        rows, total, squares, _, _ = sums.tolist()
        return intervals.of_mean(total, squares, rows, confidence)

    def change(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        rows, _, _, total, squares = sums.tolist()
        return intervals.of_mean(total, squares, rows, confidence)


class Fraction(Mean):
    """A mean of scores that are 0 or 1."""

    def interval(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        rows, hits, _, _, _ = sums.tolist()
        return intervals.of_fraction(hits, rows, confidence)

    def change(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        rows, _, _, change, differing = sums.tolist()
        return intervals.of_fraction_change(
            (differing + change) / 2, (differing - change) / 2, rows, confidence
        )


@dataclasses.dataclass(frozen=True)
class OfClass:
    """A metric of one class that counts of examples decide.

    Attributes:
      metric: counts [..., is of the class, is said to be] -> the metric [...].
    """

    metric: Callable[[np.ndarray], np.ndarray]

    def empty(self) -> np.ndarray:
        return np.zeros((2, 2, 2))

    def outcome(self, label, candidate, baseline, positive: int | None) -> np.ndarray:
        """1 in the row's cell of [label, candidate, baseline], each 1 where it is the class."""
        said = candidate if baseline is None else baseline
        cells = self.empty()
        cells[
            int(label.item() == positive),
            int(candidate.argmax() == positive),
            int(said.argmax() == positive),
        ] = 1
        return cells

    def n_examples(self, sums: np.ndarray) -> float:
        return float(sums.sum())

    def value(self, sums: np.ndarray) -> float:
        return float(self.metric(sums.sum(axis=2)))

    def interval(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        """NaN where no row is of the class: of such rows F1 is 0, whatever the model says."""
        if not sums[1].any():
            return intervals.UNKNOWN
        return intervals.percentiles(self.metric(intervals.redrawn(sums).sum(axis=3)), confidence)

    def change(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        tables = intervals.redrawn(sums)
        changes = self.metric(tables.sum(axis=3)) - self.metric(tables.sum(axis=2))
        return intervals.percentiles(changes, confidence)


@dataclasses.dataclass(frozen=True)
class FractionOfClass(OfClass):
    """One that is the share of hits among some of the rows.

    Its own interval is that of a share, which has a width where all are hits, too.

    Attributes:
      among: counts [2, 2] -> how many rows those are.
    """

    among: Callable[[np.ndarray], np.ndarray]

    def interval(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        counts = sums.sum(axis=2)
        return intervals.of_fraction(float(counts[1, 1]), float(self.among(counts)), confidence)


@dataclasses.dataclass(frozen=True)
class Ranking:
    """The area under the ROC curve: how often an example of the class is scored above one that is not.

    Of two with the same score, half. The intervals are those of DeLong, DeLong and Clarke-Pearson
    (1988, doi:10.2307/2531595), from the scores themselves: what is kept grows with the examples. They
    have no width where the order is perfect.
    """

    def empty(self) -> list[tuple]:
        """Returns the sums over no example."""
        return []

    def outcome(self, label, candidate, baseline, positive: int | None) -> list[tuple]:
        """Returns one entry: whether the example is of the class, and both models' scores of it."""
        said = candidate if baseline is None else baseline
        return [(label.item() == positive, candidate.flat[positive], said.flat[positive])]

    def n_examples(self, sums: list[tuple]) -> float:
        return float(len(sums))

    def value(self, sums: list[tuple]) -> float:
        return float(np.mean(_placements(sums, model=1)[0])) if sums else math.nan

    def interval(self, sums: list[tuple], confidence: float) -> intervals.Interval:
        lower, upper = intervals.of_placements(*_placements(sums, model=1), confidence)
        return intervals.Interval(max(lower, 0.0), min(upper, 1.0))

    def change(self, sums: list[tuple], confidence: float) -> intervals.Interval:
        candidate, baseline = _placements(sums, model=1), _placements(sums, model=2)
        positive, negative = (ours - theirs for ours, theirs in zip(candidate, baseline))
        return intervals.of_placements(positive, negative, confidence)


def _placements(sums: list[tuple], model: int) -> tuple[np.ndarray, np.ndarray]:
    """For each row of the class, and for each other, the share of its pairs that are in order."""
    of_class, scores = np.array([(row[0], row[model]) for row in sums]).reshape(-1, 2).T
    positive, negative = scores[of_class == 1], scores[of_class == 0]
    return _fraction_below(positive, negative), 1 - _fraction_below(negative, positive)


def _fraction_below(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each score, the share of the others below it; those equal to it count half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return _ratio(below / 2, len(others))


Estimator: TypeAlias = Mean | OfClass | Ranking


def of_path(path: str) -> Any:
    """Finds the estimator that a task's metric names by its import path."""
    module, _, attribute = path.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def as_label(value) -> np.ndarray:
    """A label of a row as read from a file (a number, a text or a list), as TFMA hands it over."""
    values = value if isinstance(value, list) else [value]
    return np.array([v.encode() if isinstance(v, str) else v for v in values], dtype=object)


def f1_of_class(counts: np.ndarray) -> np.ndarray:
    """2 TP / (2 TP + FP + FN); NaN where no row is of the class and none is said to be."""
    hits = 2 * counts[..., 1, 1]
    return _ratio(hits, hits + counts[..., 0, 1] + counts[..., 1, 0])


def said_to_be(counts: np.ndarray) -> np.ndarray:
    """TP + FP"""
    return counts[..., :, 1].sum(axis=-1)


def precision_of_class(counts: np.ndarray) -> np.ndarray:
    """TP / (TP + FP); NaN where no row is said to be of the class."""
    return _ratio(counts[..., 1, 1], said_to_be(counts))


def of_the_class(counts: np.ndarray) -> np.ndarray:
    """TP + FN"""
    return counts[..., 1, :].sum(axis=-1)


def recall_of_class(counts: np.ndarray) -> np.ndarray:
    """TP / (TP + FN); NaN where no row is of the class."""
    return _ratio(counts[..., 1, 1], of_the_class(counts))


def _ratio(part: np.ndarray, whole: np.ndarray | int) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.divide(part, whole)
