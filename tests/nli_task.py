"""A third task, whole: does the first sentence say, deny or leave open what the second one says?

tests/test_third_task.py copies this file to components/tasks/nli.py, and nli_schema.pbtxt beside it to
schema/nli.pbtxt. That is all that a task of a known kind needs.
"""

from components.evaluation.metrics import sequence_classification
from components.spec.data_source import DataSource
from components.spec.heads import SequenceClassification
from components.spec.hyperparameters import Hyperparameters
from components.spec.metrics import Threshold
from components.spec.task import CardText, Task

_HEAD = SequenceClassification(
    text_features=("premise", "hypothesis"),
    label_feature="label",
    classes=("entailment", "neutral", "contradiction"),
)

TASK = Task(
    name="nli",
    data=DataSource(reader="tsv"),
    head=_HEAD,
    metrics=sequence_classification.metrics(_HEAD),
    thresholds={"accuracy": Threshold(bound=0.4), "loss": Threshold(bound=1.2)},
    slices=("label", "words", "negation"),
    hyperparameters=Hyperparameters(),
    card=CardText(
        description="Says whether the second sentence follows (0), is left open (1) or is denied (2).",
        limits=("Made for a test.",),
        data_licence="None.",
    ),
)
