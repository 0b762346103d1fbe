"""One text or a pair of texts in, one of a few classes out."""

from collections.abc import Mapping

import tensorflow as tf

from components.models.bert.layers import HeadDropout, LayerNormalization
from components.models.bert.packing import Sequences, pack_pair, pack_single
from components.models.bert.tokenizer import Vocabulary
from components.models.heads.head import Apply, Features
from components.spec.heads import SequenceClassification, ids_feature
from components.spec.hyperparameters import Hyperparameters


class Head:
    """A softmax over classes, from the encoder's view of one text or two."""

    def __init__(self, config: SequenceClassification):
        """Keeps the config; the weights come with `network`."""
        self.config = config

    def targets(self, raw: Features, tokens: Features) -> dict[str, tf.Tensor]:
        """Returns the class, int64 [B]."""
        del tokens
        label = self.config.label_feature
        return {label: raw[label]}

    def is_trainable(self, features: Features) -> tf.Tensor:
        """Returns True for every example, bool [B]."""
        return tf.ones_like(features[self.config.label_feature], tf.bool)

    def unusable(self, features: Features) -> dict[str, tf.Tensor]:
        """Returns no reason: every class can be learned."""
        return {}

    def training_features(
        self, features: Features, vocabulary: Vocabulary, hyperparameters: Hyperparameters
    ) -> tuple[Sequences, tf.Tensor]:
        """Packs one sequence for each example; the targets are int64 [B]."""
        sequences = self._pack(features, vocabulary, hyperparameters)
        return sequences, features[self.config.label_feature]

    def _pack(
        self, features: Features, vocabulary: Vocabulary, hyperparameters: Hyperparameters
    ) -> Sequences:
        ids = [features[ids_feature(name)] for name in self.config.text_features]
        if len(ids) == 1:
            return pack_single(ids[0], vocabulary, hyperparameters.max_seq_length)
        return pack_pair(ids[0], ids[1], vocabulary, hyperparameters.max_seq_length)

    def network(
        self, inputs: Mapping[str, tf.Tensor], outputs: Mapping[str, tf.Tensor], dropout: float
    ) -> tf.Tensor:
        """Builds the layers that end in the logits, float32 [B, classes].

        Beside the last state of [CLS], the head sees the mean state u of one text; of two texts, how
        their mean states u and v differ: |u - v| and u * v (https://arxiv.org/abs/1908.10084, section
        3). All are normalized. The head starts from zero, so that training has no random first guess
        to undo. The encoder's pooler is left out: MiniLM-L6's was never trained.
        """
        states = outputs["sequence_output"]
        if len(self.config.text_features) == 1:
            seen = [states[:, 0], _mean(states, inputs["input_mask"])]
        else:
            second = inputs["input_type_ids"]
            u = _mean(states, inputs["input_mask"] - second)
            v = _mean(states, second)
            seen = [states[:, 0], tf.abs(u - v), u * v]
        together = tf.concat([LayerNormalization()(part) for part in seen], axis=-1)
        return tf.keras.layers.Dense(
            len(self.config.classes), kernel_initializer="zeros", dtype=tf.float32, name="logits"
        )(HeadDropout(dropout)(together))

    def loss(self, targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Computes the mean cross entropy, float32 [].

        Args:
          targets: int64 [B] or, as Keras hands it over, [B, 1].
          logits: [B, classes].
        """
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=tf.reshape(targets, [-1]), logits=logits
            )
        )

    def answers(
        self,
        apply: Apply,
        features: Features,
        raw: Features,
        vocabulary: Vocabulary,
        hyperparameters: Hyperparameters,
    ) -> dict[str, tf.Tensor]:
        """Returns probabilities, float32 [B, classes], and label, int64 [B], the likeliest class."""
        del raw
        sequences = self._pack(features, vocabulary, hyperparameters)
        specs = tf.TensorSpec([None, len(self.config.classes)], tf.float32)
        logits = apply(sequences, lambda inputs, logits: logits, specs)
        return {
            "probabilities": tf.nn.softmax(logits),
            "label": tf.argmax(logits, axis=-1, output_type=tf.int64),
        }


def _mean(states: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """Averages states [B, T, hidden] where `chosen` [B, T] is 1 -> [B, hidden]."""
    weights = tf.cast(chosen, states.dtype)
    total = tf.linalg.matvec(states, weights, transpose_a=True)
    return total / tf.maximum(tf.reduce_sum(weights, axis=1, keepdims=True), 1.0)
