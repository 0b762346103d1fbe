"""A question and a context in, the part of the context that answers it out.

TensorFlow is imported inside the methods: a task is also read where no tensor is touched.
"""

import dataclasses

from components.common.errors import InputError
from components.common.settings import bad_setting
from components.spec.task import Hyperparameters

# Spans of a question that compete for its answer, as in Hugging Face's question-answering example.
N_BEST = 20


@dataclasses.dataclass(frozen=True)
class SpanHyperparameters(Hyperparameters):
    """What the training of spans is told beyond what all training is.

    Attributes:
      stride: word pieces of context that neighbouring windows share.
      max_question_length: word pieces of the question; what is longer is cut off.
      max_answer_length: word pieces of the longest answer given.
    """

    max_length: int = 384
    stride: int = 128
    max_question_length: int = 64
    max_answer_length: int = 30

    def __post_init__(self):
        super().__post_init__()
        room = self.max_length - self.max_question_length - 3
        if not 0 <= self.stride < room:
            raise InputError(
                f"stride is {self.stride}; with max_length {self.max_length} and max_question_length "
                f"{self.max_question_length} a window has room for {room} word pieces of context, and "
                f"stride must be less. Pass another --set stride=, max_length= or max_question_length=."
            )
        if self.max_question_length < 1:
            raise bad_setting("max_question_length", self.max_question_length, "1 or more")
        if self.max_answer_length < 1:
            raise bad_setting("max_answer_length", self.max_answer_length, "1 or more")


