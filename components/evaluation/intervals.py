"""How far a figure may be off by the chance of which rows were drawn.

Intervals are two-sided: at a confidence of 0.95, the truth lies outside of one time in twenty, above as
often as below. Those of a change, candidate minus baseline, come from both models' answers to the same
rows. NumPy only: a task that names them is read without TensorFlow.
"""

import math
import statistics
from typing import NamedTuple

import numpy as np

# Of the bootstrap: how often the rows are drawn again, and the seed that makes it repeatable.
_DRAWS, _SEED = 2000, 0


class Interval(NamedTuple):
    """Both are NaN where there are too few rows to say anything."""

    lower: float
    upper: float

    @property
    def is_known(self) -> bool:
        return math.isfinite(self.lower) and math.isfinite(self.upper)


UNKNOWN = Interval(math.nan, math.nan)
# Of a change that the rows tell nothing of.
ANYTHING = Interval(-math.inf, math.inf)


def of_fraction(hits: float, rows: float, confidence: float) -> Interval:
    """Of a share, hits / rows: the score interval (Wilson, 1927), sound near 0 and 1 too."""
    if not rows:
        return UNKNOWN
    share, z = hits / rows, _quantile(confidence)
    shrink = 1 + z * z / rows
    half = z * math.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2)
    centre = share + z * z / (2 * rows)
    return Interval((centre - half) / shrink, (centre + half) / shrink)


def of_fraction_change(gained: float, lost: float, rows: float, confidence: float) -> Interval:
    """Of the change of a share, (gained - lost) / rows.

    The normal interval after half a row is added to each of the four outcomes of a pair (Agresti and
    Min, 2005, doi:10.1002/sim.1781), so that it does not collapse where few rows differ.

    Args:
      gained, lost: rows that only the candidate has right, and only the baseline.
    """
    if not rows:
        return UNKNOWN
    gained, lost, rows = gained + 0.5, lost + 0.5, rows + 2
    change = (gained - lost) / rows
    half = _quantile(confidence) * math.sqrt(gained + lost - rows * change**2) / rows
    return Interval(change - half, change + half)


def of_mean(total: float, squares: float, rows: float, confidence: float) -> Interval:
    """Of a mean, total / rows: mean +- z * sqrt(variance / rows), for some 30 rows or more.

    Args:
      squares: the sum of the squared values.
    """
    if rows < 2:
        return UNKNOWN
    mean = total / rows
    variance = max(squares - rows * mean**2, 0.0) / (rows - 1)
    half = _quantile(confidence) * math.sqrt(variance / rows)
    return Interval(mean - half, mean + half)


def of_placements(positives: np.ndarray, negatives: np.ndarray, confidence: float) -> Interval:
    """Of the mean over all pairs of a positive and a negative row (DeLong et al., 1988).

    Args:
      positives, negatives: for each row, the mean over its pairs of what a pair counts.
    """
    if min(len(positives), len(negatives)) < 2:
        return UNKNOWN
    variance = sum(rows.var(ddof=1) / len(rows) for rows in (positives, negatives))
    mean, half = float(positives.mean()), _quantile(confidence) * math.sqrt(variance)
    return Interval(mean - half, mean + half)


def redrawn(cells: np.ndarray) -> np.ndarray:
    """Tables of the same number of rows, drawn from this one with replacement: [draws, *cells.shape].

    To draw rows is to draw their cells, so this is the bootstrap over rows, whatever their number.
    """
    rows = int(cells.sum())
    generator = np.random.default_rng(_SEED)
    drawn = generator.multinomial(rows, cells.ravel() / max(rows, 1), size=_DRAWS)
    return drawn.reshape(_DRAWS, *cells.shape)


def percentiles(values: np.ndarray, confidence: float) -> Interval:
    """Of a bootstrap, [draws]; a draw that tells nothing, one without a row of the class, is NaN."""
    known = values[~np.isnan(values)]
    if not len(known):
        return UNKNOWN
    tail = (1 - confidence) / 2
    return Interval(*(float(v) for v in np.quantile(known, [tail, 1 - tail])))


def _quantile(confidence: float) -> float:
    """Of the standard normal distribution."""
    return statistics.NormalDist().inv_cdf((1 + confidence) / 2)
