"""What the Evaluator found, in TensorBoard beside the curves of the training."""

import html
import pathlib
from collections.abc import Iterator

import tensorflow as tf

from components.metrics import recorded
from components.tasks.base import Task
from pipeline.history import Run
from pipeline.measured import overall

_ROWS_SHOWN = 20
_LONGEST = 300  # characters of a text


def write_evaluation(task: Task, run: Run) -> None:
    """Writes `evaluation/NUMBER` in the Trainer's folder of events, unless it is there already.

    It holds the metrics of the whole split and, as text, rows with what the model answered. NUMBER is
    that of the Evaluator's results.
    """
    model_run = run.stages["Trainer"].output("model_run").uri
    folder = pathlib.Path(model_run, "evaluation", pathlib.Path(run.evaluation).name)
    if folder.exists():
        return
    with tf.summary.create_file_writer(str(folder)).as_default(step=0):
        known = overall(run.evaluation, "candidate")
        for metric in task.metrics:
            tf.summary.scalar(f"evaluation/{metric.name}", known[metric.name])
        tf.summary.text("answers", "\n".join(_table(task, run)))


def _table(task: Task, run: Run) -> Iterator[str]:
    """Lines of Markdown."""
    names = (*task.head.text_features, task.head.label_key)
    _, answers = recorded.read(run.evaluation)
    yield "| " + " | ".join((*names, "answer")) + " |"
    yield "|---" * (len(names) + 1) + "|"
    left = _ROWS_SHOWN
    for serialized in tf.data.TFRecordDataset(run.judged_files, "GZIP").as_numpy_iterator():
        answer = answers.get(recorded.row_key(serialized))
        if answer is None or not left:
            continue
        left -= 1
        features = tf.train.Example.FromString(serialized).features.feature
        cells = [_cell(_first(features[name])) for name in names]
        yield "| " + " | ".join((*cells, _cell(answer))) + " |"


def _first(feature: tf.train.Feature) -> bytes | int | float:
    return getattr(feature, feature.WhichOneof("kind")).value[0]


def _cell(value: bytes | str | int | list[float]) -> str:
    """One cell: no text of the data is markup."""
    if isinstance(value, list):
        return " ".join(f"{number:.3f}" for number in value)
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    text = " ".join(text.split())
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return html.escape(text, quote=False).replace("|", "&#124;")
