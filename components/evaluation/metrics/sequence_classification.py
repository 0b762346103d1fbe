"""The metrics of classes, all of them TFMA's or Keras' own, and their estimators."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.evaluation import estimators
from components.evaluation.answer import Answer
from components.spec.heads import SequenceClassification
from components.spec.metrics import Metric

# The least probability in the loss of an example, as in Keras.
_EPSILON = 1e-7


def metrics(head: SequenceClassification) -> tuple[Metric, ...]:
    """Returns the usual metrics of a softmax; of two classes, also those about the positive one."""
    every = (
        Metric("examples", "ExampleCount"),
        Metric("accuracy", "SparseCategoricalAccuracy", estimator=f"{__name__}.ACCURACY"),
        Metric(
            "loss",
            "SparseCategoricalCrossentropy",
            estimator=f"{__name__}.LOSS",
            higher_is_better=False,
        ),
    )
    if len(head.classes) > 2:
        return every
    positive = head.positive_class
    return (
        *every,
        Metric("f1", "F1Score", class_id=positive, estimator=f"{__name__}.F1"),
        Metric("precision", "Precision", class_id=positive, estimator=f"{__name__}.PRECISION"),
        Metric("recall", "Recall", class_id=positive, estimator=f"{__name__}.RECALL"),
        Metric("auc", "AUC", class_id=positive, estimator=f"{__name__}.AUC"),
        Metric("calibration", "Calibration", class_id=positive),
    )


def plots(head: SequenceClassification) -> tuple[Metric, ...]:
    """Returns plots of confusion at every threshold and of calibration, for the positive of two classes.

    The names are TFMA's own: under other names it would show only one of the two.
    """
    if len(head.classes) > 2:
        return ()
    return (
        Metric("confusion_matrix_plot", "ConfusionMatrixPlot", class_id=head.positive_class),
        Metric("calibration_plot", "CalibrationPlot", class_id=head.positive_class),
    )


def judge(outputs: Mapping[str, Any], expected: Sequence[str]) -> Answer:
    """Judges the answer to one example.

    Args:
      outputs: of the model, NumPy values of one example.
      expected: the label, as text.
    """
    label = str(outputs["label"])
    return Answer(label, float(outputs["probabilities"].max()), label in expected)


def _is_right(label: np.ndarray, probabilities: np.ndarray) -> float:
    return float(probabilities.argmax() == label.item())


def _loss(label: np.ndarray, probabilities: np.ndarray) -> float:
    return float(-np.log(np.clip(probabilities.flat[label.item()], _EPSILON, 1 - _EPSILON)))


ACCURACY = estimators.Fraction(_is_right)
LOSS = estimators.Mean(_loss, least=0.0)
F1 = estimators.OfClass(
    estimators.f1_of_class, estimators.in_either, of_fraction=estimators.f1_of_jaccard
)
PRECISION = estimators.OfClass(estimators.precision_of_class, estimators.said_to_be)
RECALL = estimators.OfClass(estimators.recall_of_class, estimators.of_the_class)
AUC = estimators.Ranking()
