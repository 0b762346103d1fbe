"""The BERT network, and its export as a SavedModel with TF Hub's interface for BERT encoders.

The weights live in one flat mapping from names to arrays. Names are those of TF Hub's encoders, so
that both look the same to the optimizer, but that query, key and value share one matrix. Shapes:

    B  sequences of a batch   H  hidden size
    T  tokens of a sequence   N  attention heads
"""

import dataclasses
import math
import os
import tempfile
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from components.models.bert.layers import Dropout, attention, dense, dropout_state, gelu, layer_norm

ACTIVATIONS: Mapping[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "gelu": gelu,
    "gelu_new": lambda x: tf.nn.gelu(x, approximate=True),
    "gelu_pytorch_tanh": lambda x: tf.nn.gelu(x, approximate=True),
    "relu": tf.nn.relu,
}
INPUTS = ("input_word_ids", "input_mask", "input_type_ids")


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """Everything about a BERT network except its weights.

    Attributes:
      vocab_size: tokens of the vocabulary.
      hidden_size: width of a hidden state; a multiple of `num_heads`.
      num_layers: transformer layers.
      num_heads: attention heads of a layer.
      intermediate_size: width inside the feed-forward part of a layer.
      max_positions: tokens of the longest sequence.
      type_vocab_size: segments that a sequence may have.
      layer_norm_epsilon: added to the variance.
      dropout: probability of dropping a hidden unit, in training.
      attention_dropout: the same for an attention weight.
      hidden_act: a key of `ACTIVATIONS`; "gelu" is the exact one, with erf.
    """

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int
    max_positions: int = 512
    type_vocab_size: int = 2
    layer_norm_epsilon: float = 1e-12
    dropout: float = 0.1
    attention_dropout: float = 0.1
    hidden_act: str = "gelu"


def variable_shapes(config: EncoderConfig) -> dict[str, tuple[int, ...]]:
    """Returns the name and shape of every weight, in the order of the forward pass."""
    hidden, inner = config.hidden_size, config.intermediate_size
    shapes: dict[str, tuple[int, ...]] = {
        "word_embeddings/embeddings": (config.vocab_size, hidden),
        "position_embedding/embeddings": (config.max_positions, hidden),
        "type_embeddings/embeddings": (config.type_vocab_size, hidden),
    }

    def dense(name: str, inputs: int, outputs: int) -> None:
        shapes[f"{name}/kernel"] = (inputs, outputs)
        shapes[f"{name}/bias"] = (outputs,)

    def layer_norm(name: str) -> None:
        shapes[f"{name}/gamma"] = (hidden,)
        shapes[f"{name}/beta"] = (hidden,)

    layer_norm("embeddings/layer_norm")
    for index in range(config.num_layers):
        layer = f"transformer/layer_{index}"
        dense(f"{layer}/self_attention/query_key_value", hidden, 3 * hidden)
        dense(f"{layer}/self_attention/attention_output", hidden, hidden)
        layer_norm(f"{layer}/self_attention_layer_norm")
        dense(f"{layer}/intermediate", hidden, inner)
        dense(f"{layer}/output", inner, hidden)
        layer_norm(f"{layer}/output_layer_norm")
    dense("pooler_transform", hidden, hidden)
    return shapes


