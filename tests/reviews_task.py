"""A fourth task: one sentence, and whether it praises. See nli_task.py, which it is copied beside."""

from components.evaluation.metrics import sequence_classification
from components.spec.data_source import DataSource
from components.spec.heads import SequenceClassification
from components.spec.hyperparameters import Hyperparameters
from components.spec.metrics import Threshold
from components.spec.task import CardText, Task

_HEAD = SequenceClassification(
    text_features=("review",), label_feature="opinion", classes=("bad", "good")
)

TASK = Task(
    name="reviews",
    data=DataSource(reader="tsv"),
    head=_HEAD,
    metrics=sequence_classification.metrics(_HEAD),
    thresholds={"accuracy": Threshold(bound=0.5), "f1": Threshold(bound=0.5)},
    slices=("opinion", "words"),
    hyperparameters=Hyperparameters(),
    card=CardText(
        description="Says whether a review praises (1) or not (0).",
        limits=("Made for a test.",),
        data_licence="None.",
    ),
)
