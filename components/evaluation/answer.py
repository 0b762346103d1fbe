"""A model's answer to one example, and whether it is right."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a model answered to one example.

    Attributes:
      text: the answer, for people.
      confidence: the probability that the model gives it.
      right: whether it is the expected one.
    """

    text: str
    confidence: float
    right: bool
