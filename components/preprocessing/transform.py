"""Transform: turns text into wordpiece ids, in the graph that also serves."""

import tensorflow as tf

from components.common.serialization import from_json
from components.models.bert.spans import tokenize_with_spans
from components.models.bert.tokenizer import Vocabulary
from components.models.heads.head import build_head
from components.spec.encoder import Encoder
from components.spec.heads import (
    ends_feature,
    ids_feature,
    n_tokens_feature,
    n_unknown_tokens_feature,
    starts_feature,
)
from components.spec.task_json import head_from_json


@tf.autograph.experimental.do_not_convert  # nothing in it needs it, and TFX traces this often
def preprocessing_fn(inputs: dict, custom_config: dict) -> dict:
    """Turns raw features into those that the Trainer packs; TFX calls it.

    Args:
      inputs: feature name -> tensor [batch], as `schema/<task>.pbtxt` shapes it.
      custom_config: `head` and `encoder`, as JSON.

    Returns:
      For every text feature F: F_ids, ragged int64 [batch, (tokens)], untrimmed. F_starts and F_ends,
      ragged int64 [batch, (tokens)], in bytes, where the head asks for offsets. The head's targets too.
      For DriftGate only: F_n_tokens and F_n_unknown_tokens, int64 [batch], how many tokens there are and
      how many of them are [UNK]; their ratio tells whether the text is in the encoder's language.
    """
    config = head_from_json(custom_config["head"])
    encoder = from_json(Encoder, custom_config["encoder"])
    vocabulary = Vocabulary(encoder.vocab_file, encoder.lower_case)
    tokenizer = vocabulary.tokenizer()
    unknown_id = vocabulary.id_of("[UNK]")
    tokens = {}
    for name in config.text_features:
        if name in config.offset_features:
            ids, starts, ends = tokenize_with_spans(tokenizer, inputs[name])
            tokens[starts_feature(name)], tokens[ends_feature(name)] = starts, ends
        else:  # Offsets take twice the time to trace.
            ids = tokenizer.tokenize(inputs[name])
        ids = tf.cast(ids, tf.int64)
        is_unknown = tf.cast(tf.equal(ids, unknown_id), tf.int64)
        tokens[ids_feature(name)] = ids
        tokens[n_tokens_feature(name)] = ids.row_lengths()
        tokens[n_unknown_tokens_feature(name)] = tf.reduce_sum(is_unknown, axis=1)
    return {**tokens, **build_head(config).targets(inputs, tokens)}
