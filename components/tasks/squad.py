"""SQuAD 1.1: which part of a paragraph answers a question (Rajpurkar et al., 2016)."""

from components.evaluation.metrics import span_extraction
from components.spec.data_source import DataSource, OfficialFile
from components.spec.heads import SpanExtraction
from components.spec.hyperparameters import SpanHyperparameters
from components.spec.metrics import Threshold
from components.spec.task import CardText, Task

_DATASET = "https://rajpurkar.github.io/SQuAD-explorer/dataset"
_TRAIN = OfficialFile(
    name="train-v1.1.json",
    url=f"{_DATASET}/train-v1.1.json",
    size=30_288_272,
    sha256="3527663986b8295af4f7fcdff1ba1ff3f72d07d61a20f487cb238a6ef92fd955",
)
_DEV = OfficialFile(
    name="dev-v1.1.json",
    url=f"{_DATASET}/dev-v1.1.json",
    size=4_854_279,
    sha256="95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9",
)
_HEAD = SpanExtraction()

TASK = Task(
    name="squad",
    data=DataSource(reader="squad_json", files=(_TRAIN, _DEV)),
    head=_HEAD,
    metrics=span_extraction.metrics(_HEAD),
    thresholds={"exact_match": Threshold(bound=0.50), "f1": Threshold(bound=0.60)},
    slices=("question_word", "context_words", "answer_words"),
    hyperparameters=SpanHyperparameters(
        epochs=2, learning_rate=1e-4, head_learning_rate=1e-3, batch_size=32, max_seq_length=384
    ),
    card=CardText(
        description="Finds the part of a context that answers a question.",
        limits=(
            "English questions on Wikipedia paragraphs; not tried on other text.",
            "It always answers: SQuAD 1.1 has no question without an answer.",
            "The answer is one unbroken part of the context, of at most max_answer_length tokens.",
        ),
        data_licence="SQuAD 1.1: CC BY-SA 4.0.",
    ),
)