def initial_value(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draws a weight as BERT starts: normal, deviation 0.02, cut at two; scales are 1, biases 0."""
    if not name.endswith(("/kernel", "/embeddings")):
        return np.full(shape, 1.0 if name.endswith("/gamma") else 0.0, np.float32)
    value = rng.standard_normal(shape, np.float32)
    while np.any(far := np.abs(value) > 2):
        value[far] = rng.standard_normal(int(far.sum()), np.float32)
    return 0.02 * value


class Bert(tf.Module):
    """BERT as Devlin et al. (2018) describe it: layer normalization comes after each addition.

    Written for the speed of training on a CPU: plain matrix products over [B*T, ...], one of them for
    query, key and value together, and what `layers` brings.

    Attributes:
      config: see `EncoderConfig`.
      weights: the variables by name, as `variable_shapes` names them.
      dropout_seed, dropout_calls: int64 []; each pair of values has its own masks. A call in training
        adds 1 to `dropout_calls`.
    """

    def __init__(self, config: EncoderConfig, values: Mapping[str, np.ndarray]):
        super().__init__(name="bert")
        self.config = config
        self.weights = {
            name: tf.Variable(values[name], name=name, dtype=tf.float32, shape=shape)
            for name, shape in variable_shapes(config).items()
        }
        self.dropout_seed, self.dropout_calls = dropout_state()

    def __call__(
        self, inputs: Mapping[str, tf.Tensor], training: bool = False
    ) -> dict[str, tf.Tensor | list[tf.Tensor]]:
        """Encodes a batch of packed sequences.

        Args:
          inputs: "input_word_ids", "input_mask" (1 where there is a token, else 0) and
            "input_type_ids", each int32 [B, T].
          training: whether dropout is on.

        Returns:
          "pooled_output" [B, H] (also as "default"), "sequence_output" [B, T, H] and
          "encoder_outputs", a list of one [B, T, H] per layer.
        """
        config = self.config
        dropout = self._dropout() if training else None
        batch, length = tf.unstack(tf.shape(inputs["input_word_ids"]))
        rows = self._drop(self._embed(inputs, length), dropout)
        # [B, 1, 1, T]: added to the scores; exp of it is 0 in float32.
        mask = (tf.cast(inputs["input_mask"], tf.float32)[:, None, None, :] - 1.0) * 1e9
        outputs = []
        for index in range(config.num_layers):
            rows = self._layer(f"transformer/layer_{index}", rows, mask, batch, length, dropout)
            outputs.append(tf.reshape(rows, [batch, length, config.hidden_size]))
        sequence = outputs[-1]
        pooled = tf.tanh(self._dense("pooler_transform", sequence[:, 0]))
        return {
            "default": pooled,
            "pooled_output": pooled,
            "sequence_output": sequence,
            "encoder_outputs": outputs,
        }

    def _dropout(self) -> Dropout:
        call = self.dropout_calls.assign_add(1, read_value=True)
        return Dropout(self.dropout_seed.read_value(), call, sites=1 + 3 * self.config.num_layers)

    def _embed(self, inputs: Mapping[str, tf.Tensor], length: tf.Tensor) -> tf.Tensor:
        """Embeds three inputs, int32 [B, T] -> [B*T, H]."""
        # From its value: a variable that rows are gathered from is copied whenever it is read later.
        vocabulary = tf.convert_to_tensor(self.weights["word_embeddings/embeddings"])
        words = tf.gather(vocabulary, inputs["input_word_ids"])
        types = tf.gather(self.weights["type_embeddings/embeddings"], inputs["input_type_ids"])
        positions = self.weights["position_embedding/embeddings"][:length]
        rows = tf.reshape(words + types + positions, [-1, self.config.hidden_size])
        return self._layer_norm("embeddings/layer_norm", rows)

    def _layer(self, name: str, rows, mask, batch, length, dropout) -> tf.Tensor:
        """Computes one transformer layer, [B*T, H] -> [B*T, H]; `mask` is [B, 1, 1, T]."""
        attended = self._attention(f"{name}/self_attention", rows, mask, batch, length, dropout)
        rows = self._layer_norm(f"{name}/self_attention_layer_norm", rows + attended)
        inner = ACTIVATIONS[self.config.hidden_act](self._dense(f"{name}/intermediate", rows))
        update = self._drop(self._dense(f"{name}/output", inner), dropout)
        return self._layer_norm(f"{name}/output_layer_norm", rows + update)

    def _attention(self, name: str, rows, mask, batch, length, dropout) -> tf.Tensor:
        """Computes multi-head self-attention, [B*T, H] -> [B*T, H]."""
        hidden_size, heads = self.config.hidden_size, self.config.num_heads
        size = hidden_size // heads
        together = self._dense(f"{name}/query_key_value", rows)
        together = tf.reshape(together, [batch, length, 3, heads, size])
        # Each [B, N, T, H/N]; taking axis 0 apart copies nothing.
        query, key, value = tf.unstack(tf.transpose(together, [2, 0, 3, 1, 4]))
        query *= 1.0 / math.sqrt(size)
        context = attention(query, key, value, mask, dropout, self.config.attention_dropout)
        context = tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [-1, hidden_size])
        return self._drop(self._dense(f"{name}/attention_output", context), dropout)

    def _drop(self, x: tf.Tensor, dropout: Dropout | None) -> tf.Tensor:
        return dropout(x, self.config.dropout) if dropout else x

    def _dense(self, name: str, x: tf.Tensor) -> tf.Tensor:
        """Applies the dense layer of that name, [rows, inputs] -> [rows, outputs]."""
        return dense(x, self.weights[f"{name}/kernel"], self.weights[f"{name}/bias"])

    def _layer_norm(self, name: str, x: tf.Tensor) -> tf.Tensor:
        """Applies the layer normalization of that name, [rows, H] -> [rows, H]."""
        gamma, beta = self.weights[f"{name}/gamma"], self.weights[f"{name}/beta"]
        return layer_norm(x, gamma, beta, self.config.layer_norm_epsilon)


def save(
    config: EncoderConfig,
    values: Mapping[str, np.ndarray],
    vocabulary: list[str],
    lower_case: bool,
    directory: str,
) -> None:
    """Writes an encoder as a SavedModel that `hub.KerasLayer(directory, trainable=True)` trains.

    Args:
      config: the network.
      values: the weights, by the names and in the shapes of `variable_shapes(config)`.
      vocabulary: the tokens, in the order of their ids.
      lower_case: whether the vocabulary is made of lower-cased text.
      directory: where to write; must not hold a SavedModel yet.
    """
    bert = Bert(config, values)

    @tf.function
    def call(inputs, training=False, mask=None):
        del mask  # Keras passes one; sequences carry their own.
        return bert(inputs, training)

    spec = {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in INPUTS}
    for training in (False, True):
        call.get_concrete_function(spec, training=training)
    # tf.Module's `variables` are properties, which a SavedModel does not keep; hub.KerasLayer trains
    # what it finds in lists on the root object.
    root = tf.train.Checkpoint(bert=bert)
    root.__call__ = call
    root.variables = list(bert.weights.values())
    root.trainable_variables = list(bert.weights.values())
    root.regularization_losses = []
    root.dropout_seed, root.dropout_calls = bert.dropout_seed, bert.dropout_calls
    root.do_lower_case = tf.Variable(lower_case, trainable=False, name="do_lower_case")
    with tempfile.TemporaryDirectory() as scratch:
        vocab_file = os.path.join(scratch, "vocab.txt")
        with open(vocab_file, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{token}\n" for token in vocabulary)
        root.vocab_file = tf.saved_model.Asset(vocab_file)
        tf.saved_model.save(root, directory)
