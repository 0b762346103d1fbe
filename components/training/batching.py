"""Transformed examples on disk -> batches of rows of about equal length."""

from collections.abc import Sequence

import tensorflow as tf

from components.models.bert.packing import pad

# tf.data would convert each function with AutoGraph; none needs it, and it takes seconds.
_as_it_stands = tf.autograph.experimental.do_not_convert

_PARSED_AT_ONCE = 256
_BATCHES_SORTED_AT_ONCE = 50
_HASHES = 1_000_000
# XLA compiles a step for each shape, and gives up where they are more than ten.
_LENGTHS_FOR_XLA = 8


def read_examples(files: Sequence[str], feature_spec: dict) -> tf.data.Dataset:
    """Parsed examples, feature name -> tensor, some hundred at a time, in the files' order.

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


def training_rows(
    examples: tf.data.Dataset, head, vocabulary, hyperparameters, held_out: bool = False
) -> tf.data.Dataset:
    """One element a row: (ragged inputs of the encoder, target), of the examples that can be trained on.

    Args:
      examples: see `read_examples`.
      head, hyperparameters: see `components/heads`.
      vocabulary: of the encoder.
      held_out: whether of the examples that validation holds out, or of the others.
    """
    share = hyperparameters.validation_share
    last_text = f"{head.text_features[-1]}_ids"

    @_as_it_stands
    def to_rows(features: dict):
        chosen = head.trainable(features)
        if share or held_out:
            chosen &= tf.equal(_is_held_out(features[last_text], share), held_out)
        features = {
            name: tf.ragged.boolean_mask(value, chosen)
            for name, value in features.items()
            if not isinstance(value, tf.SparseTensor)
        }
        return head.training_rows(features, vocabulary, hyperparameters)

    return examples.map(to_rows, num_parallel_calls=tf.data.AUTOTUNE).unbatch()


def _is_held_out(pieces: tf.RaggedTensor, share: float) -> tf.Tensor:
    """Whether validation holds an example out: bool [batch], a function of its last text alone.

    So the questions about one context go the same way, and all seeds are judged by the same examples.
    """
    text = tf.strings.reduce_join(tf.strings.as_string(pieces), axis=1, separator=" ")
    return tf.strings.to_hash_bucket_fast(text, _HASHES) < int(share * _HASHES)


def count_untrainable(examples: tf.data.Dataset, head) -> int:
    """How many examples cannot be trained on, see `components/heads`."""
    return int(
        examples.map(lambda features: tf.size(tf.where(~head.trainable(features)))).reduce(
            0, lambda total, count: total + count
        )
    )


def count_rows(rows: tf.data.Dataset) -> int:
    return int(rows.reduce(tf.constant(0, tf.int64), lambda count, _: count + 1))


def training_batches(
    rows: tf.data.Dataset, row_count: int, hyperparameters, seed: int
) -> tf.data.Dataset:
    """Every row once, in an order that `seed` fixes and that each pass over the data set changes.

    Rows are shuffled, then sorted by length in pools of 50 batches, so that a batch holds little
    padding; then the batches are shuffled, so that length says nothing about time.

    Returns:
      (inputs, targets): int32 [batch, longest row of the batch] each, and dense targets. For XLA the
        length is the next of a few.
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
        if hyperparameters.xla:
            inputs = _to_one_of_few_lengths(inputs, hyperparameters.max_length)
        return inputs, targets

    return (
        rows.shuffle(min(row_count, 100_000), seed=seed, reshuffle_each_iteration=True)
        .ragged_batch(pool)
        .map(sort_by_length)
        .unbatch()
        .ragged_batch(batch_size)
        .shuffle(_BATCHES_SORTED_AT_ONCE, seed=seed, reshuffle_each_iteration=True)
        .map(padded, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )


def _to_one_of_few_lengths(inputs: dict[str, tf.Tensor], longest: int) -> dict[str, tf.Tensor]:
    step = -(-longest // _LENGTHS_FOR_XLA)
    length = tf.shape(inputs["input_word_ids"])[1]
    more = tf.minimum(-(-length // step) * step, longest) - length
    return {name: tf.pad(value, [[0, 0], [0, more]]) for name, value in inputs.items()}
