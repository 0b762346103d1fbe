"""Slices and plots of a TFMA evaluation, as the page shows them."""

import dataclasses
from collections.abc import Sequence

from components.evaluation.tfma_results import overall_plots
from pipeline.report.charts import Chart, line_chart
from pipeline.runs.record import Measured, Sliced


@dataclasses.dataclass(frozen=True)
class Bar:
    """One metric over one slice, which the page draws as a bar."""

    name: str
    examples: int
    metric: Measured
    is_judged: bool


@dataclasses.dataclass(frozen=True)
class SliceGroup:
    """The slices by one feature, the worst first."""

    metric: str
    feature: str
    bars: list[Bar]


@dataclasses.dataclass(frozen=True)
class Confusion:
    """The confusion matrix of two classes, where positive is a probability of at least a half."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int


def slice_groups(slices: Sequence[Sliced]) -> list[SliceGroup]:
    """Groups the slices by metric and by feature."""
    bars: dict[tuple[str, str], list[Bar]] = {}
    for one in slices:
        for metric in one.metrics:
            if metric.is_unknown and not metric.refused:
                continue
            bar = Bar(one.value, one.examples, metric, one.is_judged)
            bars.setdefault((metric.name, one.slice), []).append(bar)
    return [SliceGroup(*key, sorted(group, key=_badness)) for key, group in bars.items()]


def _badness(bar: Bar) -> float:
    return bar.metric.candidate if bar.metric.higher_is_better else -bar.metric.candidate


def confusion_and_charts(evaluation: str) -> tuple[Confusion | None, list[Chart]]:
    """Reads TFMA's ConfusionMatrixPlot and CalibrationPlot; nothing where a task has no plots."""
    confusion, charts = None, []
    for plot in overall_plots(evaluation, "candidate"):
        if matrices := plot.confusion_matrix_at_thresholds.matrices:
            counts = [_counts(matrix) for matrix in matrices]
            confusion = _counts(min(matrices, key=lambda matrix: abs(matrix.threshold - 0.5)))
            charts += [_roc(counts), _precision_recall(counts)]
        if buckets := plot.calibration_histogram_buckets.buckets:
            charts.append(_calibration(buckets))
    return confusion, charts


def _counts(matrix) -> Confusion:
    names = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    return Confusion(*(round(getattr(matrix, name)) for name in names))


def _roc(counts: list[Confusion]) -> Chart:
    points = sorted(
        (
            c.false_positives / max(c.false_positives + c.true_negatives, 1),
            c.true_positives / max(c.true_positives + c.false_negatives, 1),
        )
        for c in counts
    )
    labels = ("false positive rate", "true positive rate")
    return line_chart("ROC", *labels, {"candidate": points}, unit_square=True, diagonal=True)


def _precision_recall(counts: list[Confusion]) -> Chart:
    points = sorted(
        {
            (
                c.true_positives / max(c.true_positives + c.false_negatives, 1),
                c.true_positives / (c.true_positives + c.false_positives),
            )
            for c in counts
            if c.true_positives + c.false_positives
        },
        key=lambda point: (point[0], -point[1]),
    )
    return line_chart(
        "Precision and recall", "recall", "precision", {"candidate": points}, unit_square=True
    )


def _calibration(buckets) -> Chart:
    """Draws the fraction of positives against the mean prediction, in ten buckets."""
    tenths: dict[int, list[float]] = {}
    for bucket in buckets:
        examples = bucket.num_weighted_examples.value
        label = bucket.total_weighted_label.value
        prediction = bucket.total_weighted_refined_prediction.value
        if examples:
            tenth = min(int(prediction / examples * 10), 9)
            total = tenths.setdefault(tenth, [0.0, 0.0, 0.0])
            tenths[tenth] = [t + v for t, v in zip(total, (examples, label, prediction))]
    points = [
        (prediction / count, label / count)
        for _, (count, label, prediction) in sorted(tenths.items())
    ]
    labels = ("predicted probability", "fraction of positives")
    return line_chart(
        "Calibration", *labels, {"candidate": points}, unit_square=True, diagonal=True
    )
