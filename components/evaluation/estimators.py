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

# A change over fewer examples (of the class, for a metric of one class; of each, for a ranking) has no
# interval, and so no verdict.
LEAST_OF_CHANGE = 10


@dataclasses.dataclass(frozen=True)
class Mean:
    """A metric that is the mean of a score of each example.

    Attributes:
      score: an example's label, a model's prediction -> its score.
      least, most: between which the scores lie.
    """

    score: Callable[[np.ndarray, np.ndarray], float]
    least: float = -math.inf
    most: float = math.inf

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
        found = intervals.of_mean(total, squares, n_examples, confidence)
        return found.within(self.least, self.most)

    def change(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        """Returns the interval of the change, candidate minus baseline."""
        n_examples, _, _, total, squares = sums.tolist()
        if n_examples < LEAST_OF_CHANGE:
            return intervals.UNKNOWN
        found = intervals.of_mean(total, squares, n_examples, confidence)
        return found.within(self.least - self.most, self.most - self.least)


@dataclasses.dataclass(frozen=True)
class Fraction(Mean):
    """A mean of scores that are 0 or 1."""

    least: float = 0.0
    most: float = 1.0

    def interval(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        """Returns the interval of the candidate's metric."""
        n_examples, hits, _, _, _ = sums.tolist()
        return intervals.of_fraction(hits, n_examples, confidence)

    def change(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        """Returns the interval of the change, candidate minus baseline."""
        n_examples, _, _, change, differing = sums.tolist()
        if n_examples < LEAST_OF_CHANGE:
            return intervals.UNKNOWN
        return intervals.of_fraction_change(
            (differing + change) / 2, (differing - change) / 2, n_examples, confidence
        ).within(-1.0, 1.0)


def _itself(fraction: float) -> float:
    return fraction


@dataclasses.dataclass(frozen=True)
class OfClass:
    """A metric of one class that follows from the fraction of hits among some of the examples.

    Its interval follows from that of the fraction, which has a width even where all are hits.

    Attributes:
      metric: counts [..., is of the class, is said to be] -> the metric [...].
      among: counts [2, 2] -> how many examples those are.
      of_fraction: the fraction of hits -> the metric; it rises.
    """

    metric: Callable[[np.ndarray], np.ndarray]
    among: Callable[[np.ndarray], np.ndarray]
    of_fraction: Callable[[float], float] = _itself

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
        """Returns the candidate's metric, NaN where it is not defined."""
        return float(self.metric(sums.sum(axis=2)))

    def interval(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        """Returns the interval of the candidate's metric."""
        counts = sums.sum(axis=2)
        found = intervals.of_fraction(float(counts[1, 1]), float(self.among(counts)), confidence)
        return intervals.Interval(*map(self.of_fraction, found))

    def change(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        """Returns the interval of the change, candidate minus baseline, by a bootstrap."""
        if sums[1].sum() < LEAST_OF_CHANGE:
            return intervals.UNKNOWN
        tables = intervals.redrawn(sums)
        changes = self.metric(tables.sum(axis=3)) - self.metric(tables.sum(axis=2))
        return intervals.percentiles(changes, confidence)


@dataclasses.dataclass(frozen=True)
class Ranking:
    """The area under the ROC curve: how often an example of the class is scored above one that is not.

    Two examples with the same score count as half. The intervals are those of DeLong, DeLong and
    Clarke-Pearson (1988, doi:10.2307/2531595). They come from the scores themselves, so memory grows
    with the examples. They would have no width where the order is perfect, or reversed: there it is the
    interval of a fraction, of as many examples as the smaller class has.
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
        positives, negatives = _placements(sums, model=1)
        found = intervals.of_placements(positives, negatives, confidence).within(0.0, 1.0)
        if found.is_known and found.lower == found.upper and found.lower in (0.0, 1.0):
            fewest = min(len(positives), len(negatives))
            return intervals.of_fraction(found.lower * fewest, fewest, confidence)
        return found

    def change(self, sums: list[tuple], confidence: float) -> intervals.Interval:
        """Returns the interval of the change, candidate minus baseline."""
        candidate, baseline = _placements(sums, model=1), _placements(sums, model=2)
        positive, negative = (ours - theirs for ours, theirs in zip(candidate, baseline))
        if min(len(positive), len(negative)) < LEAST_OF_CHANGE:
            return intervals.UNKNOWN
        return intervals.of_placements(positive, negative, confidence).within(-1.0, 1.0)


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


def in_either(counts: np.ndarray) -> np.ndarray:
    """Returns TP + FP + FN; 0 where no example is of the class, and F1 is 0 whatever the model says."""
    found = counts[..., 1, 1] + counts[..., 0, 1] + counts[..., 1, 0]
    return np.where(of_the_class(counts) > 0, found, 0)


def f1_of_jaccard(fraction: float) -> float:
    """Returns F1 of TP / (TP + FP + FN), which it rises with."""
    return 2 * fraction / (1 + fraction)


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
