"""Writes the SavedModel that is evaluated, checked and pushed: raw text in, answers out."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from components.models.bert.packing import Sequences, pad
from components.models.bert.tokenizer import Vocabulary
from components.models.heads.head import Head
from components.spec.hyperparameters import Hyperparameters

_SEQUENCES_AT_ONCE = 32


class Servable(tf.Module):
    """A trained model behind the two signatures of every pushed version.

    serving_default: one string tensor [batch] for each text feature, by its name.
    serve_examples: serialized tf.Examples, [batch], under `examples`.

    Both answer through the Transform graph and the packing that training used.
    """

    def __init__(
        self,
        model: tf.keras.Model,
        transform_layer: Callable[[dict], dict],
        head: Head,
        vocabulary: Vocabulary,
        hyperparameters: Hyperparameters,
        raw_spec: dict,
    ):
        """Keeps the `weights` of the model, in Keras' order.

        Args:
          model: a Keras model, padded inputs -> logits.
          raw_spec: parses the text features of a tf.Example.
        """
        super().__init__()
        # Not the model itself, which Keras would trace three times more, for Keras alone to load.
        self.weights = model.weights
        self._model = functools.partial(model, training=False)
        self.transform_layer = transform_layer
        self._text_features = head.config.text_features
        self._head, self._vocabulary, self._hyperparameters = head, vocabulary, hyperparameters
        self._raw_spec = {name: raw_spec[name] for name in self._text_features}

    def signatures(self) -> dict:
        """Returns name -> tf.function, without AutoGraph: nothing needs it, and it is slow on Keras."""
        text = [tf.TensorSpec([None], tf.string, name) for name in self._text_features]
        examples = tf.TensorSpec([None], tf.string, "examples")

        @tf.function(input_signature=text, autograph=False)
        def serving_default(*values):
            return self._answer(dict(zip(self._text_features, _equally_many(values))))

        @tf.function(input_signature=[examples], autograph=False)
        def serve_examples(examples):
            (serialized,) = _equally_many((examples,))
            return self._answer(tf.io.parse_example(serialized, self._raw_spec))

        return {"serving_default": serving_default, "serve_examples": serve_examples}

    def _answer(self, raw: dict) -> dict:
        features = {
            name: tf.cast(value, tf.int32) if name.endswith("_ids") else value
            for name, value in self.transform_layer(raw).items()
        }
        apply = functools.partial(apply_in_chunks, self._model)
        return self._head.answers(apply, features, raw, self._vocabulary, self._hyperparameters)


def _equally_many(values: tuple) -> list:
    """Checks that all values are strings [batch] and equally many, and returns them.

    A server passes on tensors of any shape. Kernels that do not check the shape would read beyond their
    memory.
    """
    texts = [tf.ensure_shape(value, [None]) for value in values]
    checks = [
        tf.debugging.assert_equal(
            tf.size(v), tf.size(texts[0]), "Each example needs all of its texts."
        )
        for v in texts[1:]
    ]
    with tf.control_dependencies([check for check in checks if check is not None]):
        return [tf.identity(text) for text in texts]


def apply_in_chunks(
    model: Callable, sequences: Sequences, reduce: Callable[[dict, tf.Tensor], Any], specs: Any
) -> Any:
    """Runs the model on any number of sequences, in bounded memory and with little padding.

    Sequences are sorted by length and run 32 at a time, each chunk padded to its own longest.

    Args:
      model: padded inputs -> logits [batch, ...].
      sequences: ragged, [batch, (tokens)], see `components/models/bert/packing.py`.
      reduce: (padded inputs, logits) of a chunk -> a tensor or a tuple of them, [batch, ...].
      specs: the tf.TensorSpec of each.

    Returns:
      What `reduce` made, in the order of the sequences.
    """
    order = tf.argsort(sequences["input_word_ids"].row_lengths())
    count = tf.size(order)
    flat_specs = tf.nest.flatten(specs)
    chunks = [
        tf.TensorArray(spec.dtype, size=0, dynamic_size=True, infer_shape=False)
        for spec in flat_specs
    ]

    def apply_to_chunk(start, chunks):
        chosen = order[start : start + _SEQUENCES_AT_ONCE]
        chunk = pad({name: tf.gather(value, chosen) for name, value in sequences.items()})
        made = tf.nest.flatten(reduce(chunk, model(chunk)))
        chunks = [c.write(start // _SEQUENCES_AT_ONCE, m) for c, m in zip(chunks, made)]
        return start + _SEQUENCES_AT_ONCE, chunks

    # One chunk even of no sequence, for the shape of the result.
    _, chunks = tf.while_loop(
        lambda start, _: start < tf.maximum(count, 1), apply_to_chunk, (0, chunks)
    )
    original = tf.argsort(order)
    together = [
        tf.gather(tf.ensure_shape(chunk.concat(), spec.shape), original)
        for chunk, spec in zip(chunks, flat_specs)
    ]
    return tf.nest.pack_sequence_as(specs, together)


def export(servable: Servable, directory: str) -> None:
    """Writes the SavedModel with both signatures."""
    tf.saved_model.save(servable, directory, signatures=servable.signatures())
