import functools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.common.errors import InputError
from components.models.bert.hub import resolve
from components.models.bert.spans import tokenize_with_spans
from components.models.bert.tokenizer import Vocabulary
from components.models.heads.span_extraction import N_BEST, Head
from components.spec.heads import SpanExtraction
from components.spec.hyperparameters import SpanHyperparameters
from components.spec.registry import load_task
from components.training.export import apply_in_chunks
from components.training.trainer import build_model
from tests.components.models.heads.span_reference import best_answers, windows_of

HEAD = Head(SpanExtraction())
SMALL = SpanHyperparameters(
    max_seq_length=24, max_question_length=6, stride=5, max_answer_length=4, dropout=0.0
)
TEXT = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "the",
                "cat",
                "Zürich",
                "e\u0301",
                "\u0301",
                "🙂",
                "東京",
                "مرحبا",
                "42,",
                "“x”",
                "½…",
                "ﬁ\u200b",
            ]
        ),
        st.text(max_size=6),
    ),
    max_size=60,
).map(" ".join)


@pytest.fixture(scope="module")
def vocabulary(tiny_encoder) -> Vocabulary:
    encoder = resolve(tiny_encoder)
    return Vocabulary(encoder.vocab_file, encoder.lower_case)


def features_of(vocabulary, questions: list[str], contexts: list[str]) -> dict:
    tokenizer = vocabulary.tokenizer()
    ids, starts, ends = tokenize_with_spans(tokenizer, tf.constant(contexts))
    return {
        "question_ids": tokenizer.tokenize(tf.constant(questions)),
        "context_ids": tf.cast(ids, tf.int32),
        "context_starts": starts,
        "context_ends": ends,
    }


def targets_of(vocabulary, context: str, answer: str, start: int) -> tuple[int, int]:
    features = features_of(vocabulary, [""], [context])
    raw = {
        "context": tf.constant([context]),
        "answer_text": tf.sparse.from_dense([[answer, "another one"]]),
        "answer_start": tf.SparseTensor(
            [[0, 0], [0, 1]], tf.constant([start, 0], tf.int64), [1, 2]
        ),
    }
    made = HEAD.targets(raw, features)
    return int(made["answer_first"][0]), int(made["answer_last"][0])


class FromIds:
    """Logits that a window's own ids and positions fix, so that windows differ on what they share."""

    def __init__(self, seed: int):
        self._seed = seed

    def __call__(self, inputs, training=False):
        ids = tf.cast(inputs["input_word_ids"], tf.float32)
        position = tf.range(tf.shape(ids)[1], dtype=tf.float32)[None, :]
        wave = tf.sin(ids * (1.3 + self._seed) + position * 0.7)
        # Eighths: sums of them are exact, so equal scores are equal in both languages.
        return tf.round(tf.stack([wave, tf.cos(wave * 5 + ids)], axis=2) * 16) / 8


@tf.function(reduce_retracing=True)
def graph_answers(features, context, vocabulary, seed):
    apply = functools.partial(apply_in_chunks, FromIds(seed))
    return HEAD.answers(apply, features, {"context": context}, vocabulary, SMALL)


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4), seed=st.integers(0, 2))
def test_answers_equal_the_reference(vocabulary, pairs, seed):
    questions, contexts = map(list, zip(*pairs))
    features = features_of(vocabulary, questions, contexts)
    made = {
        k: v.numpy()
        for k, v in graph_answers(features, tf.constant(contexts), vocabulary, seed).items()
    }
    for index, context in enumerate(contexts):
        question = features["question_ids"][index].numpy().tolist()[: SMALL.max_question_length]
        ids = features["context_ids"][index].numpy().tolist()
        windows = windows_of(question, ids, SMALL.max_seq_length, SMALL.stride)
        cls, sep = vocabulary.id_of("[CLS]"), vocabulary.id_of("[SEP]")
        rows = [[cls, *question, sep, *ids[s : s + n], sep] for s, n in windows]
        logits = [FromIds(seed)({"input_word_ids": [row]})[0].numpy().tolist() for row in rows]
        starts, ends = (features[f"context_{end}"][index].numpy() for end in ("starts", "ends"))
        expected = best_answers(
            *(context.encode(), list(zip(starts, ends)), windows, logits, len(question) + 2),
            *(SMALL.max_answer_length, N_BEST),
        )
        count = len(expected)
        assert made["n_best_answers"][index, :count].tolist() == [e["text"] for e in expected]
        np.testing.assert_allclose(
            made["n_best_scores"][index, :count], [e["score"] for e in expected], atol=1e-5
        )
        assert not made["n_best_scores"][index, count:].any()
        texts = made["n_best_answers"][index, :count].tolist()
        assert len(set(texts)) == count and (b"" not in texts or not ids)
        start, end = int(made["start"][index]), int(made["end"][index])
        assert (start, end) == (expected[0]["start"], expected[0]["end"])
        assert context[start:end].encode() == made["answer"][index] == expected[0]["text"]


@pytest.mark.parametrize("context", [b"\xff\xfe cat \xe4", b"cat \xc3", b"a\0b", b"\x80" * 50])
def test_invalid_utf8_is_answered_with_bytes_of_the_context(vocabulary, context):
    features = features_of(vocabulary, ["cat"], [context])
    made = graph_answers(features, tf.constant([context]), vocabulary, 0)
    assert made["answer"][0].numpy() in context
    assert np.isfinite(made["score"]).all()


