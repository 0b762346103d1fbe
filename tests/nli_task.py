"""A third task, whole: does the first sentence say, deny or leave open what the second one says?

tests/test_third_task.py copies this file to components/tasks/nli.py, and nli_schema.pbtxt beside it to
schema/nli.pbtxt. That is all that a task of pairs needs.
"""

from collections.abc import Iterator

from components.data.readers.tsv import read_table, text, whole_number
from components.models.heads.sequence_classification import PairClassification
from components.spec.task import (
    Card,
    DataFormat,
    Hyperparameters,
    LocatedRow,
    Metric,
    Row,
    Task,
    Threshold,
)

_METRICS = "components.evaluation.metrics.sequence_classification"
CLASSES = 3


def read_file(path: str) -> Iterator[LocatedRow]:
    """The rows of a tab-separated file with the columns sentence1, sentence2 and label."""
    for line in read_table(path, [("sentence1", "sentence2", "label")]):
        yield (
            line[0],
            {
                "sentence1": text(line, "sentence1"),
                "sentence2": text(line, "sentence2"),
                "label": whole_number(line, "label", limit=CLASSES),
            },
        )


def _pair(row: Row) -> tuple:
    return row["sentence1"], row["sentence2"]


TASK = Task(
    name="nli",
    data=DataFormat(read_file=read_file, key=_pair, label="label"),
    head=PairClassification(
        text_features=("sentence1", "sentence2"), label_feature="label", num_labels=CLASSES
    ),
    metrics=(
        Metric("examples", "ExampleCount"),
        Metric("accuracy", "SparseCategoricalAccuracy", figure=f"{_METRICS}.ACCURACY"),
        Metric("loss", "SparseCategoricalCrossentropy", figure=f"{_METRICS}.LOSS"),
    ),
    thresholds={"accuracy": Threshold(floor=0.4)},
    slices=("label", "words"),
    hyperparameters=Hyperparameters(),
    card=Card(
        description="Says whether the second sentence follows (0), is left open (1) or is denied (2).",
        limits=("Made for a test.",),
        data_licence="None.",
    ),
)
