"""Writes what the Evaluator found for TensorBoard, beside the curves of the training."""

import html
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf

from components.data.examples import values_by_name
from components.evaluation import recorded_answers
from components.spec.heads import HeadConfig

_EXAMPLES_SHOWN = 20
_LONGEST = 300  # characters of a text


def write_evaluation(
    model_run: str,
    evaluation: str,
    metrics: Mapping[str, float],
    head: HeadConfig,
    files: Sequence[str],
) -> None:
    """Writes `evaluation/NUMBER` in the Trainer's folder of events, unless it is there already.

    It holds the metrics and, as text, some examples with what the model answered. NUMBER is that of the
    Evaluator's results.

    Args:
      model_run: the Trainer's folder of events.
      evaluation: the Evaluator's folder of results.
      metrics: of the whole split.
      head: of the task.
      files: gzipped TFRecords of the raw examples that were judged.
    """
    folder = pathlib.Path(model_run, "evaluation", pathlib.Path(evaluation).name)
    if folder.exists():
        return
    with tf.summary.create_file_writer(str(folder)).as_default(step=0):
        for name, value in metrics.items():
            tf.summary.scalar(f"evaluation/{name}", value)
        tf.summary.text("answers", "\n".join(_table(evaluation, head, files)))


def _table(evaluation: str, head: HeadConfig, files: Sequence[str]) -> Iterator[str]:
    """Yields the table of examples and answers as lines of Markdown."""
    names = (*head.text_features, head.label_key)
    _, answers = recorded_answers.read(evaluation)
    yield "| " + " | ".join((*names, "answer")) + " |"
    yield "|---" * (len(names) + 1) + "|"
    left = _EXAMPLES_SHOWN
    for serialized in tf.data.TFRecordDataset(list(files), "GZIP").as_numpy_iterator():
        answer = answers.get(recorded_answers.example_key(serialized))
        if answer is None or not left:
            continue
        left -= 1
        example = values_by_name(serialized)
        cells = [_cell(example[name][0]) for name in names]
        yield "| " + " | ".join((*cells, _cell(answer))) + " |"


def _cell(value: bytes | str | int | list[float]) -> str:
    """Writes one cell; escapes the text, so that nothing in the data acts as markup."""
    if isinstance(value, list):
        return " ".join(f"{number:.3f}" for number in value)
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    text = " ".join(text.split())
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return html.escape(text, quote=False).replace("|", "&#124;")
