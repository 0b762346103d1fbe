"""From word-piece ids to the rows that an encoder reads.

The Trainer's input and the serving graph both pack with these functions, so that there is one answer
to how a row is trimmed, marked and padded. Transform stores ids untrimmed: another max_length does
not run it again.
"""

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


def pad(rows: Rows) -> dict[str, tf.Tensor]:
    """Ragged rows -> the encoder's three inputs, int32 [batch, longest row]; padding has type 0."""
    ids = rows["input_word_ids"]
    return {
        "input_word_ids": ids.to_tensor(),
        "input_mask": tf.sequence_mask(ids.row_lengths(), dtype=tf.int32),
        "input_type_ids": rows["input_type_ids"].to_tensor(),
    }
