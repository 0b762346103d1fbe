"""Slices and plots of a TFMA evaluation, as the page shows them."""

import dataclasses
from collections.abc import Sequence

import tensorflow_model_analysis as tfma

from components.metrics.paired import LOWER, UPPER
from pipeline.report.charts import Chart, line_chart


@dataclasses.dataclass(frozen=True)
class Bar:
    """One slice. rows is None where the evaluation does not count them."""

    name: str
    rows: int | None
    value: float
    lower: float | None
    upper: float | None


@dataclasses.dataclass(frozen=True)
class SliceGroup:
    """The slices by one feature, the worst first."""

    metric: str
    feature: str
    bars: list[Bar]


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Rows of two classes, at a probability of a half for the positive one."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int


def load_candidate(evaluation: str) -> tfma.EvalResult:
    """What TFMA wrote of the candidate; TFMA names the models only where there are two."""
    result = tfma.load_eval_result(evaluation, model_name="candidate")
    return result if result.slicing_metrics else tfma.load_eval_result(evaluation)


def slice_groups(result: tfma.EvalResult, metrics: Sequence[str]) -> list[SliceGroup]:
    """One group for each metric and each feature (or crossing of features) that is sliced by."""
    bars: dict[tuple[str, str], list[Bar]] = {}
    for key, outputs in result.slicing_metrics:
        if key == ():
            continue
        values = _values(outputs)
        feature = " x ".join(name for name, _ in key)
        name = " x ".join(_text(value) for _, value in key)
        rows = int(values["examples"]) if "examples" in values else None
        for metric in metrics:
            if metric in values:
                bounds = (values.get(metric + bound) for bound in (LOWER, UPPER))
                bar = Bar(name, rows, values[metric], *bounds)
                bars.setdefault((metric, feature), []).append(bar)
    return [SliceGroup(*key, sorted(b, key=lambda bar: bar.value)) for key, b in bars.items()]


def confusion_and_charts(result: tfma.EvalResult) -> tuple[Confusion | None, list[Chart]]:
    """What TFMA's ConfusionMatrixPlot and CalibrationPlot hold; nothing where there are none."""
    found = {
        name: plot
        for key, outputs in result.plots
        if key == () and outputs
        for by_class in outputs.values()
        for plots in by_class.values()
        for name, plot in plots.items()
    }
    confusion, charts = None, []
    if matrices := found.get("confusionMatrixAtThresholds", {}).get("matrices"):
        counts = [_counts(matrix) for matrix in matrices]
        nearest = min(matrices, key=lambda matrix: abs(matrix.get("threshold", 0.0) - 0.5))
        confusion = _counts(nearest)
        charts += [_roc(counts), _precision_recall(counts)]
    if buckets := found.get("calibrationHistogramBuckets", {}).get("buckets"):
        charts.append(_calibration(buckets))
    return confusion, charts


def _values(outputs: dict) -> dict[str, float]:
    return {
        name: float(value["doubleValue"])
        for by_class in outputs.values()
        for metrics in by_class.values()
        for name, value in metrics.items()
        if "doubleValue" in value
    }


def _text(value) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _counts(matrix: dict) -> Confusion:
    names = ("truePositives", "falsePositives", "trueNegatives", "falseNegatives")
    return Confusion(*(round(float(matrix.get(name, 0))) for name in names))  # JSON leaves out 0


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


def _calibration(buckets: list[dict]) -> Chart:
    """The mean of the predictions of a bucket against the share that is positive, ten buckets."""
    tenths: dict[int, list[float]] = {}
    for bucket in buckets:
        rows, label, prediction = (
            float(bucket.get(name, 0))
            for name in (
                "numWeightedExamples",
                "totalWeightedLabel",
                "totalWeightedRefinedPrediction",
            )
        )
        if rows:
            total = tenths.setdefault(min(int(prediction / rows * 10), 9), [0.0, 0.0, 0.0])
            tenths[min(int(prediction / rows * 10), 9)] = [
                t + v for t, v in zip(total, (rows, label, prediction))
            ]
    points = [
        (prediction / rows, label / rows) for _, (rows, label, prediction) in sorted(tenths.items())
    ]
    labels = ("predicted probability", "share that is positive")
    return line_chart(
        "Calibration", *labels, {"candidate": points}, unit_square=True, diagonal=True
    )
