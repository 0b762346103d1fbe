"""The settings of the Trainer."""

import dataclasses
import math

from components.common.errors import InputError
from components.common.settings import bad_setting
from components.spec.value import Value

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
STRATEGIES = ("single", "mirrored", "workers")
_AT_LEAST = {
    **{"epochs": 1, "batch_size": 1, "max_seq_length": 8, "weight_decay": 0, "seed": 0},
    **{"early_stopping_patience": 0, "gradient_accumulation_steps": 1},
}
_SEEDS = 2**32  # NumPy's and TensorFlow's
_FRACTIONS = ("warmup_ratio", "dropout", "validation_fraction")
_POSITIVE = ("learning_rate", "head_learning_rate", "max_gradient_norm")


@dataclasses.dataclass(frozen=True)
class Hyperparameters(Value):
    """The settings of the Trainer; `--set name=value` reaches each field.

    Attributes:
      epochs: passes over the train split.
      learning_rate: peak, for the encoder; reached at the end of the warm-up.
      head_learning_rate: peak, for the head's weights, which start from nothing.
      batch_size: sequences a step, over all replicas: examples, or windows of them.
      max_seq_length: tokens a sequence, special tokens counted.
      warmup_ratio: fraction of all steps in which the learning rate rises from 0.
      weight_decay: decoupled; never on biases and layer normalization.
      dropout: on the head's input. The encoder's own is fixed in its SavedModel.
      max_gradient_norm: global norm to which gradients are clipped.
      precision: of the matrix products in training, one of `PRECISIONS`; see `devices/precision.py`.
      strategy: what trains, one of `STRATEGIES`: one device; all GPUs of this machine; the machines of
        TF_CONFIG, see docs/gpu.md. `batch_size` and the learning rates hold for all together.
      seed: of shuffling, dropout and the head's first weights.
      validation_fraction: fraction of the train split's examples that is held out to look at after
        each epoch; the best epoch's weights are kept. 0 for none: all are trained on, and the last
        weights kept.
      early_stopping_patience: training stops after this many epochs without a lower validation loss;
        0 for never.
      gradient_accumulation_steps: into how many parts each device cuts a batch that does not fit in
        memory; the update is the same.
      jit_compile: whether XLA compiles what it can of a step, on a GPU; see docs/gpu.md.
    """

    epochs: int = 3
    learning_rate: float = 5e-5
    head_learning_rate: float = 1e-3
    batch_size: int = 32
    max_seq_length: int = 128
    warmup_ratio: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.1
    max_gradient_norm: float = 1.0
    precision: str = "auto"
    strategy: str = "single"
    seed: int = 0
    validation_fraction: float = 0.0
    early_stopping_patience: int = 0
    gradient_accumulation_steps: int = 1
    jit_compile: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise bad_setting("precision", self.precision, f"one of {', '.join(PRECISIONS)}")
        if self.strategy not in STRATEGIES:
            raise bad_setting("strategy", self.strategy, f"one of {', '.join(STRATEGIES)}")
        for name, least in _AT_LEAST.items():
            if not getattr(self, name) >= least:  # NaN is not, either.
                raise bad_setting(name, getattr(self, name), f"{least} or more")
        if self.seed >= _SEEDS:
            raise bad_setting("seed", self.seed, f"less than {_SEEDS}")
        if self.gradient_accumulation_steps > self.batch_size:
            wanted = f"batch_size, {self.batch_size}, or less"
            raise bad_setting(
                "gradient_accumulation_steps", self.gradient_accumulation_steps, wanted
            )
        for name in _FRACTIONS:
            if not 0 <= getattr(self, name) < 1:
                raise bad_setting(name, getattr(self, name), "at least 0 and less than 1")
        if self.early_stopping_patience and not self.validation_fraction:
            raise bad_setting(
                "validation_fraction", self.validation_fraction, "above 0 to stop early"
            )
        for name in _POSITIVE:
            if not 0 < getattr(self, name) < math.inf:
                raise bad_setting(name, getattr(self, name), "more than 0")


@dataclasses.dataclass(frozen=True)
class SpanHyperparameters(Hyperparameters):
    """The settings of a Trainer of spans: those of every Trainer, and some more.

    Attributes:
      stride: tokens of context that neighbouring windows share.
      max_question_length: tokens of the question; what is longer is cut off.
      max_answer_length: tokens of the longest answer given.
    """

    max_seq_length: int = 384
    stride: int = 128
    max_question_length: int = 64
    max_answer_length: int = 30

    def __post_init__(self) -> None:
        super().__post_init__()
        room = self.max_seq_length - self.max_question_length - 3
        if not 0 <= self.stride < room:
            raise InputError(
                f"stride is {self.stride}; with max_seq_length {self.max_seq_length} and "
                f"max_question_length {self.max_question_length} a window has room for {room} tokens of "
                "context, and stride must be 0 or more and less than that. Pass another --set stride=, "
                "max_seq_length= or max_question_length=."
            )
        for name in ("max_question_length", "max_answer_length"):
            if getattr(self, name) < 1:
                raise bad_setting(name, getattr(self, name), "1 or more")
