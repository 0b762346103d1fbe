"""A question and a context in, the part of the context that answers it out."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from components.models.bert.layers import HeadDropout
from components.models.bert.packing import Sequences, Windows, pack_windows
from components.models.bert.spans import trim
from components.models.bert.tokenizer import Vocabulary
from components.models.heads.head import Apply, Features
from components.spec.heads import SpanExtraction, ends_feature, ids_feature, starts_feature
from components.spec.hyperparameters import SpanHyperparameters

# Spans of a question that compete for its answer, as in Hugging Face's question-answering example.
N_BEST = 20


class Head:
    """The likeliest legal span over all windows of a context."""

    def __init__(self, config: SpanExtraction):
        """Keeps the config; the weights come with `network`."""
        self.config = config
        self._question, self._context = config.text_features

    def targets(self, raw: Features, tokens: Features) -> dict[str, tf.Tensor]:
        """Returns answer_first and answer_last, int64 [B]: the first reference answer's outer tokens.

        The one is -1 where no token begins with the answer, the other where none ends with it.
        """
        context = raw[self._context]
        text, cut = trim(_first(raw[self.config.answer_feature], ""))
        start = tf.cast(_first(raw[self.config.start_feature], 0), tf.int32)
        prefix = tf.strings.substr(context, tf.zeros_like(start), start, unit="UTF8_CHAR")
        start = tf.cast(tf.strings.length(prefix), tf.int64) + cut
        end = start + tf.cast(tf.strings.length(text), tf.int64)
        first, _ = _positions_of(tokens[starts_feature(self._context)], start)
        _, last = _positions_of(tokens[ends_feature(self._context)], end)
        return {"answer_first": first, "answer_last": last}

    def is_trainable(self, features: Features) -> tf.Tensor:
        """Returns where the first reference answer begins and ends with a token, bool [B]."""
        first, last = features["answer_first"], features["answer_last"]
        return (first >= 0) & (last >= first)

    def unusable(self, features: Features) -> dict[str, tf.Tensor]:
        """Returns the examples whose first reference answer does not begin, or end, with a token."""
        first, last = features["answer_first"], features["answer_last"]
        return {
            "no token begins where the answer does": first < 0,
            "no token ends where the answer does": (first >= 0) & (last < first),
        }

    def training_features(
        self, features: Features, vocabulary: Vocabulary, hyperparameters: SpanHyperparameters
    ) -> tuple[Sequences, tf.Tensor]:
        """Packs windows; the targets are int32 [windows, 2], where the answer starts and ends.

        In a window without the answer both are 0, the position of [CLS].
        """
        windows = self._windows(features, vocabulary, hyperparameters)
        ends = tf.stack([features["answer_first"], features["answer_last"]], axis=1)
        ends = tf.cast(tf.gather(ends, windows.example), tf.int32) - windows.start[:, None]
        inside = tf.reduce_all((ends >= 0) & (ends < windows.length[:, None]), axis=1)
        return windows.sequences, tf.where(inside[:, None], ends + windows.offset[:, None], 0)

    def _windows(
        self, features: Features, vocabulary: Vocabulary, hyperparameters: SpanHyperparameters
    ) -> Windows:
        question, context = (features[ids_feature(n)] for n in self.config.text_features)
        return pack_windows(
            question[:, : hyperparameters.max_question_length],
            context,
            vocabulary,
            hyperparameters.max_seq_length,
            hyperparameters.stride,
        )

    def network(
        self, inputs: Mapping[str, tf.Tensor], outputs: Mapping[str, tf.Tensor], dropout: float
    ) -> tf.Tensor:
        """Builds the layers that end in the logits, float32 [B, T, 2].

        They say of each token whether the answer starts and ends with it. Only [CLS] and tokens of the
        context can be either: the others are at -1e9.
        """
        logits = tf.keras.layers.Dense(
            2,
            kernel_initializer=tf.keras.initializers.TruncatedNormal(stddev=0.02),
            dtype=tf.float32,
            name="logits",
        )(HeadDropout(dropout)(outputs["sequence_output"]))
        chosen = _context(inputs) + tf.one_hot(0, tf.shape(inputs["input_mask"])[1], dtype=tf.int32)
        return logits + (tf.cast(chosen, tf.float32)[:, :, None] - 1.0) * 1e9

    def loss(self, targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Computes the mean of both ends' losses, float32 [].

        Args:
          targets: int32 [B, 2].
          logits: [B, T, 2].
        """
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=targets, logits=tf.transpose(logits, [0, 2, 1])
            )
        )

    def answers(
        self,
        apply: Apply,
        features: Features,
        raw: Features,
        vocabulary: Vocabulary,
        hyperparameters: SpanHyperparameters,
    ) -> dict[str, tf.Tensor]:
        """Finds the N_BEST likeliest answers of each context.

        A span's score is its start logit plus its end logit, an answer's the highest of a span with
        its text. Probabilities are a softmax over the scores of the N_BEST answers.

        Returns:
          answer: string [B], bytes of the context as they stand there; score: float32 [B], its
          probability; start, end: int64 [B], in characters, so that answer is context[start:end].
          n_best_answers: string, n_best_scores: float32, both [B, N_BEST], the likeliest first;
          "" and 0 where there are not so many spans.
        """
        longest = hyperparameters.max_answer_length
        windows = self._windows(features, vocabulary, hyperparameters)
        scores, spans = apply(
            windows.sequences,
            lambda inputs, logits: best_spans(inputs, logits, longest),
            (
                tf.TensorSpec([None, N_BEST], tf.float32),
                tf.TensorSpec([None, N_BEST], tf.int32),
            ),
        )
        context = raw[self._context]
        starts = features[starts_feature(self._context)]
        ends = features[ends_feature(self._context)]
        scores, start, answers = merge_windows(
            scores, spans, windows, context, starts, ends, longest
        )
        probabilities = tf.where(scores > -float("inf"), tf.nn.softmax(scores), 0.0)
        prefix = tf.strings.substr(context, tf.zeros_like(start), start)
        start_character = _characters(prefix)
        return {
            "answer": answers[:, 0],
            "score": probabilities[:, 0],
            "start": start_character,
            "end": start_character + _characters(answers[:, 0]),
            "n_best_answers": answers,
            "n_best_scores": probabilities,
        }


