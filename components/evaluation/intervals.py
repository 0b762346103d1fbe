"""Confidence intervals: how far a metric may be off because other examples could have been drawn.

They are two-sided: at a confidence of 0.95, the true value is outside of one interval in twenty, above
as often as below. The intervals of a change, candidate minus baseline, come from both models' answers
to the same examples. NumPy only: a task that names them is read without TensorFlow.
"""

import math
import statistics
from typing import NamedTuple

import numpy as np

# Of the bootstrap: how often the examples are drawn again, and the seed that makes it repeatable.
_DRAWS, _SEED = 2000, 0


class Interval(NamedTuple):
    """An interval; both ends are NaN where there are too few examples to say anything."""

    lower: float
    upper: float

    def within(self, least: float, most: float) -> "Interval":
        """Returns the part of the interval in which the metric can lie; NaN stays as it is."""
        return Interval(*(min(max(bound, least), most) for bound in self))

    @property
    def is_known(self) -> bool:
        """Whether both ends are finite."""
        return math.isfinite(self.lower) and math.isfinite(self.upper)


UNKNOWN = Interval(math.nan, math.nan)
# Of a change that the examples tell nothing about.
ANYTHING = Interval(-math.inf, math.inf)


def of_fraction(hits: float, n_examples: float, confidence: float) -> Interval:
    """Returns the score interval of hits / n_examples (Wilson, 1927), sound near 0 and 1 too."""
    if not n_examples:
        return UNKNOWN
    fraction, z = hits / n_examples, _quantile(confidence)
    shrink = 1 + z * z / n_examples
    half = z * math.sqrt(fraction * (1 - fraction) / n_examples + (z / (2 * n_examples)) ** 2)
    centre = fraction + z * z / (2 * n_examples)
    return Interval(
        (centre - half) / shrink if hits else 0.0,
        (centre + half) / shrink if hits < n_examples else 1.0,
    )


def of_fraction_change(
    gained: float, lost: float, n_examples: float, confidence: float
) -> Interval:
    """Returns the interval of the change of a fraction, (gained - lost) / n_examples.

    It is the normal interval after half an example is added to each of the four outcomes of a pair
    (Agresti and Min, 2005, doi:10.1002/sim.1781), so that it has a width even where few examples differ.

    Args:
      gained, lost: examples that only the candidate has right, and only the baseline.
    """
    if not n_examples:
        return UNKNOWN
    gained, lost, n_examples = gained + 0.5, lost + 0.5, n_examples + 2
    change = (gained - lost) / n_examples
    half = _quantile(confidence) * math.sqrt(gained + lost - n_examples * change**2) / n_examples
    return Interval(change - half, change + half)


def of_mean(total: float, squares: float, n_examples: float, confidence: float) -> Interval:
    """Returns the interval of a mean, mean +- z * sqrt(variance / n); good for n of 30 or more.

    Args:
      total: the sum of the values.
      squares: the sum of the squared values.
    """
    if n_examples < 2:
        return UNKNOWN
    mean = total / n_examples
    variance = max(squares - n_examples * mean**2, 0.0) / (n_examples - 1)
    half = _quantile(confidence) * math.sqrt(variance / n_examples)
    return Interval(mean - half, mean + half)


def of_placements(positives: np.ndarray, negatives: np.ndarray, confidence: float) -> Interval:
    """Returns the interval of the mean over all pairs of a positive and a negative example.

    From DeLong et al., 1988.

    Args:
      positives, negatives: for each example, the mean over its pairs of what a pair counts.
    """
    if min(len(positives), len(negatives)) < 2:
        return UNKNOWN
    variance = sum(means.var(ddof=1) / len(means) for means in (positives, negatives))
    mean, half = float(positives.mean()), _quantile(confidence) * math.sqrt(variance)
    return Interval(mean - half, mean + half)


def redrawn(cells: np.ndarray) -> np.ndarray:
    """Draws tables of as many examples from this one, with replacement: [draws, *cells.shape].

    To draw examples is to draw their cells, so this is the bootstrap over examples; its cost does not
    grow with their number.
    """
    n_examples = int(cells.sum())
    generator = np.random.default_rng(_SEED)
    drawn = generator.multinomial(n_examples, cells.ravel() / max(n_examples, 1), size=_DRAWS)
    return drawn.reshape(_DRAWS, *cells.shape)


def percentiles(values: np.ndarray, confidence: float) -> Interval:
    """Returns the interval of a bootstrap's values, [draws]; a draw without the class is NaN."""
    known = values[~np.isnan(values)]
    if not len(known):
        return UNKNOWN
    tail = (1 - confidence) / 2
    return Interval(*(float(v) for v in np.quantile(known, [tail, 1 - tail])))


def _quantile(confidence: float) -> float:
    """Returns the quantile of the standard normal distribution for a two-sided interval."""
    return statistics.NormalDist().inv_cdf((1 + confidence) / 2)
