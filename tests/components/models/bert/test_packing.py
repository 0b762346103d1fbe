import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.models.bert.packing import pack_pair, pack_single, pack_windows, pad
from components.models.bert.tokenizer import Vocabulary

CLS, SEP = 2, 3
VOCABULARY = Vocabulary("unused", lower_case=True)
VOCABULARY.__dict__["tokens"] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b"]

ids = st.lists(st.integers(4, 9), max_size=12)


def trimmed(first: list[int], second: list[int], budget: int) -> tuple[list[int], list[int]]:
    """The longer one loses its last token, and the second one where both are as long."""
    first, second = list(first), list(second)
    while len(first) + len(second) > budget:
        (first if len(first) > len(second) else second).pop()
    return first, second


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(ids, ids), min_size=1, max_size=4), max_length=st.integers(5, 20))
def test_pack_pair_equals_the_rule_in_plain_python(pairs, max_length):
    first = tf.ragged.constant([p[0] for p in pairs], tf.int32, ragged_rank=1)
    second = tf.ragged.constant([p[1] for p in pairs], tf.int32, ragged_rank=1)
    rows = pack_pair(first, second, VOCABULARY, max_length)
    for row, types, pair in zip(
        rows["input_word_ids"].to_list(), rows["input_type_ids"].to_list(), pairs
    ):
        a, b = trimmed(*pair, max_length - 3)
        assert row == [CLS, *a, SEP, *b, SEP]
        assert types == [0] * (len(a) + 2) + [1] * (len(b) + 1)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(ids, min_size=1, max_size=4), max_length=st.integers(3, 12))
def test_pack_single_equals_the_rule_in_plain_python(texts, max_length):
    tokens = tf.ragged.constant(texts, tf.int32, ragged_rank=1)
    sequences = pack_single(tokens, VOCABULARY, max_length)
    assert sequences["input_word_ids"].to_list() == [
        [CLS, *text[: max_length - 2], SEP] for text in texts
    ]
    assert not sequences["input_type_ids"].flat_values.numpy().any()


def windows_of(context: list[int], room: int, stride: int) -> list[tuple[int, list[int]]]:
    """Where each window begins and what it shows: each goes on `stride` tokens before the last end."""
    found = [(0, context[:room])]
    while (begins := found[-1][0]) + room < len(context):
        begins += room - stride
        found.append((begins, context[begins : begins + room]))
    return found


@settings(max_examples=60, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.lists(st.integers(4, 9), max_size=5), ids), min_size=1, max_size=4),
    stride=st.integers(0, 4),
    spare=st.integers(1, 6),
)
def test_pack_windows_equals_the_rule_in_plain_python(pairs, stride, spare):
    """With room for the longest question, `stride` and at least one token more."""
    max_length = max(len(question) for question, _ in pairs) + 3 + stride + spare
    question = tf.ragged.constant([q for q, _ in pairs], tf.int32, ragged_rank=1)
    context = tf.ragged.constant([c for _, c in pairs], tf.int32, ragged_rank=1)
    windows = pack_windows(question, context, VOCABULARY, max_length, stride)
    expected = [
        (example, start, [CLS, *asked, SEP, *shown, SEP], len(asked) + 2, len(shown))
        for example, (asked, read) in enumerate(pairs)
        for start, shown in windows_of(read, max_length - 3 - len(asked), stride)
    ]
    packed = zip(
        windows.example.numpy().tolist(),
        windows.start.numpy().tolist(),
        windows.sequences["input_word_ids"].to_list(),
        windows.offset.numpy().tolist(),
        windows.length.numpy().tolist(),
    )
    assert list(packed) == expected
    for types, (_, _, _, offset, length) in zip(
        windows.sequences["input_type_ids"].to_list(), expected
    ):
        assert types == [0] * offset + [1] * (length + 1)


def test_padding_is_masked_and_of_type_0():
    rows = {
        "input_word_ids": tf.ragged.constant([[2, 4, 3, 4, 3], [2, 3, 3]], tf.int32),
        "input_type_ids": tf.ragged.constant([[0, 0, 0, 1, 1], [0, 0, 1]], tf.int32),
    }
    padded = {name: value.numpy().tolist() for name, value in pad(rows).items()}
    assert padded == {
        "input_word_ids": [[2, 4, 3, 4, 3], [2, 3, 3, 0, 0]],
        "input_mask": [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]],
        "input_type_ids": [[0, 0, 0, 1, 1], [0, 0, 1, 0, 0]],
    }
