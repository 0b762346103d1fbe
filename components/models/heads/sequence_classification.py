"""Pairs of sentences in, one of a few classes out.

TensorFlow is imported inside the methods: a task is also read where no tensor is touched.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class PairClassification:
    """A softmax over classes, from the encoder's view of both sentences.

    Attributes:
      text_features: the two raw text features.
      label_feature: the raw int64 feature with the class, 0 <= class < num_labels.
      num_labels: how many classes there are.
      positive_label: the class that precision, recall, F1 and AUC are about.
    """

    text_features: tuple[str, str]
    label_feature: str
    num_labels: int = 2
    positive_label: int = 1

    offset_features = ()
    prediction_key = "probabilities"

    @property
    def label_key(self) -> str:
        return self.label_feature

    def targets(self, raw: dict, pieces: dict) -> dict:
        del pieces
        return {self.label_feature: raw[self.label_feature]}

    def trainable(self, features: dict):
        import tensorflow as tf

        return tf.ones_like(features[self.label_feature], tf.bool)

    def training_rows(self, features: dict, vocabulary, hyperparameters) -> tuple:
        return self._pack(features, vocabulary, hyperparameters), features[self.label_feature]

    def _pack(self, features: dict, vocabulary, hyperparameters) -> dict:
        from components.models.bert.packing import pack_pair

        first, second = (features[f"{name}_ids"] for name in self.text_features)
        return pack_pair(first, second, vocabulary, hyperparameters.max_length)

    def logits(self, inputs: dict, outputs: dict, dropout: float):
        """What the encoder makes of the pair -> logits, float32 [batch, num_labels].

        Beside the last state of [CLS], the head sees how the two sentences' mean states u and v differ:
        |u - v| and u * v (https://arxiv.org/abs/1908.10084, section 3). All three are normalized, and
        the head starts from zero, so that no first guess of its own has to be unlearned. The encoder's
        pooler is left out: MiniLM-L6's was never trained.
        """
        import tensorflow as tf

        from components.models.bert.layers import HeadDropout, LayerNormalization

        second = inputs["input_type_ids"]
        states = outputs["sequence_output"]
        u = _mean(states, inputs["input_mask"] - second)
        v = _mean(states, second)
        seen = [states[:, 0], tf.abs(u - v), u * v]
        seen = tf.concat([LayerNormalization()(part) for part in seen], axis=-1)
        return tf.keras.layers.Dense(
            self.num_labels, kernel_initializer="zeros", dtype=tf.float32, name="logits"
        )(HeadDropout(dropout)(seen))

    def loss(self, targets, logits):
        """targets: int64 [batch] or, as Keras hands it over, [batch, 1]; logits: [batch, num_labels]."""
        import tensorflow as tf

        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=tf.reshape(targets, [-1]), logits=logits
            )
        )

    def answer(self, apply, features: dict, raw: dict, vocabulary, hyperparameters) -> dict:
        """probabilities: float32 [batch, num_labels]; label: int64 [batch], the likeliest class."""
        import tensorflow as tf

        rows = self._pack(features, vocabulary, hyperparameters)
        specs = tf.TensorSpec([None, self.num_labels], tf.float32)
        logits = apply(rows, lambda inputs, logits: logits, specs)
        return {
            "probabilities": tf.nn.softmax(logits),
            "label": tf.argmax(logits, axis=-1, output_type=tf.int64),
        }


def _mean(states, chosen):
    """states: [batch, length, hidden]; chosen: 0 or 1, [batch, length] -> [batch, hidden]."""
    import tensorflow as tf

    weights = tf.cast(chosen, states.dtype)
    total = tf.linalg.matvec(states, weights, transpose_a=True)
    return total / tf.maximum(tf.reduce_sum(weights, axis=1, keepdims=True), 1.0)