def test_the_answer_is_the_one_that_the_logits_name(vocabulary):
    """Start and end logits high at one word of a context of many windows."""
    words = [f"w{i}" for i in range(300)]
    context = " ".join(words)
    features = features_of(vocabulary, ["who"], [context])
    wanted = context.index("w217")
    first = features["context_starts"][0].numpy().tolist().index(wanted)
    last = features["context_ends"][0].numpy().tolist().index(wanted + 4)
    flat = features["context_ids"].flat_values.numpy().copy()
    flat[:] = 5
    flat[first], flat[last] = 6, 7
    features["context_ids"] = features["context_ids"].with_flat_values(tf.constant(flat))

    def model(inputs, training=False):
        ids = inputs["input_word_ids"]
        return tf.stack([tf.cast(ids == 6, tf.float32), tf.cast(ids == 7, tf.float32)], axis=2)

    answer = HEAD.answers(
        functools.partial(apply_in_chunks, model),
        *(features, {"context": tf.constant([context])}, vocabulary, SMALL),
    )
    assert answer["answer"][0] == b"w217"


@pytest.mark.parametrize(
    ("context", "answer", "wanted"),
    [
        ("the cat sat on the mat", "cat", "cat"),
        ("the cat sat on the mat", "cat sat", "cat sat"),
        ("🙂 é 東京 then cat", "cat", "cat"),
        ("🙂 é 東京 then cat", "東京", "東京"),
        ("a e\u0301te\u0301 b", "e\u0301te\u0301", "e\u0301te\u0301"),
        (" padded  cat ", " cat ", "cat"),
        ("مرحبا بالعالم", "بالعالم", "بالعالم"),
        ("the cat\u200b sat", "cat", "cat"),
        ("the cat\u200b sat", "cat\u200b", "cat"),
        ("the \u200bcat\u00ad.", "\u200bcat\u00ad", "cat"),
        ("a ½ … b", "½", "½"),
        ("a ½ … b", "…", "…"),
    ],
)
def test_targets_are_the_answers_tokens(vocabulary, context, answer, wanted):
    first, last = targets_of(vocabulary, context, answer, context.index(answer))
    features = features_of(vocabulary, [""], [context])
    start, end = features["context_starts"][0, first], features["context_ends"][0, last]
    assert context.encode()[int(start) : int(end)].decode() == wanted


@pytest.mark.parametrize(
    ("context", "answer", "start", "expected"),
    [("the cat", "he", 1, "no token begins"), ("of the", "th", 3, "no token ends")],
)
def test_an_answer_inside_a_token_is_not_trained_on(vocabulary, context, answer, start, expected):
    first, last = targets_of(vocabulary, context, answer, start)
    stored = {"answer_first": tf.constant([first]), "answer_last": tf.constant([last])}
    assert not HEAD.is_trainable(stored)[0]
    (reason,) = [reason for reason, where in HEAD.unusable(stored).items() if where[0]]
    assert expected in reason


def test_training_windows_point_at_the_answer_or_at_cls(vocabulary):
    context = " ".join(["the cat sat on a mat ,"] * 8)
    features = features_of(vocabulary, ["who sat"] * 2, [context] * 2)
    features |= {
        "answer_first": tf.constant([0, 20], tf.int64),
        "answer_last": tf.constant([1, 22], tf.int64),
    }
    rows, targets = HEAD.training_features(features, vocabulary, SMALL)
    ids, found = rows["input_word_ids"].to_list(), {0: 0, 1: 0}
    windows = len(ids) // 2
    for index, (row, (start, end)) in enumerate(zip(ids, targets.numpy())):
        example = index // windows
        if start:
            first, last = (int(features[f"answer_{end}"][example]) for end in ("first", "last"))
            assert (
                row[start : end + 1]
                == features["context_ids"][example, first : last + 1].numpy().tolist()
            )
            found[example] += 1
        else:
            assert end == 0
    assert found[0] == 1 and found[1] >= 1
    assert len(ids) > sum(found.values())


INPUTS = {
    "input_word_ids": tf.constant([[2, 40, 41, 3, 42, 43, 3], [2, 43, 3, 44, 3, 0, 0]]),
    "input_mask": tf.constant([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0]]),
    "input_type_ids": tf.constant([[0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0]]),
}


def test_only_cls_and_context_can_be_chosen(tiny_encoder):
    logits = build_model(HEAD, resolve(tiny_encoder), SMALL)(INPUTS).numpy()
    expected = [
        [True, False, False, False, True, True, False],
        [True, False, False, True] + [False] * 3,
    ]
    np.testing.assert_array_equal(logits[:, :, 0] > -1e8, expected)
    np.testing.assert_array_equal(logits[:, :, 1] > -1e8, expected)


def test_loss_is_the_mean_of_both_ends(tiny_encoder):
    logits = build_model(HEAD, resolve(tiny_encoder), SMALL)(INPUTS)
    targets = tf.constant([[4, 5], [0, 0]])
    log = tf.nn.log_softmax(logits, axis=1).numpy()
    expected = -np.mean([log[0, 4, 0], log[0, 5, 1], log[1, 0, 0], log[1, 0, 1]])
    np.testing.assert_allclose(HEAD.loss(targets, logits), expected, rtol=1e-5)


def test_one_step_changes_every_weight_but_the_pooler(tiny_encoder):
    model = build_model(HEAD, resolve(tiny_encoder), SMALL)
    with tf.GradientTape() as tape:
        loss = HEAD.loss(tf.constant([[4, 5], [0, 0]]), model(INPUTS, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    still = [
        variable.name
        for variable, gradient in zip(model.trainable_variables, gradients)
        if not np.any(tf.convert_to_tensor(gradient))
        # A softmax over positions knows no bias: its gradient is 0 up to rounding.
        and variable.name != "logits/bias:0"
    ]
    assert len(still) == 2 and all("pooler" in name for name in still)


def test_a_stride_that_leaves_no_step_is_refused():
    with pytest.raises(InputError, match="stride"):
        load_task("squad").override({"stride": "400"})
