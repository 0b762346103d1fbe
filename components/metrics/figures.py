"""How the interval of a figure is found: what of each row is summed, and what follows from the sums.

The sums are of the candidate's and the baseline's answers to the same rows, so that what both find hard
is no noise in the difference of the two. NumPy only: a task that names them is read without TensorFlow.
"""

import dataclasses
import importlib
from collections.abc import Callable

import numpy as np

from components.metrics import intervals


@dataclasses.dataclass(frozen=True)
class Mean:
    """A figure that is the mean of a score of each row.

    Attributes:
      score: a row's label, a model's prediction -> its score.
    """

    score: Callable[[np.ndarray, np.ndarray], float]

    shape = (5,)  # of the sums

    def outcome(self, label, candidate, baseline, positive: int | None) -> np.ndarray:
        """What is to be summed over the rows: float64 [5]; `baseline` is None without one."""
        score = self.score(label, candidate)
        change = 0.0 if baseline is None else score - self.score(label, baseline)
        return np.array([1.0, score, score**2, change, change**2])

    def rows(self, sums: np.ndarray) -> float:
        return float(sums[0])

    def value(self, sums: np.ndarray) -> float:
        return float(_ratio(sums[1], sums[0]))

    def interval(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        rows, total, squares, _, _ = sums.tolist()
        return intervals.of_mean(total, squares, rows, confidence)

    def change(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        rows, _, _, total, squares = sums.tolist()
        return intervals.of_mean(total, squares, rows, confidence)


class Share(Mean):
    """A mean of scores that are 0 or 1."""

    def interval(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        rows, hits, _, _, _ = sums.tolist()
        return intervals.of_share(hits, rows, confidence)

    def change(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        rows, _, _, change, differing = sums.tolist()
        return intervals.of_share_change(
            (differing + change) / 2, (differing - change) / 2, rows, confidence
        )


@dataclasses.dataclass(frozen=True)
class OfClass:
    """A figure of one class that counts of rows decide.

    Attributes:
      figure: counts [..., is of the class, is said to be] -> the figure [...].
    """

    figure: Callable[[np.ndarray], np.ndarray]

    shape = (2, 2, 2)

    def outcome(self, label, candidate, baseline, positive: int | None) -> np.ndarray:
        """1 in the row's cell of [label, candidate, baseline], each 1 where it is the class."""
        said = candidate if baseline is None else baseline
        cells = np.zeros((2, 2, 2))
        cells[
            int(label.item() == positive),
            int(candidate.argmax() == positive),
            int(said.argmax() == positive),
        ] = 1
        return cells

    def rows(self, sums: np.ndarray) -> float:
        return float(sums.sum())

    def value(self, sums: np.ndarray) -> float:
        return float(self.figure(sums.sum(axis=2)))

    def interval(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        return intervals.percentiles(self.figure(intervals.redrawn(sums).sum(axis=3)), confidence)

    def change(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        tables = intervals.redrawn(sums)
        changes = self.figure(tables.sum(axis=3)) - self.figure(tables.sum(axis=2))
        return intervals.percentiles(changes, confidence)


@dataclasses.dataclass(frozen=True)
class Ranking:
    """The area under the ROC curve: how often a row of the class is scored above one that is not.

    The scores are counted in 64 steps of the log-odds, a quarter wide; rows of the same step are tied,
    and a tie counts half. The intervals are those of DeLong, DeLong and Clarke-Pearson (1988,
    doi:10.2307/2531595): the normal interval of a difference of U-statistics of the same rows.
    """

    shape = (2, 64, 64)

    def outcome(self, label, candidate, baseline, positive: int | None) -> np.ndarray:
        """1 in the row's cell of [is of the class, candidate's step, baseline's step]."""
        said = candidate if baseline is None else baseline
        cells = np.zeros(self.shape)
        cells[
            int(label.item() == positive),
            steps(candidate.flat[positive]),
            steps(said.flat[positive]),
        ] = 1
        return cells

    def rows(self, sums: np.ndarray) -> float:
        return float(sums.sum())

    def value(self, sums: np.ndarray) -> float:
        negative, positive = sums.sum(axis=2)
        return float(_ratio(positive @ _share_below(negative), positive.sum()))

    def interval(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        negative, positive = sums.sum(axis=2)
        return intervals.of_placements(
            (positive, _share_below(negative)), (negative, 1 - _share_below(positive)), confidence
        )

    def change(self, sums: np.ndarray, confidence: float) -> intervals.Interval:
        (negative, positive), (negative_before, positive_before) = (
            sums.sum(axis=2),
            sums.sum(axis=1),
        )

        def change_of(others: np.ndarray, others_before: np.ndarray) -> np.ndarray:
            return _share_below(others)[:, None] - _share_below(others_before)

        return intervals.of_placements(
            (sums[1], change_of(negative, negative_before)),
            (sums[0], -change_of(positive, positive_before)),
            confidence,
        )


def steps(probabilities: np.ndarray) -> np.ndarray:
    """Of log-odds from -8 to 8, what is beyond with the last: integers from 0 to 63, any shape."""
    p = np.clip(probabilities, 1e-30, 1)
    odds = np.log(p) - np.log(np.maximum(1 - p, 1e-30))
    return np.clip(4 * (odds + 8), 0, 63).astype(int)


def _share_below(counts: np.ndarray) -> np.ndarray:
    """Of the rows counted, the share below each step, its own rows half: [steps]."""
    return _ratio(np.cumsum(counts) - counts / 2, counts.sum())


def of_path(path: str) -> Mean | OfClass | Ranking:
    """The figure that a task's metric names by its import path."""
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


def precision_of_class(counts: np.ndarray) -> np.ndarray:
    """TP / (TP + FP); NaN where no row is said to be of the class."""
    return _ratio(counts[..., 1, 1], counts[..., :, 1].sum(axis=-1))


def recall_of_class(counts: np.ndarray) -> np.ndarray:
    """TP / (TP + FN); NaN where no row is of the class."""
    return _ratio(counts[..., 1, 1], counts[..., 1, :].sum(axis=-1))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.divide(part, whole)
