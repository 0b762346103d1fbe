"""Transform: text to word-piece ids, in the graph that also serves."""

import tensorflow as tf

from components.common.serialization import load
from components.models.bert.hub import Encoder
from components.models.bert.tokenizer import Vocabulary


@tf.autograph.experimental.do_not_convert  # nothing in it needs it, and TFX traces this often
def preprocessing_fn(inputs: dict, custom_config: dict) -> dict:
    """Raw features -> what the Trainer packs; TFX calls it.

    Args:
      inputs: feature name -> tensor [batch], as `schema/<task>.pbtxt` shapes it.
      custom_config: `head` and `encoder`, as JSON.

    Returns:
      For every text feature F: F_ids, ragged int64 [batch, (pieces)], untrimmed. F_starts and F_ends,
      ragged int64 [batch, (pieces)], in bytes, where the head asks for offsets. And the head's targets.
      For DriftGate alone: F_pieces and F_unknown, int64 [batch], how many pieces there are, and how many
      of them are [UNK]; their share tells whether the text is in the encoder's language.
    """
    head = load(custom_config["head"])
    encoder = Encoder.from_json(custom_config["encoder"])
    vocabulary = Vocabulary(encoder.vocab_file, encoder.lower_case)
    tokenizer = vocabulary.tokenizer()
    unknown_id = vocabulary.id_of("[UNK]")
    pieces = {}
    for name in head.text_features:
        if name in head.offset_features:
            ids, starts, ends = tokenizer.tokenize_with_offsets(inputs[name])
            pieces[f"{name}_starts"] = tf.cast(starts, tf.int64)
            pieces[f"{name}_ends"] = tf.cast(ends, tf.int64)
        else:  # Offsets take twice the time to trace.
            ids = tokenizer.tokenize(inputs[name])
        is_unknown = tf.cast(tf.equal(ids, unknown_id), tf.int64)
        pieces[f"{name}_ids"] = tf.cast(ids, tf.int64)
        pieces[f"{name}_pieces"] = ids.row_lengths()
        pieces[f"{name}_unknown"] = tf.reduce_sum(is_unknown, axis=1)
    return {**pieces, **head.targets(inputs, pieces)}
