"""What a head is: the part of the model that makes one kind of answer, and how it is found.

B  examples or sequences of a batch      T  tokens of a sequence
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import tensorflow as tf

from components.models.bert.packing import Sequences
from components.models.bert.tokenizer import Vocabulary
from components.spec.heads import HeadConfig, head_module

# Feature name -> tensor [B, ...], ragged or sparse where an example has any number of values.
Features = Mapping[str, Any]
# (sequences, reduce, specs) -> what `reduce` makes of the model's logits, for any number of sequences;
# see `components.training.export.apply_in_chunks`.
Apply = Callable[[Sequences, Callable[[dict, tf.Tensor], Any], Any], Any]


class Head(Protocol):
    """Turns examples into what the encoder reads, and the encoder's output into answers.

    Attributes:
      config: what it was built from.
    """

    config: Any

    def targets(self, raw: Features, tokens: Features) -> dict[str, tf.Tensor]:
        """Makes the features that Transform stores beside the tokens, for training only.

        Args:
          raw: raw features, as `schema/<task>.pbtxt` shapes them.
          tokens: what Transform makes of the texts.

        Returns:
          Feature name -> tensor [B].
        """
        ...

    def is_trainable(self, features: Features) -> tf.Tensor:
        """Returns which of the stored examples can be trained on, bool [B]."""
        ...

    def unusable(self, features: Features) -> Mapping[str, tf.Tensor]:
        """Returns why stored examples cannot be trained on: reason -> where it holds, bool [B].

        Each example that `is_trainable` leaves out has one reason.
        """
        ...

    def training_features(
        self, features: Features, vocabulary: Vocabulary, hyperparameters: Any
    ) -> tuple[Sequences, tf.Tensor]:
        """Packs stored examples into sequences and their targets.

        Args:
          features: what Transform stored.
          hyperparameters: of the type that the head's config asks for.

        Returns:
          Ragged sequences for the encoder and their dense targets, [sequences, ...]; an example may
          make several.
        """
        ...

    def network(
        self, inputs: Mapping[str, tf.Tensor], outputs: Mapping[str, tf.Tensor], dropout: float
    ) -> tf.Tensor:
        """Builds the layers that turn the encoder's inputs [B, T] and outputs into logits.

        Returns:
          float32 [B, ...].
        """
        ...

    def loss(self, targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Computes the mean loss of the batch, float32 []."""
        ...

    def answers(
        self,
        apply: Apply,
        features: Features,
        raw: Features,
        vocabulary: Vocabulary,
        hyperparameters: Any,
    ) -> dict[str, tf.Tensor]:
        """Makes the outputs of the exported signatures.

        Args:
          apply: runs the trained model.
          features: what Transform makes of `raw`, ids as int32.
          raw: the text features, string [B].
          hyperparameters: those that the model was trained with.

        Returns:
          Output name -> tensor [B, ...].
        """
        ...


def build_head(config: HeadConfig) -> Head:
    """Builds the head of a config, from the module that is named like the config's kind."""
    module = importlib.import_module(head_module(config))
    return cast(Head, module.Head(config))
