"""SQuAD 1.1: which part of a paragraph answers a question? (Rajpurkar et al., 2016.)"""

import os

from components.data.readers.squad_json import misalignment, read_questions
from components.evaluation.metrics.span_extraction import of_answers
from components.models.heads.span_extraction import SpanExtraction, SpanHyperparameters
from components.spec.task import Card, DataFormat, LocatedRow, OfficialFile, Row, Task, Threshold

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


def read_official(folder: str) -> dict[str, list[LocatedRow]]:
    """The rows of the official files; dev is the eval split."""
    files = {"train": _TRAIN, "eval": _DEV}
    return {
        split: list(read_questions(os.path.join(folder, file.name)))
        for split, file in files.items()
    }


def _context_and_question(row: Row) -> tuple:
    return row["context"], row["question"]


TASK = Task(
    name="squad",
    data=DataFormat(
        files=(_TRAIN, _DEV),
        read_official=read_official,
        read_file=read_questions,
        key=_context_and_question,
        misalignment=misalignment,
    ),
    head=SpanExtraction(),
    metrics=of_answers(),
    thresholds={"exact_match": Threshold(floor=0.50), "f1": Threshold(floor=0.60)},
    slices=("question_word", "context_words", "answer_words"),
    hyperparameters=SpanHyperparameters(
        epochs=2, learning_rate=1e-4, head_learning_rate=1e-3, batch_size=32, max_length=384
    ),
    card=Card(
        description="Finds the part of a context that answers a question.",
        limits=(
            "English questions on Wikipedia paragraphs; not tried on other text.",
            "It always answers: SQuAD 1.1 has no question without an answer.",
            "The answer is one unbroken part of the context, of at most max_answer_length pieces.",
        ),
        data_licence="SQuAD 1.1: CC BY-SA 4.0.",
    ),
)