@dataclasses.dataclass(frozen=True)
class SpanExtraction:
    """The likeliest legal span over all windows of a context.

    Attributes:
      text_features: the raw question and context.
      answer_feature: the raw feature with the texts of all reference answers.
      start_feature: the raw feature with where they start in the context, in characters.
    """

    text_features: tuple[str, str] = ("question", "context")
    answer_feature: str = "answer_text"
    start_feature: str = "answer_start"

    prediction_key = "answer"

    @property
    def label_key(self) -> str:
        return self.answer_feature

    @property
    def offset_features(self) -> tuple[str]:
        return self.text_features[1:]

    def targets(self, raw: dict, pieces: dict) -> dict:
        """answer_first, answer_last: int64 [batch], the first reference answer's outer word pieces.

        Both are -1 where the answer does not begin and end with a word piece.
        """
        import tensorflow as tf

        context = raw[self.text_features[1]]
        text = tf.strings.strip(_first(raw[self.answer_feature], ""))
        before = _first(raw[self.answer_feature], "")
        before = tf.strings.length(before) - tf.strings.length(
            tf.strings.regex_replace(before, r"^\s+", "")
        )
        start = tf.cast(_first(raw[self.start_feature], 0), tf.int32)
        prefix = tf.strings.substr(context, tf.zeros_like(start), start, unit="UTF8_CHAR")
        start = tf.cast(tf.strings.length(prefix) + before, tf.int64)
        end = start + tf.cast(tf.strings.length(text), tf.int64)
        name = self.text_features[1]
        first = _position_of(pieces[f"{name}_starts"], start)
        last = _position_of(pieces[f"{name}_ends"], end)
        reached = (first >= 0) & (last >= first)
        return {
            "answer_first": tf.where(reached, first, -1),
            "answer_last": tf.where(reached, last, -1),
        }

    def trainable(self, features: dict):
        return features["answer_first"] >= 0

    def training_rows(self, features: dict, vocabulary, hyperparameters) -> tuple:
        """Targets: int32 [windows, 2], where the answer starts and ends; 0, [CLS], where it is not."""
        import tensorflow as tf

        windows = self._windows(features, vocabulary, hyperparameters)
        ends = tf.stack([features["answer_first"], features["answer_last"]], axis=1)
        ends = tf.cast(tf.gather(ends, windows.example), tf.int32) - windows.start[:, None]
        inside = tf.reduce_all((ends >= 0) & (ends < windows.length[:, None]), axis=1)
        return windows.rows, tf.where(inside[:, None], ends + windows.offset[:, None], 0)

    def _windows(self, features: dict, vocabulary, hyperparameters):
        from components.models.bert.packing import pack_windows

        question, context = (features[f"{name}_ids"] for name in self.text_features)
        return pack_windows(
            question[:, : hyperparameters.max_question_length],
            context,
            vocabulary,
            hyperparameters.max_length,
            hyperparameters.stride,
        )

    def logits(self, inputs: dict, outputs: dict, dropout: float):
        """How likely each word piece starts and ends the answer: float32 [batch, length, 2].

        Only [CLS] and the context can: the rest is at -1e9.
        """
        import tensorflow as tf

        from components.models.bert.layers import HeadDropout

        logits = tf.keras.layers.Dense(
            2,
            kernel_initializer=tf.keras.initializers.TruncatedNormal(stddev=0.02),
            dtype=tf.float32,
            name="logits",
        )(HeadDropout(dropout)(outputs["sequence_output"]))
        chosen = _context(inputs) + tf.one_hot(0, tf.shape(inputs["input_mask"])[1], dtype=tf.int32)
        return logits + (tf.cast(chosen, tf.float32)[:, :, None] - 1.0) * 1e9

    def loss(self, targets, logits):
        """targets: int32 [batch, 2]; logits: [batch, length, 2]. The mean of both ends' losses."""
        import tensorflow as tf

        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=targets, logits=tf.transpose(logits, [0, 2, 1])
            )
        )

    def answer(self, apply, features: dict, raw: dict, vocabulary, hyperparameters) -> dict:
        """The likeliest span of each context, and those that came next.

        A span's score is its start logit plus its end logit, the highest over the windows that hold
        it. Probabilities are a softmax over the scores of the N_BEST spans.

        Returns:
          answer: string [batch], bytes of the context as they stand there; score: float32 [batch], its
          probability; start, end: int64 [batch], in characters, so that answer is context[start:end].
          n_best_answers: string, n_best_scores: float32, both [batch, N_BEST], the likeliest first;
          "" and 0 where there are not so many spans.
        """
        import tensorflow as tf

        longest = hyperparameters.max_answer_length
        windows = self._windows(features, vocabulary, hyperparameters)
        scores, spans = apply(
            windows.rows,
            lambda inputs, logits: best_spans(inputs, logits, longest),
            (
                tf.TensorSpec([None, N_BEST], tf.float32),
                tf.TensorSpec([None, N_BEST], tf.int32),
            ),
        )
        context, name = raw[self.text_features[1]], self.text_features[1]
        starts, ends = features[f"{name}_starts"], features[f"{name}_ends"]
        scores, first, last = merge_windows(scores, spans, windows, starts.row_starts(), longest)
        found = scores > -float("inf")
        start = tf.where(found, _gather_flat(starts, first), 0)
        length = tf.where(found, _gather_flat(ends, last), 0) - start
        probabilities = tf.where(found, tf.nn.softmax(scores), 0.0)
        copies = tf.repeat(context[:, None], N_BEST, axis=1)
        answers = tf.strings.substr(copies, start, length)
        prefix = tf.strings.substr(context, tf.zeros_like(start[:, 0]), start[:, 0])
        start_character = _characters(prefix)
        return {
            "answer": answers[:, 0],
            "score": probabilities[:, 0],
            "start": start_character,
            "end": start_character + _characters(answers[:, 0]),
            "n_best_answers": answers,
            "n_best_scores": probabilities,
        }


def best_spans(inputs: dict, logits, max_answer_length: int) -> tuple:
    """The N_BEST likeliest spans of each window, by score, then by start, then by length.

    Args:
      inputs: the encoder's, [windows, length].
      logits: [windows, length, 2].
      max_answer_length: word pieces of the longest span.

    Returns:
      scores: float32 [windows, N_BEST], -inf where there are not so many spans.
      spans: int32 [windows, N_BEST], start * max_answer_length + pieces - 1, the start counted from
        the window's first word piece of context.
    """
    import tensorflow as tf

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


