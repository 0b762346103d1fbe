"""Where each token stands in its text, without the characters that a tokenizer deletes.

tf.text gives a token the deleted characters behind it too; where one character becomes several tokens
(… is three dots, ﬁ is f and i), all but the last of them have an empty span.
"""

import tensorflow as tf
import tensorflow_text as tf_text

# What BERT's tokenizer deletes: control and format characters (the zero-width and the directional ones,
# the soft hyphen), U+FFFD; and variation selectors, which only choose a glyph.
_DELETED = r"\p{Cc}\p{Cf}\x{FFFD}\x{FE00}-\x{FE0F}\x{180B}-\x{180D}\x{180F}\x{E0100}-\x{E01EF}"
# Accents and vowel signs belong to the letter before them: only those behind a deleted one go with it.
_LEADING = rf"^[\s{_DELETED}]+"
_TRAILING = rf"[\s{_DELETED}][\s{_DELETED}\p{{Mn}}\p{{Me}}]*$"
_ANY = rf"[{_DELETED}]"


def trim(texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Cuts blanks and deleted characters off both ends of texts, string [B].

    Returns:
      What is left, string [B], and how many bytes were cut off in front, int64 [B].
    """
    begun = tf.strings.regex_replace(texts, _LEADING, "")
    cut = tf.strings.length(texts) - tf.strings.length(begun)
    return tf.strings.regex_replace(begun, _TRAILING, ""), tf.cast(cut, tf.int64)


def tokenize_with_spans(
    tokenizer: tf_text.FastBertTokenizer, texts: tf.Tensor
) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
    """Tokenizes texts, string [B], and says which bytes each token stands for.

    Tokens of one character all have its span. A token of deleted characters only is left out.

    Returns:
      ids, starts and ends, ragged int64 [B, (tokens)]; ends lie behind starts.
    """
    ids, starts, ends = tokenizer.tokenize_with_offsets(texts)
    example = ids.value_rowids()
    flat = [tf.cast(value.flat_values, tf.int64) for value in (ids, starts, ends)]
    flat_ids, start, end = flat
    end = _to_the_end_of_the_character(texts, example, start, end)
    start, end = _without_deleted(texts, example, start, end)
    kept = end > start
    values = (tf.boolean_mask(value, kept) for value in (flat_ids, start, end))
    rows = tf.boolean_mask(example, kept)
    nrows = ids.nrows()
    made = [tf.RaggedTensor.from_value_rowids(v, rows, nrows, validate=False) for v in values]
    return made[0], made[1], made[2]


def _to_the_end_of_the_character(
    texts: tf.Tensor, example: tf.Tensor, start: tf.Tensor, end: tf.Tensor
) -> tf.Tensor:
    """Ends the empty spans where the UTF-8 character ends in which they start."""
    empty = tf.where(end <= start)[:, 0]
    begins = tf.gather(start, empty)
    text = tf.gather(texts, tf.gather(example, empty))
    first_byte = tf.strings.substr(text, begins, tf.ones_like(begins))
    byte = tf.reshape(tf.io.decode_raw(first_byte, tf.uint8, fixed_length=1), [-1])
    length = 1 + sum(tf.cast(byte >= least, tf.int64) for least in (0xC0, 0xE0, 0xF0))
    return tf.tensor_scatter_nd_update(end, empty[:, None], begins + length)


def _without_deleted(
    texts: tf.Tensor, example: tf.Tensor, start: tf.Tensor, end: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Cuts deleted characters off both ends of the spans, so that some may become empty."""
    has_some = tf.strings.regex_full_match(texts, rf"(?s).*{_ANY}.*")
    looked_at = tf.where(tf.gather(has_some, example))[:, 0]
    begins, ends = tf.gather(start, looked_at), tf.gather(end, looked_at)
    text = tf.gather(texts, tf.gather(example, looked_at))
    left, cut = trim(tf.strings.substr(text, begins, ends - begins))
    begins += cut
    length = tf.cast(tf.strings.length(left), tf.int64)
    return (
        tf.tensor_scatter_nd_update(start, looked_at[:, None], begins),
        tf.tensor_scatter_nd_update(end, looked_at[:, None], begins + length),
    )
