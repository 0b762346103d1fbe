"""WordPiece in the graph, from the encoder's own vocabulary.

tf.text's FastBertTokenizer (linear-time WordPiece, https://arxiv.org/abs/2012.15524) gives the ids of
the original BERT tokenizer but for characters that Unicode marks as compatibility variants (½, ﬁ, ™
become 1⁄2, fi, tm), ß (becomes ss), and unassigned or private-use characters (become [UNK] where the
original drops them). tests/components/models/bert/test_tokenizer.py holds the list.
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from components.common.errors import InputError


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The tokens that an encoder knows; the position of a token is its id.

    Attributes:
      path: text file, one token a line.
      lower_case: whether the encoder was trained on lower-cased text without accents.
    """

    path: str
    lower_case: bool

    @functools.cached_property
    def tokens(self) -> list[str]:
        """All tokens, in the order of their ids."""
        with tf.io.gfile.GFile(self.path, "rb") as file:
            return file.read().decode("utf-8").rstrip("\n").split("\n")

    def id_of(self, token: str) -> int:
        """Returns the id of a token.

        Raises:
          InputError: the vocabulary does not have it.
        """
        try:
            return self.tokens.index(token)
        except ValueError:
            raise InputError(
                f"{self.path}: the vocabulary has no {token!r}, so it is not a BERT vocabulary."
            ) from None

    def tokenizer(self) -> tf_text.FastBertTokenizer:
        """Builds the tokenizer: texts [batch] -> ragged ids [batch, (tokens)], with offsets if asked."""
        wordpiece, normalizer = _models(tuple(self.tokens), self.lower_case)
        return tf_text.FastBertTokenizer(
            token_out_type=tf.int32,
            fast_wordpiece_model_buffer=tf.constant(wordpiece),
            fast_bert_normalizer_model_buffer=tf.constant(normalizer),
        )


@functools.lru_cache(maxsize=2)
def _models(tokens: tuple[str, ...], lower_case: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns tf.text's own models of WordPiece and of the normalization, uint8.

    tf.text makes a Python integer of each byte, which takes a second each time a graph is traced. It has
    no public names for these models; tests/test_private_names.py checks the private ones used here.
    """
    with tf.init_scope():
        made = tf_text.FastBertTokenizer(
            vocab=list(tokens), token_out_type=tf.int32, lower_case_nfd_strip_accents=lower_case
        )
    return (
        made._fast_wordpiece_tokenizer._model.numpy(),
        made._fast_bert_normalizer._model.numpy(),
    )