def merge_windows(scores, spans, windows, context_starts, max_answer_length: int) -> tuple:
    """The N_BEST likeliest spans of each context, by score, then by start, then by length.

    A span that several windows hold counts once, with its highest score. What it takes is in
    `best_spans` of each window: a span among a context's best is among the best of its window.

    Args:
      scores, spans: of `best_spans`, [windows, N_BEST].
      windows: see `components.models.bert.packing.Windows`.
      context_starts: int64 [batch], how many word pieces of context stand before each example's.
      max_answer_length: word pieces of the longest span.

    Returns:
      scores: float32 [batch, N_BEST], -inf where there are not so many spans; first and last: int64
      [batch, N_BEST], the span's outer word pieces, counted over the contexts of the whole batch.
    """
    import tensorflow as tf

    before = tf.gather(context_starts, windows.example) + tf.cast(windows.start, tf.int64)
    keys = before[:, None] * max_answer_length + tf.cast(spans, tf.int64)
    found = scores > -float("inf")
    keys, scores = keys[found], scores[found]
    example = tf.broadcast_to(windows.example[:, None], tf.shape(found))[found]
    order = tf.argsort(keys, stable=True)
    keys, scores, example = (tf.gather(value, order) for value in (keys, scores, example))
    keys, index = tf.unique(keys)
    count = tf.size(keys)
    scores = tf.math.unsorted_segment_max(scores, index, count)
    example = tf.math.unsorted_segment_max(example, index, count)

    def by_example(values, missing):
        ragged = tf.RaggedTensor.from_value_rowids(
            values, tf.cast(example, tf.int64), nrows=tf.size(context_starts, tf.int64)
        )
        return tf.pad(
            ragged.to_tensor(default_value=missing), [[0, 0], [0, N_BEST]], constant_values=missing
        )

    scores, chosen = tf.math.top_k(by_example(scores, -float("inf")), N_BEST)
    keys = tf.gather(by_example(keys, tf.constant(0, tf.int64)), chosen, batch_dims=1)
    first = keys // max_answer_length
    return scores, first, first + keys % max_answer_length


def _context(inputs: dict):
    """1 where a row holds a word piece of its second segment, [SEP] left out: int32 [batch, length]."""
    import tensorflow as tf

    second = inputs["input_type_ids"]
    return second * tf.pad(second[:, 1:], [[0, 0], [0, 1]])


def _first(values, missing):
    """The first value of each row of a SparseTensor [batch, (values)]."""
    import tensorflow as tf

    rows = values.dense_shape[0]
    first = tf.sparse.slice(values, [0, 0], tf.stack([rows, 1]))
    dense = tf.sparse.to_dense(tf.sparse.reset_shape(first, tf.stack([rows, 1])), missing)
    return tf.reshape(dense, [-1])


def _position_of(offsets, wanted):
    """Where each row of ragged offsets [batch, (pieces)] holds the wanted one, [batch]; -1: nowhere."""
    import tensorflow as tf

    # By hand: comparing ragged tensors takes a second to trace, and a dense one would be as wide as the
    # longest text.
    row, count = offsets.value_rowids(), tf.size(offsets.flat_values, tf.int64)
    position = tf.range(count) - tf.gather(offsets.row_starts(), row)
    found = tf.where(tf.equal(offsets.flat_values, tf.gather(wanted, row)), position, -1)
    return tf.maximum(tf.math.unsorted_segment_max(found, row, offsets.nrows()), -1)


def _gather_flat(ragged, index):
    """Values at positions counted over all rows; 0 where there are none."""
    import tensorflow as tf

    return tf.gather(tf.concat([ragged.flat_values, [0]], axis=0), index)


def _characters(text):
    import tensorflow as tf

    return tf.cast(tf.strings.length(text, unit="UTF8_CHAR"), tf.int64)
