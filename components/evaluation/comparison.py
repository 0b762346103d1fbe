"""What two models answer to the same rows, and which of them is right."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_text  # noqa: F401 (registers the models' ops)

from components.data.examples import values_by_name
from components.evaluation.metrics.span_extraction import exact_match

_ROWS_AT_ONCE = 64


@dataclasses.dataclass(frozen=True)
class Answer:
    """confidence: the probability that the model gives its answer."""

    text: str
    confidence: float
    right: bool


@dataclasses.dataclass(frozen=True)
class ComparedRow:
    """baseline: None where there is no such model."""

    text: dict[str, str]
    expected: str
    candidate: Answer
    baseline: Answer | None


def compare(
    head: Any, files: Sequence[str], candidate: str, baseline: str | None
) -> list[ComparedRow]:
    """Asks both models every row, through the signature that the Evaluator asks.

    Args:
      head: of the task.
      files: gzipped TFRecords of raw examples.
      candidate, baseline: folders of SavedModels.
    """
    serialized = list(tf.data.TFRecordDataset(sorted(files), "GZIP").as_numpy_iterator())
    rows = [values_by_name(s) for s in serialized]
    expected = [[_text(value) for value in row[head.label_key]] for row in rows]
    ours = _answers(head, candidate, serialized, expected)
    theirs = _answers(head, baseline, serialized, expected) if baseline else [None] * len(ours)
    return [
        ComparedRow(
            {name: _text(row[name][0]) for name in head.text_features},
            " | ".join(dict.fromkeys(wanted)),
            *answers,
        )
        for row, wanted, *answers in zip(rows, expected, ours, theirs)
    ]


def _answers(head, model: str, serialized: list[bytes], expected: list[list[str]]) -> list[Answer]:
    signature = tf.saved_model.load(model).signatures["serve_examples"]
    answers = []
    for start in range(0, len(serialized), _ROWS_AT_ONCE):
        outputs = signature(examples=tf.constant(serialized[start : start + _ROWS_AT_ONCE]))
        outputs = {name: value.numpy() for name, value in outputs.items()}
        judge = _judge_class if head.prediction_key == "probabilities" else _judge_text
        answers += [
            judge({name: value[i] for name, value in outputs.items()}, expected[start + i])
            for i in range(len(outputs[head.prediction_key]))
        ]
    return answers


def _judge_class(output: dict, expected: list[str]) -> Answer:
    label = str(output["label"])
    return Answer(label, float(output["probabilities"].max()), label in expected)


def _judge_text(output: dict, expected: list[str]) -> Answer:
    text = _text(output["answer"])
    return Answer(text, float(output["score"]), exact_match(text, expected) == 1.0)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