def best_spans(
    inputs: Mapping[str, tf.Tensor], logits: tf.Tensor, max_answer_length: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Finds the N_BEST likeliest spans of each window, by score, then by start, then by length.

    Args:
      inputs: the encoder's, [windows, length].
      logits: [windows, length, 2].
      max_answer_length: tokens of the longest span.

    Returns:
      scores: float32 [windows, N_BEST], -inf where there are not so many spans.
      spans: int32 [windows, N_BEST], start * max_answer_length + tokens - 1, the start counted from
        the window's first token of context.
    """
    in_context = _context(inputs)
    length = tf.shape(in_context)[1]
    count = tf.reduce_sum(in_context, axis=1)
    offset = tf.reduce_sum(inputs["input_mask"] - inputs["input_type_ids"], axis=1)
    positions = tf.range(length)[None, :]
    moved = tf.minimum(offset[:, None] + positions, length - 1)
    logits = tf.gather(logits, moved, batch_dims=1)
    inside = (positions < count[:, None])[:, :, None]
    start, end = tf.unstack(tf.where(inside, logits, -float("inf")), axis=2)
    end = tf.pad(end, [[0, 0], [0, max_answer_length]], constant_values=-float("inf"))
    ends = tf.stack([end[:, k : k + length] for k in range(max_answer_length)], axis=2)
    scores = tf.reshape(start[:, :, None] + ends, [-1, length * max_answer_length])
    scores = tf.pad(scores, [[0, 0], [0, N_BEST]], constant_values=-float("inf"))
    return tf.math.top_k(scores, N_BEST)


def merge_windows(
    scores: tf.Tensor,
    spans: tf.Tensor,
    windows: Windows,
    context: tf.Tensor,
    starts: tf.RaggedTensor,
    ends: tf.RaggedTensor,
    max_answer_length: int,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Finds the N_BEST likeliest answers of each context, by score, then by start, then by length.

    A text that several spans have counts once, as its likeliest span: the same span in two windows, the
    tokens of one character, a name that comes again.

    Args:
      scores, spans: of `best_spans`, [windows, N_BEST].
      windows: see `components.models.bert.packing.Windows`.
      context: string [B].
      starts, ends: where each token of the context stands, in bytes, ragged int64 [B, (tokens)].
      max_answer_length: tokens of the longest span.

    Returns:
      scores: float32 [B, N_BEST], -inf where there are not so many answers; start: int64 [B], in bytes,
      of the likeliest one; answers: string [B, N_BEST].
    """
    before = tf.gather(starts.row_starts(), windows.example) + tf.cast(windows.start, tf.int64)
    first = before[:, None] + tf.cast(spans // max_answer_length, tf.int64)
    last = first + tf.cast(spans % max_answer_length, tf.int64)
    example = tf.broadcast_to(windows.example[:, None], tf.shape(spans))
    found = scores > -float("inf")
    first, last, example, scores = (value[found] for value in (first, last, example, scores))
    start = tf.gather(starts.flat_values, first)
    length = tf.gather(ends.flat_values, last) - start
    order = tf.argsort(length, stable=True)
    order = tf.gather(order, tf.argsort(tf.gather(start, order), stable=True))
    scores_in_order = tf.gather(scores, order)
    order = tf.gather(order, tf.argsort(scores_in_order, direction="DESCENDING", stable=True))
    scores, start, length, example = (
        tf.gather(value, order) for value in (scores, start, length, example)
    )
    text = tf.strings.substr(tf.gather(context, example), start, length)
    _, same = tf.unique(tf.strings.join([tf.strings.as_string(example), text], " "))
    count = tf.reduce_max(tf.concat([[-1], same], axis=0)) + 1
    likeliest = tf.math.unsorted_segment_min(tf.range(tf.size(same)), same, count)
    example = tf.cast(tf.gather(example, likeliest), tf.int64)
    order = tf.argsort(example, stable=True)
    likeliest, example = tf.gather(likeliest, order), tf.gather(example, order)

    def by_example(values: tf.Tensor, missing: Any) -> tf.Tensor:
        ragged = tf.RaggedTensor.from_value_rowids(
            tf.gather(values, likeliest), example, nrows=tf.size(context, tf.int64)
        )
        shape = [None, N_BEST]
        return ragged.to_tensor(default_value=missing, shape=shape)

    return (
        by_example(scores, -float("inf")),
        by_example(start, tf.constant(0, tf.int64))[:, 0],
        by_example(text, ""),
    )


def _context(inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns 1 where a sequence has a token of its second segment, without [SEP]: int32 [B, T]."""
    second = inputs["input_type_ids"]
    return second * tf.pad(second[:, 1:], [[0, 0], [0, 1]])


def _first(values: tf.SparseTensor, missing: Any) -> tf.Tensor:
    """Takes the first value of each example of a SparseTensor [B, (values)]."""
    n_examples = values.dense_shape[0]
    first = tf.sparse.slice(values, [0, 0], tf.stack([n_examples, 1]))
    dense = tf.sparse.to_dense(tf.sparse.reset_shape(first, tf.stack([n_examples, 1])), missing)
    return tf.reshape(dense, [-1])


def _positions_of(offsets: tf.RaggedTensor, wanted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Finds the first and the last token whose offset is the wanted one, int64 [B].

    There are several where a character became several tokens. Both are -1 where there is none.
    """
    # By hand: comparing ragged tensors takes a second to trace, and a dense one would be as wide as the
    # longest text.
    example, count = offsets.value_rowids(), tf.size(offsets.flat_values, tf.int64)
    position = tf.range(count) - tf.gather(offsets.row_starts(), example)
    found = tf.where(tf.equal(offsets.flat_values, tf.gather(wanted, example)))[:, 0]
    example, position = tf.gather(example, found), tf.gather(position, found)
    last = tf.maximum(tf.math.unsorted_segment_max(position, example, offsets.nrows()), -1)
    first = tf.math.unsorted_segment_min(position, example, offsets.nrows())
    return tf.where(last < 0, last, first), last


def _characters(text: tf.Tensor) -> tf.Tensor:
    """Counts the characters of strings, int64."""
    return tf.cast(tf.strings.length(text, unit="UTF8_CHAR"), tf.int64)
