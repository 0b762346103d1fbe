"""An encoder that was found, as the stages are told of it."""

import dataclasses

from components.spec.value import Value


@dataclasses.dataclass(frozen=True)
class Encoder(Value):
    """An encoder that was found, loaded and run once.

    Attributes:
      handle: what the user called it.
      path: folder of the SavedModel, absolute, or gs://.
      sha256: of the content, see `components/models/bert/inspection.py`.
      vocab_file: path of the vocabulary inside.
      lower_case: whether text is lower-cased before it is looked up there.
      hidden_size: width of pooled_output and sequence_output.
      max_positions: tokens of the longest sequence; None where the SavedModel does not show it.
    """

    handle: str
    path: str
    sha256: str
    vocab_file: str
    lower_case: bool
    hidden_size: int
    max_positions: int | None
