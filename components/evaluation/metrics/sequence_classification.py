"""Metrics of classes, all of them TFMA's or Keras' own, and what their intervals come from."""

import numpy as np

from components.evaluation import estimators
from components.spec.task import Metric

# Least probability that the loss of a row is counted with, as in Keras.
_EPSILON = 1e-7


def of_two_classes(positive: int = 1) -> tuple[Metric, ...]:
    """The usual ones for a softmax over two classes; all but the first three are about `positive`."""
    return (
        Metric("examples", "ExampleCount"),
        Metric("accuracy", "SparseCategoricalAccuracy", figure=f"{__name__}.ACCURACY"),
        Metric("loss", "SparseCategoricalCrossentropy", figure=f"{__name__}.LOSS"),
        Metric("f1", "F1Score", label=positive, figure=f"{__name__}.F1"),
        Metric("precision", "Precision", label=positive, figure=f"{__name__}.PRECISION"),
        Metric("recall", "Recall", label=positive, figure=f"{__name__}.RECALL"),
        Metric("auc", "AUC", label=positive, figure=f"{__name__}.AUC"),
        Metric("calibration", "Calibration", label=positive),
    )


def plots_of_two_classes(positive: int = 1) -> tuple[Metric, ...]:
    """Confusion at every threshold, and calibration, of the class `positive`.

    TFMA puts the two together by these names, its own; of plots with others it shows one.
    """
    return (
        Metric("confusion_matrix_plot", "ConfusionMatrixPlot", label=positive),
        Metric("calibration_plot", "CalibrationPlot", label=positive),
    )


def _is_right(label: np.ndarray, probabilities: np.ndarray) -> float:
    return float(probabilities.argmax() == label.item())


def _loss(label: np.ndarray, probabilities: np.ndarray) -> float:
    return float(-np.log(np.clip(probabilities.flat[label.item()], _EPSILON, 1 - _EPSILON)))


ACCURACY = estimators.Share(_is_right)
LOSS = estimators.Mean(_loss)
F1 = estimators.OfClass(estimators.f1_of_class)
PRECISION = estimators.ShareOfClass(estimators.precision_of_class, estimators.said_to_be)
RECALL = estimators.ShareOfClass(estimators.recall_of_class, estimators.of_the_class)
AUC = estimators.Ranking()
