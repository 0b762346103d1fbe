"""From word-piece ids to the rows that an encoder reads.

The Trainer's input and the serving graph both pack with these functions, so that there is one answer
to how a row is trimmed, marked and padded. Transform stores ids untrimmed: another max_length does
not run it again.
"""

import dataclasses

import tensorflow as tf
import tensorflow_text as tf_text

from components.bert.tokenizer import Vocabulary

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
    segments = tf_text.RoundRobinTrimmer(max_length - 3).trim([first, second])
    ids, types = tf_text.combine_segments(
        segments,
        start_of_sequence_id=vocabulary.id_of("[CLS]"),
        end_of_segment_id=vocabulary.id_of("[SEP]"),
    )
    return {"input_word_ids": ids, "input_type_ids": types}


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
    room = max_length - 3 - tf.cast(question.row_lengths(), tf.int32)  # [batch]
    pieces = tf.cast(context.row_lengths(), tf.int32)
    step = room - stride
    counts = 1 + tf.maximum(0, -((room - pieces) // step))  # rounded up
    example = tf.repeat(tf.range(tf.size(counts)), counts)
    start = tf.ragged.range(counts).flat_values * tf.gather(step, example)
    length = tf.minimum(tf.gather(room, example), tf.gather(pieces, example) - start)
    first = tf.cast(tf.gather(context.row_starts(), example), tf.int32) + start
    parts = tf.ragged.range(first, first + length, row_splits_dtype=tf.int64)
    parts = parts.with_flat_values(tf.gather(context.flat_values, parts.flat_values))
    questions = tf.gather(question, example)
    ids, types = tf_text.combine_segments(
        [questions, parts],
        start_of_sequence_id=vocabulary.id_of("[CLS]"),
        end_of_segment_id=vocabulary.id_of("[SEP]"),
    )
    return Windows(
        rows={"input_word_ids": ids, "input_type_ids": types},
        example=example,
        start=start,
        length=length,
        offset=2 + tf.cast(questions.row_lengths(), tf.int32),
    )


def pad(rows: Rows) -> dict[str, tf.Tensor]:
    """Ragged rows -> the encoder's three inputs, int32 [batch, longest row]; padding has type 0."""
    ids = rows["input_word_ids"]
    return {
        "input_word_ids": ids.to_tensor(),
        "input_mask": tf.sequence_mask(ids.row_lengths(), dtype=tf.int32),
        "input_type_ids": rows["input_type_ids"].to_tensor(),
    }
