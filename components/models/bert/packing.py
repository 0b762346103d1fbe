"""From wordpiece ids to the sequences that an encoder reads.

The Trainer's input and the serving graph both pack with these functions, so sequences are trimmed,
delimited and padded in one way. Transform stores untrimmed ids, so that it does not run again for
another max_seq_length.
"""

import dataclasses

import tensorflow as tf

from components.models.bert.tokenizer import Vocabulary

# Input of the encoder -> its values, ragged [sequences, (tokens)].
Sequences = dict[str, tf.RaggedTensor]


def pack_single(tokens: tf.RaggedTensor, vocabulary: Vocabulary, max_seq_length: int) -> Sequences:
    """Packs one text into [CLS] tokens [SEP], trimmed to max_seq_length at its end.

    Args:
      tokens: ids [batch, (tokens)], int32.
      vocabulary: for the ids of [CLS] and [SEP].
      max_seq_length: longest sequence, both special tokens counted.

    Returns:
      input_word_ids and input_type_ids, int32 [batch, (tokens)]; all types are 0.
    """
    kept = tokens[:, : max_seq_length - 2]
    column = tf.ones_like(kept.row_lengths(), tf.int32)[:, None]
    first, last = column * vocabulary.id_of("[CLS]"), column * vocabulary.id_of("[SEP]")
    ids = tf.concat([first, kept, last], axis=1)
    return {"input_word_ids": ids, "input_type_ids": tf.zeros_like(ids)}


def pack_pair(
    first: tf.RaggedTensor, second: tf.RaggedTensor, vocabulary: Vocabulary, max_seq_length: int
) -> Sequences:
    """Packs two texts into [CLS] first [SEP] second [SEP], trimmed by shortening the longer segment.

    Args:
      first: ids [batch, (tokens)], int32.
      second: ids [batch, (tokens)], int32.
      vocabulary: for the ids of [CLS] and [SEP].
      max_seq_length: longest sequence, the three special tokens counted.

    Returns:
      input_word_ids and input_type_ids, int32 [batch, (tokens)]; type 0 up to and with the first [SEP],
      then 1 (https://arxiv.org/abs/1810.04805, figure 2).
    """
    room = max_seq_length - 3
    first_length, second_length = _lengths(first), _lengths(second)
    # The longer one loses its last token until both fit; the second one does where both are as long.
    kept = tf.minimum(first_length, tf.maximum(room - second_length, (room + 1) // 2))
    return _pack(
        Segments(first.flat_values, _starts(first), kept),
        Segments(second.flat_values, _starts(second), tf.minimum(second_length, room - kept)),
        vocabulary,
    )


@dataclasses.dataclass(frozen=True)
class Segments:
    """A part of each sequence.

    Attributes:
      tokens: ids, int32 [n].
      start: where in them the part of each sequence begins, int32 [sequences].
      length: its tokens, int32 [sequences].
    """

    tokens: tf.Tensor
    start: tf.Tensor
    length: tf.Tensor


def _pack(first: Segments, second: Segments, vocabulary: Vocabulary) -> Sequences:
    """Packs [CLS] first [SEP] second [SEP]: see `pack_pair`.

    Index arithmetic over all tokens at once; tf.text's ragged operations do the same with many more
    small ones and checks.
    """
    lengths = first.length + second.length + 3
    ends = tf.cumsum(lengths)
    sequence = tf.repeat(tf.range(tf.size(lengths)), lengths)

    def of_sequence(values: tf.Tensor) -> tf.Tensor:
        return tf.gather(values, sequence)

    position = tf.range(tf.size(sequence)) - of_sequence(ends - lengths)
    first_end = of_sequence(first.length) + 1  # the position of the first [SEP]
    known = tf.concat([first.tokens, second.tokens, [0]], axis=0)  # of a batch without tokens, too
    in_second = tf.size(first.tokens) + of_sequence(second.start) + position - first_end - 1
    index = tf.where(position < first_end, of_sequence(first.start) + position - 1, in_second)
    last = of_sequence(lengths) - 1
    is_special = (position == 0) | (position == first_end) | (position == last)
    special = tf.where(position == 0, vocabulary.id_of("[CLS]"), vocabulary.id_of("[SEP]"))
    ids = tf.where(is_special, special, tf.gather(known, tf.where(is_special, 0, index)))
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
    """Sequences that together show the whole of each example's context.

    Attributes:
      sequences: see `pack_windows`, [windows, (tokens)].
      example: the example that a window is of, int32 [windows], ascending.
      start: the example's tokens of context before the window's, int32 [windows].
      length: tokens of context in the window, int32 [windows].
      offset: where in the sequence they begin, int32 [windows].
    """

    sequences: Sequences
    example: tf.Tensor
    start: tf.Tensor
    length: tf.Tensor
    offset: tf.Tensor


def pack_windows(
    question: tf.RaggedTensor,
    context: tf.RaggedTensor,
    vocabulary: Vocabulary,
    max_seq_length: int,
    stride: int,
) -> Windows:
    """Packs [CLS] question [SEP] part of the context [SEP], in as many sequences as the context needs.

    Args:
      question: ids [batch, (tokens)], int32; at most max_seq_length - stride - 4 of them.
      context: ids [batch, (tokens)], int32.
      vocabulary: for the ids of [CLS] and [SEP].
      max_seq_length: longest sequence, the three special tokens counted.
      stride: tokens of context that neighbouring windows share.

    Returns:
      At least one window an example, with input_word_ids and input_type_ids as of `pack_pair`.
    """
    asked, available = _lengths(question), _lengths(context)
    room = max_seq_length - 3 - asked  # [batch]
    step = room - stride
    counts = 1 + tf.maximum(0, -((room - available) // step))  # rounded up
    example = tf.repeat(tf.range(tf.size(counts)), counts)

    def of_example(values: tf.Tensor) -> tf.Tensor:
        return tf.gather(values, example)

    window = tf.range(tf.size(example)) - of_example(tf.cumsum(counts, exclusive=True))
    start = window * of_example(step)
    length = tf.minimum(of_example(room), of_example(available) - start)
    sequences = _pack(
        Segments(question.flat_values, of_example(_starts(question)), of_example(asked)),
        Segments(context.flat_values, of_example(_starts(context)) + start, length),
        vocabulary,
    )
    return Windows(sequences, example, start, length, offset=2 + of_example(asked))


def pad(sequences: Sequences) -> dict[str, tf.Tensor]:
    """Pads to the encoder's three inputs, int32 [sequences, longest]; padding has id and type 0."""
    ids = sequences["input_word_ids"]
    return {
        "input_word_ids": ids.to_tensor(),
        "input_mask": tf.sequence_mask(ids.row_lengths(), dtype=tf.int32),
        "input_type_ids": sequences["input_type_ids"].to_tensor(),
    }
