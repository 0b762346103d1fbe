"""Metrics of classes, all of them TFMA's or Keras' own."""

from components.tasks.base import Metric


def of_two_classes(positive: int = 1) -> tuple[Metric, ...]:
    """The usual ones for a softmax over two classes; all but the first three are about `positive`."""
    return (
        Metric("examples", "ExampleCount"),
        Metric("accuracy", "SparseCategoricalAccuracy"),
        Metric("loss", "SparseCategoricalCrossentropy"),
        Metric("f1", "F1Score", label=positive),
        Metric("precision", "Precision", label=positive),
        Metric("recall", "Recall", label=positive),
        Metric("auc", "AUC", label=positive),
        Metric("calibration", "Calibration", label=positive),
    )
