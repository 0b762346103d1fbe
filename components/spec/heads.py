"""What a model answers, as a value; `components/models/heads` has the network that is built from it.

A kind of answer is a class here, a module of the same name as its `kind` in `components/models/heads`,
and one in `components/evaluation/metrics`.
"""

import dataclasses
from typing import ClassVar, Literal, TypeAlias

from components.common.errors import InputError
from components.spec.hyperparameters import Hyperparameters, SpanHyperparameters
from components.spec.value import Value


@dataclasses.dataclass(frozen=True)
class SequenceClassification(Value):
    """One of a few classes for one text, or for a pair of texts.

    Attributes:
      text_features: the raw text features, one or two.
      label_feature: the raw int64 feature with the class, a position in `classes`.
      classes: names of the classes, two or more; a name that is a number is the class's position.
      positive_class: of two classes, the one that precision, recall, F1 and AUC are about.
    """

    text_features: tuple[str, ...]
    label_feature: str
    classes: tuple[str, ...]
    positive_class: int = 1
    kind: Literal["sequence_classification"] = "sequence_classification"

    prediction_key: ClassVar[str] = "probabilities"
    offset_features: ClassVar[tuple[str, ...]] = ()
    hyperparameters: ClassVar[type[Hyperparameters]] = Hyperparameters

    def __post_init__(self) -> None:
        if not 1 <= len(self.text_features) <= 2:
            raise InputError(f"text_features is {self.text_features}: name one feature, or two.")
        if len(set(self.classes)) < 2 or len(set(self.classes)) < len(self.classes):
            raise InputError(f"classes is {self.classes}: name two or more, each once.")
        if wrong := [n for i, n in enumerate(self.classes) if n.isdigit() and n != str(i)]:
            raise InputError(
                f"classes is {self.classes}: {wrong[0]} does not stand at that position."
            )
        if not 0 <= self.positive_class < len(self.classes):
            raise InputError(f"positive_class is {self.positive_class}: there is no such class.")

    @property
    def label_key(self) -> str:
        """The raw feature that the Evaluator compares with `prediction_key`."""
        return self.label_feature

    @property
    def class_feature(self) -> str | None:
        """The raw feature with an example's class, None where examples have none."""
        return self.label_feature


@dataclasses.dataclass(frozen=True)
class SpanExtraction(Value):
    """The part of a context that answers a question.

    Attributes:
      text_features: the raw question and context.
      answer_feature: the raw feature with the texts of all reference answers.
      start_feature: the raw feature with where they start in the context, in characters.
    """

    text_features: tuple[str, str] = ("question", "context")
    answer_feature: str = "answer_text"
    start_feature: str = "answer_start"
    kind: Literal["span_extraction"] = "span_extraction"

    prediction_key: ClassVar[str] = "answer"
    hyperparameters: ClassVar[type[Hyperparameters]] = SpanHyperparameters
    class_feature: ClassVar[str | None] = None

    @property
    def offset_features(self) -> tuple[str, ...]:
        """The text features whose tokens' byte offsets are stored too."""
        return self.text_features[1:]

    @property
    def label_key(self) -> str:
        """The raw feature that the Evaluator compares with `prediction_key`."""
        return self.answer_feature


HeadConfig: TypeAlias = SequenceClassification | SpanExtraction
KINDS: dict[str, type[HeadConfig]] = {
    head.kind: head for head in (SequenceClassification, SpanExtraction)
}


def head_module(head: HeadConfig) -> str:
    """Names the module that computes with a head; `code_sha256` has to be given it by name."""
    return f"components.models.heads.{head.kind}"


def metrics_module(head: HeadConfig) -> str:
    """Names the module with the metrics of a head's kind."""
    return f"components.evaluation.metrics.{head.kind}"


def ids_feature(text: str) -> str:
    """Names the feature with the wordpiece ids of a text feature, ragged [batch, (tokens)]."""
    return f"{text}_ids"


def starts_feature(text: str) -> str:
    """Names the feature with where each token starts, in bytes, ragged [batch, (tokens)]."""
    return f"{text}_starts"


def ends_feature(text: str) -> str:
    """Names the feature with where each token ends, in bytes, ragged [batch, (tokens)]."""
    return f"{text}_ends"


def n_tokens_feature(text: str) -> str:
    """Names the feature with the number of tokens of a text feature, [batch]."""
    return f"{text}_n_tokens"


def n_unknown_tokens_feature(text: str) -> str:
    """Names the feature with the number of its tokens that are [UNK], [batch]."""
    return f"{text}_n_unknown_tokens"
