"""MRPC: whether two sentences say the same (Dolan and Brockett, 2005; GLUE's train and dev split)."""

from components.evaluation.metrics import sequence_classification
from components.spec.data_source import DataSource, OfficialFile
from components.spec.heads import SequenceClassification
from components.spec.hyperparameters import Hyperparameters
from components.spec.metrics import Threshold
from components.spec.task import CardText, Task

_SENTEVAL = "https://dl.fbaipublicfiles.com/senteval/senteval_data"
_TRAIN = OfficialFile(
    name="msr_paraphrase_train.txt",
    url=f"{_SENTEVAL}/msr_paraphrase_train.txt",
    size=1_047_044,
    sha256="60a9b09084528f0673eedee2b69cb941920f0b8cd0eeccefc464a98768457f89",
)
_DEV_IDS = OfficialFile(
    name="mrpc_dev_ids.tsv",
    url="https://dl.fbaipublicfiles.com/glue/data/mrpc_dev_ids.tsv",
    size=6_222,
    sha256="971d7767d81b997fd9060ade0ec23c4fc31cbb226a55d1bd4a1bac474eb81dc7",
)
_TEST = OfficialFile(
    name="msr_paraphrase_test.txt",
    url=f"{_SENTEVAL}/msr_paraphrase_test.txt",
    size=441_275,
    sha256="a04e271090879aaba6423d65b94950c089298587d9c084bf9cd7439bd785f784",
    optional=True,
)
_HEAD = SequenceClassification(
    text_features=("sentence1", "sentence2"), label_feature="label", classes=("0", "1")
)

TASK = Task(
    name="mrpc",
    data=DataSource(reader="mrpc", files=(_TRAIN, _DEV_IDS, _TEST)),
    head=_HEAD,
    metrics=sequence_classification.metrics(_HEAD),
    plots=sequence_classification.plots(_HEAD),
    # AUC too: of three trainings with a tenth of the labels flipped, one was worse in AUC only.
    thresholds={
        "accuracy": Threshold(bound=0.75),
        "f1": Threshold(bound=0.83),
        "auc": Threshold(bound=0.80),
    },
    slices=("label", "words", "overlap", "negation", "numbers"),
    hyperparameters=Hyperparameters(epochs=3, learning_rate=1e-4, head_learning_rate=5e-4),
    card=CardText(
        description="Says whether two sentences mean the same (label 1) or not (label 0).",
        limits=(
            "English news sentences of 2001 to 2004; not tried on other text.",
            "What goes beyond max_seq_length tokens is cut off, the longer sentence first.",
            "The probabilities are not calibrated.",
        ),
        data_licence="MRPC: Microsoft Research's licence, which rules commercial use out.",
    ),
)
