"""Compares what two models answer to the same examples."""

import dataclasses
import importlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_text  # noqa: F401 (registers the models' ops)

from components.data.examples import values_by_name
from components.evaluation.answer import Answer
from components.spec.heads import HeadConfig, metrics_module

_EXAMPLES_AT_ONCE = 64


@dataclasses.dataclass(frozen=True)
class ComparedExample:
    """An example, and what both models answer to it.

    Attributes:
      text: the text features.
      expected: the labels, with " | " between them.
      candidate, baseline: the models' answers; `baseline` is None where there is no such model.
    """

    text: dict[str, str]
    expected: str
    candidate: Answer
    baseline: Answer | None


def compare(
    head: HeadConfig, files: Sequence[str], candidate: str, baseline: str | None
) -> list[ComparedExample]:
    """Asks both models about every example, through the signature that the Evaluator uses.

    Args:
      head: of the task.
      files: gzipped TFRecords of raw examples.
      candidate, baseline: folders of SavedModels.
    """
    serialized = list(tf.data.TFRecordDataset(sorted(files), "GZIP").as_numpy_iterator())
    examples = [values_by_name(s) for s in serialized]
    expected = [[_text(value) for value in example[head.label_key]] for example in examples]
    ours = _answers(head, candidate, serialized, expected)
    theirs: Sequence[Answer | None] = [None] * len(ours)
    if baseline:
        theirs = _answers(head, baseline, serialized, expected)
    return [
        ComparedExample(
            {name: _text(example[name][0]) for name in head.text_features},
            " | ".join(dict.fromkeys(wanted)),
            mine,
            other,
        )
        for example, wanted, mine, other in zip(examples, expected, ours, theirs)
    ]


def _answers(
    head: HeadConfig, model: str, serialized: list[bytes], expected: list[list[str]]
) -> list[Answer]:
    judge = importlib.import_module(metrics_module(head)).judge
    signature = tf.saved_model.load(model).signatures["serve_examples"]
    answers = []
    for start in range(0, len(serialized), _EXAMPLES_AT_ONCE):
        outputs = signature(examples=tf.constant(serialized[start : start + _EXAMPLES_AT_ONCE]))
        outputs = {name: value.numpy() for name, value in outputs.items()}
        answers += [
            judge({name: value[i] for name, value in outputs.items()}, expected[start + i])
            for i in range(len(outputs[head.prediction_key]))
        ]
    return answers


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
