"""Makes batches of sequences of about equal length from transformed examples on disk."""

from collections.abc import Sequence

import tensorflow as tf

from components.models.bert.packing import pad
from components.models.bert.tokenizer import Vocabulary
from components.models.heads.head import Head
from components.spec.heads import ids_feature
from components.spec.hyperparameters import Hyperparameters

# tf.data would convert each function with AutoGraph; none needs it, and it takes seconds.
_as_it_stands = tf.autograph.experimental.do_not_convert

_PARSED_AT_ONCE = 256
_BATCHES_SORTED_AT_ONCE = 50
_HASHES = 1_000_000
# XLA compiles a step for each shape, and gives up after ten shapes.
_LENGTHS_FOR_JIT = 8


def read_examples(files: Sequence[str], feature_spec: dict) -> tf.data.Dataset:
    """Reads and parses examples, feature name -> tensor, 256 at a time, in the files' order.

    Args:
      files: gzip-compressed TFRecords of transformed examples.
      feature_spec: how to parse them.
    """

    @_as_it_stands
    def parse(serialized: tf.Tensor) -> dict:
        features = tf.io.parse_example(serialized, feature_spec)
        return {
            name: tf.cast(value, tf.int32) if name.endswith("_ids") else value
            for name, value in features.items()
        }

    return (
        tf.data.TFRecordDataset(list(files), compression_type="GZIP")
        .batch(_PARSED_AT_ONCE)
        .map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    )


def training_sequences(
    examples: tf.data.Dataset,
    head: Head,
    vocabulary: Vocabulary,
    hyperparameters: Hyperparameters,
    held_out: bool = False,
) -> tf.data.Dataset:
    """Packs the examples that can be trained on; each element is a sequence: (ragged inputs, target).

    Args:
      examples: see `read_examples`.
      vocabulary: of the encoder.
      held_out: True for the examples that validation holds out, False for the others.
    """
    fraction = hyperparameters.validation_fraction
    last_text = ids_feature(head.config.text_features[-1])

    @_as_it_stands
    def to_sequences(features: dict):
        chosen = head.is_trainable(features)
        if fraction or held_out:
            chosen &= tf.equal(_is_held_out(features[last_text], fraction), held_out)
        features = {
            name: tf.ragged.boolean_mask(value, chosen)
            for name, value in features.items()
            if not isinstance(value, tf.SparseTensor)
        }
        return head.training_features(features, vocabulary, hyperparameters)

    return examples.map(to_sequences, num_parallel_calls=tf.data.AUTOTUNE).unbatch()


def _is_held_out(tokens: tf.RaggedTensor, fraction: float) -> tf.Tensor:
    """Returns which examples validation holds out, bool [batch]; it depends on the last text only.

    So all questions about one context are on the same side, and the same examples judge all seeds.
    """
    text = tf.strings.reduce_join(tf.strings.as_string(tokens), axis=1, separator=" ")
    return tf.strings.to_hash_bucket_fast(text, _HASHES) < int(fraction * _HASHES)


def count_untrainable(examples: tf.data.Dataset, head: Head) -> int:
    """Counts the examples that cannot be trained on."""
    return int(
        examples.map(lambda features: tf.size(tf.where(~head.is_trainable(features)))).reduce(
            0, lambda total, count: total + count
        )
    )


def count(sequences: tf.data.Dataset) -> int:
    """Counts the elements of a data set by reading it."""
    return int(sequences.reduce(tf.constant(0, tf.int64), lambda so_far, _: so_far + 1))


def training_batches(
    sequences: tf.data.Dataset, n_sequences: int, hyperparameters: Hyperparameters, seed: int
) -> tf.data.Dataset:
    """Makes batches that hold every sequence once; the order depends on `seed` and on the pass.

    Sequences are shuffled, then sorted by length in pools of 50 batches, so that a batch holds little
    padding. Then the batches are shuffled, so that short sequences do not all come first.

    Returns:
      (inputs, targets): int32 [batch, longest sequence of the batch] each, and dense targets. For XLA
        the length is rounded up to one of a few.
    """
    batch_size = hyperparameters.batch_size
    pool = batch_size * _BATCHES_SORTED_AT_ONCE

    @_as_it_stands
    def sort_by_length(inputs, targets):
        order = tf.argsort(inputs["input_word_ids"].row_lengths())
        return tf.nest.map_structure(lambda value: tf.gather(value, order), (inputs, targets))

    @_as_it_stands
    def padded(inputs, targets):
        inputs = pad(inputs)
        if hyperparameters.jit_compile:
            inputs = _to_one_of_few_lengths(inputs, hyperparameters.max_seq_length)
        return inputs, targets

    return (
        sequences.shuffle(min(n_sequences, 100_000), seed=seed, reshuffle_each_iteration=True)
        .ragged_batch(pool)
        .map(sort_by_length)
        .unbatch()
        .ragged_batch(batch_size)
        .shuffle(_BATCHES_SORTED_AT_ONCE, seed=seed, reshuffle_each_iteration=True)
        .map(padded, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )


def _to_one_of_few_lengths(inputs: dict[str, tf.Tensor], longest: int) -> dict[str, tf.Tensor]:
    step = -(-longest // _LENGTHS_FOR_JIT)
    length = tf.shape(inputs["input_word_ids"])[1]
    more = tf.minimum(-(-length // step) * step, longest) - length
    return {name: tf.pad(value, [[0, 0], [0, more]]) for name, value in inputs.items()}
