import string
import subprocess
import sys

import pytest

from components.common.errors import InputError
from components.evaluation.metrics.span_extraction import exact_match, f1, normalize_answer
from tests.conftest import REPOSITORY
from tests.real_data import REAL_DATA

XQUAD = REAL_DATA / "squad" / "xquad.en.json"


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The Denver Broncos", "denver broncos"),
        ("an apple, a day", "apple day"),
        ("the", ""),
        ("A. An! THE?", ""),
        (string.punctuation, ""),
        ("", ""),
        ("  two\t\nlines\u00a0here\u3000too ", "two lines here too"),
        ("theatre another aardvark", "theatre another aardvark"),
        ("well-known", "wellknown"),
        ("the-end", "theend"),  # punctuation goes first, so there is no article left to drop
        ("a.n.", ""),  # and here there is one
        ("U.S.A.", "usa"),
        ("1,000.50", "100050"),
        ("$20 million", "20 million"),
        ("snake_case", "snakecase"),
        ("“quoted”", "“quoted”"),
        ("1914\u201318", "1914\u201318"),
        ("the\u2013end", "\u2013end"),  # an en dash is no letter: `the` is a word by itself
        ("Tesla\u2019s", "tesla\u2019s"),
        ("Tesla's", "teslas"),
        ("ÉCOLE", "école"),
        ("東京、日本。", "東京、日本。"),
        ("a東京", "a東京"),  # a CJK character is a letter: there is no word `a`
    ],
)
def test_normalization(text, normalized):
    assert normalize_answer(text) == normalized


@pytest.mark.parametrize(
    ("prediction", "references", "expected_match", "expected_f1"),
    [
        ("Denver Broncos", ["the Denver Broncos!"], 1, 1),
        ("Denver", ["Denver Broncos"], 0, 2 / 3),
        ("in the city of Denver", ["Denver"], 0, 2 / 5),
        ("Broncos Denver", ["Denver Broncos"], 0, 1),  # order counts in the exact match only
        ("very very good", ["very good good"], 0, 2 / 3),  # `very` and `good` once each, of 3 and 3
        ("no no no", ["no"], 0, 1 / 2),
        ("cat", ["dog"], 0, 0),
        ("", ["Denver"], 0, 0),
        ("", ["the"], 1, 0),  # equal, but without a common word
        ("a", ["an"], 1, 0),
        ("?!", [""], 1, 0),
        ("Denver", ["", "Denver"], 1, 1),
        ("1000", ["1,000"], 1, 1),
        ("wellknown", ["well-known"], 1, 1),
        ("well known", ["well-known"], 0, 0),
        ("quoted", ["“quoted”"], 0, 0),
        ("東京", ["東京、日本"], 0, 0),  # no white space: one word
        ("東京 日本", ["東京 大阪"], 0, 1 / 2),
        ("Levi's Stadium", ["Santa Clara", "Levis stadium", "stadium"], 1, 1),
        ("red blue", ["red", "red blue green", "green"], 0, 4 / 5),  # the nearest, not the first
    ],
)
def test_scores(prediction, references, expected_match, expected_f1):
    assert exact_match(prediction, references) == expected_match
    assert f1(prediction, references) == pytest.approx(expected_f1, abs=1e-12)


@pytest.mark.parametrize("score", [exact_match, f1])
def test_a_question_without_reference_answers_is_refused(score):
    with pytest.raises(InputError, match=r"'Denver' .*no reference"):
        score("Denver", [])


@pytest.mark.skipif(not XQUAD.is_file(), reason="no SQuAD")
def test_the_first_reference_is_right_on_all_real_questions():
    from components.data.readers.squad_json import read_questions

    references = [row["answer_text"] for _, row in read_questions(str(XQUAD))]
    assert len(references) == 1190
    assert [exact_match(texts[0], texts) for texts in references] == [1.0] * 1190
    assert [f1(texts[0], texts) for texts in references] == [1.0] * 1190


def test_metrics_are_named_without_tensorflow():
    """A task is read, to prepare data, in a process that does not load TensorFlow."""
    program = (
        "import sys; from components.evaluation.metrics.span_extraction import metrics; "
        "print([m.name for m in metrics(None)], {'tensorflow', 'apache_beam'} & set(sys.modules))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True
    ).stdout
    assert shown == "['examples', 'exact_match', 'f1'] set()\n"
