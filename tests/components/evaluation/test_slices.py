import numpy as np
import pytest

from components.evaluation.slices import SLICES
from components.spec.heads import SequenceClassification, SpanExtraction

PAIR = SequenceClassification(("premise", "claim"), "label", ("0", "1"))
SPAN = SpanExtraction()


def features(**texts: str) -> dict[str, np.ndarray]:
    return {name: np.array([text.encode()], object) for name, text in texts.items()}


@pytest.mark.parametrize(
    ("name", "first", "second", "expected"),
    [
        ("words", "a " * 17, "b " * 17, "0-34"),
        ("words", "a " * 17, "b " * 18, "35-44"),
        ("words", "a " * 40, "b " * 15, "55+"),
        ("overlap", "He won .", "he lost .", "40-54"),  # 2 of 4 words
        ("overlap", "He won .", "Nobody lost", "0-39"),
        ("overlap", "He won .", "He won .", "70+"),
        ("overlap", "", "", "0-39"),
        ("negation", "He did not win", "He won", "differ"),
        ("negation", "He didn 't win", "He couldn't win", "the same"),
        ("negation", "Another knot", "Notes", "in neither"),
        ("numbers", "1,000 of 20", "20 or 1,000", "the same"),
        ("numbers", "1.5 million", "1.6 million", "differ"),
        ("numbers", "one", "two", "in neither"),
    ],
)
def test_slices_of_two_sentences(name, first, second, expected):
    assert SLICES[name](features(premise=first, claim=second), PAIR) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who won?", "who"),
        ("In what year did they say how?", "what"),
        ("WHERE is it?", "where"),
        ("Somehow, somewhat?", "other"),
        ("", "other"),
    ],
)
def test_slices_by_question_word(question, expected):
    assert SLICES["question_word"](features(question=question), SPAN) == expected


@pytest.mark.parametrize(
    ("words", "expected"), [(0, "1"), (1, "1"), (2, "2"), (3, "3-5"), (5, "3-5"), (6, "6+")]
)
def test_slices_by_the_length_of_the_first_reference(words, expected):
    answers = np.array([b"a " * words, b"another reference"], object)
    assert SLICES["answer_words"]({"answer_text": answers}, SPAN) == expected


def test_what_is_no_utf8_is_no_crash():
    context = {"context": np.array(["école".encode()[1:]], object)}
    assert SLICES["context_words"](context, SPAN) == "0-99"
