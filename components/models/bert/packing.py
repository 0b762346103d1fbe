"""From word-piece ids to the rows that an encoder reads.

The Trainer's input and the serving graph both pack with these functions, so that there is one answer
to how a row is trimmed, marked and padded. Transform stores ids untrimmed: another max_length does
not run it again.
"""

import dataclasses

import tensorflow as tf

from components.models.bert.tokenizer import Vocabulary

Rows = dict[str, tf.RaggedTensor]


def pack_pair(
    first: tf.RaggedTensor, second: tf.RaggedTensor, vocabulary: Vocabulary, max_length: int
) -> Rows:
    """[CLS] first [SEP] second [SEP], trimmed to max_length by shortening the longer segment.

    Args:
      first: ids [batch, (pieces)], int32.
      second: ids [batch, (pieces)], int32.
      vocabulary: for the ids of [CLS] and [SEP].
      max_length: longest row, the three marks counted.

    Returns:
      input_word_ids and input_type_ids, int32 [batch, (row length)]; type 0 up to and with the first
      [SEP], then 1 (https://arxiv.org/abs/1810.04805, figure 2).
    """
    room = max_length - 3
    first_length, second_length = _lengths(first), _lengths(second)
    # The longer one loses its last piece until both fit, the second one where both are as long.
    kept = tf.minimum(first_length, tf.maximum(room - second_length, (room + 1) // 2))
    return _rows(
        Segments(first.flat_values, _starts(first), kept),
        Segments(second.flat_values, _starts(second), tf.minimum(second_length, room - kept)),
        vocabulary,
    )


@dataclasses.dataclass(frozen=True)
class Segments:
    """A part of each row.

    Attributes:
      pieces: ids, int32 [n].
      start: where in them the part of each row begins, int32 [rows].
      length: its word pieces, int32 [rows].
    """

    pieces: tf.Tensor
    start: tf.Tensor
    length: tf.Tensor


def _rows(first: Segments, second: Segments, vocabulary: Vocabulary) -> Rows:
    """[CLS] first [SEP] second [SEP]: see `pack_pair`.

    Index arithmetic over all word pieces at once; tf.text's ragged operations do the same with many more
    small ones and checks.
    """
    lengths = first.length + second.length + 3
    ends = tf.cumsum(lengths)
    row = tf.repeat(tf.range(tf.size(lengths)), lengths)

    def of_row(values: tf.Tensor) -> tf.Tensor:
        return tf.gather(values, row)

    position = tf.range(tf.size(row)) - of_row(ends - lengths)
    first_end = of_row(first.length) + 1  # the position of the first [SEP]
    known = tf.concat([first.pieces, second.pieces, [0]], axis=0)  # of a batch without pieces, too
    in_second = tf.size(first.pieces) + of_row(second.start) + position - first_end - 1
    index = tf.where(position < first_end, of_row(first.start) + position - 1, in_second)
    is_mark = (position == 0) | (position == first_end) | (position == of_row(lengths) - 1)
    marks = tf.where(position == 0, vocabulary.id_of("[CLS]"), vocabulary.id_of("[SEP]"))
    ids = tf.where(is_mark, marks, tf.gather(known, tf.where(is_mark, 0, index)))
    types = tf.cast(position > first_end, tf.int32)
    splits = tf.concat([[0], tf.cast(ends, tf.int64)], axis=0)
    return {
        name: tf.RaggedTensor.from_row_splits(values, splits, validate=False)
        for name, values in (("input_word_ids", ids), ("input_type_ids", types))
    }


def _lengths(ragged: tf.RaggedTensor) -> tf.Tensor:
    return tf.cast(ragged.row_lengths(), tf.int32)


def _starts(ragged: tf.RaggedTensor) -> tf.Tensor:
    return tf.cast(ragged.row_starts(), tf.int32)


@dataclasses.dataclass(frozen=True)
class Windows:
    """Rows that together show the whole of each example's context.

    Attributes:
      rows: see `pack_windows`, [windows, (row length)].
      example: the example that a window is of, int32 [windows], ascending.
      start: the example's word pieces of context before the window's, int32 [windows].
      length: word pieces of context in the window, int32 [windows].
      offset: where in the row they begin, int32 [windows].
    """

    rows: Rows
    example: tf.Tensor
    start: tf.Tensor
    length: tf.Tensor
    offset: tf.Tensor


def pack_windows(
    question: tf.RaggedTensor,
    context: tf.RaggedTensor,
    vocabulary: Vocabulary,
    max_length: int,
    stride: int,
) -> Windows:
    """[CLS] question [SEP] part of the context [SEP], as many rows as the context takes.

    Args:
      question: ids [batch, (pieces)], int32; at most max_length - stride - 4 of them.
      context: ids [batch, (pieces)], int32.
      vocabulary: for the ids of [CLS] and [SEP].
      max_length: longest row, the three marks counted.
      stride: word pieces of context that neighbouring windows share.

    Returns:
      At least one window an example, with input_word_ids and input_type_ids as of `pack_pair`.
    """
    asked, pieces = _lengths(question), _lengths(context)
    room = max_length - 3 - asked  # [batch]
    step = room - stride
    counts = 1 + tf.maximum(0, -((room - pieces) // step))  # rounded up
    example = tf.repeat(tf.range(tf.size(counts)), counts)

    def of_example(values: tf.Tensor) -> tf.Tensor:
        return tf.gather(values, example)

    window = tf.range(tf.size(example)) - of_example(tf.cumsum(counts, exclusive=True))
    start = window * of_example(step)
    length = tf.minimum(of_example(room), of_example(pieces) - start)
    rows = _rows(
        Segments(question.flat_values, of_example(_starts(question)), of_example(asked)),
        Segments(context.flat_values, of_example(_starts(context)) + start, length),
        vocabulary,
    )
    return Windows(rows, example, start, length, offset=2 + of_example(asked))


def pad(rows: Rows) -> dict[str, tf.Tensor]:
    """Ragged rows -> the encoder's three inputs, int32 [batch, longest row]; padding has type 0."""
    ids = rows["input_word_ids"]
    return {
        "input_word_ids": ids.to_tensor(),
        "input_mask": tf.sequence_mask(ids.row_lengths(), dtype=tf.int32),
        "input_type_ids": rows["input_type_ids"].to_tensor(),
    }
