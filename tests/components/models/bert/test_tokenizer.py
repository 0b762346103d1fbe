"""tf.text's WordPiece against the `tokenizers` library, an implementation of its own."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import BertWordPieceTokenizer

from components.common.errors import InputError
from components.data.readers.reader import reader_of
from components.models.bert.hub import resolve
from components.models.bert.tokenizer import Vocabulary
from components.spec.registry import load_task
from tests.real_data import HAS_MRPC, REAL_DATA


@pytest.fixture(scope="module")
def vocabulary_file() -> str:
    return resolve("minilm-l6").vocab_file


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def both(request, vocabulary_file):
    """(tf.text's, the library's) ids of a list of texts."""
    ours = Vocabulary(vocabulary_file, lower_case=request.param).tokenizer()
    theirs = BertWordPieceTokenizer(vocabulary_file, lowercase=request.param)

    def tokenize(texts: list[str]):
        expected = [e.ids for e in theirs.encode_batch(texts, add_special_tokens=False)]
        return ours.tokenize(texts).to_list(), expected

    return tokenize


def is_folded(character: str) -> bool:
    """½ ﬁ ™ ß ς: tf.text applies NFKC and full case folding, the original keeps them."""
    return unicodedata.normalize("NFKC", character.casefold()) != unicodedata.normalize(
        "NFC", character.lower()
    )


def differs_by_design(character: str) -> bool:
    """The characters that tf.text treats otherwise than the original BERT tokenizer.

    - Those that it folds, see above.
    - Unassigned and private-use characters: [UNK] here, dropped there. U+FFFD too.
    - Control and format characters: a word break here, dropped there.
    - Marks and letters of Unicode versions that only one of the two knows.
    """
    category = unicodedata.category(character)
    return (
        is_folded(character)
        or category in ("Co", "Cn", "Cs", "Cc", "Cf", "Mn", "Mc", "Me", "Lo")
        or (category in ("Po", "So") and ord(character) > 0x900)
    )


alike = st.characters(max_codepoint=0x1FFFF, exclude_categories=("Cs",)).filter(
    lambda c: not differs_by_design(c)
)
han = st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5)
accented = st.text(st.sampled_from("áéíóúÀÖñçŠžÅ\u0301\u0308"), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(
    text=st.lists(st.one_of(st.text(alike, max_size=8), han, accented), max_size=8).map(" ".join)
)
def test_ids_are_the_librarys_on_unicode_text(both, text):
    ours, theirs = both([text])
    assert ours == theirs


@pytest.mark.parametrize(
    "text", ["", "  ", "a" * 100, "a" * 101, "don't , [SEP", "naïve 北京 café"]
)
def test_ids_are_the_librarys_on_edges(both, text):
    ours, theirs = both([text])
    assert ours == theirs


@pytest.mark.skipif(not HAS_MRPC, reason="the official MRPC files are not here")
def test_ids_are_the_librarys_on_every_mrpc_sentence(both):
    task = load_task("mrpc")
    splits = reader_of(task.data).read_official(str(REAL_DATA / "mrpc"), task.data, task.head)
    sentences = [
        row[name]
        for rows in splits.values()
        for _, row in rows
        for name in ("sentence1", "sentence2")
    ]
    assert len(sentences) == 8152
    unlike = [text for text, ours, theirs in zip(sentences, *both(sentences)) if ours != theirs]
    assert len(unlike) <= 5
    assert all(any(map(is_folded, text)) for text in unlike), unlike


def test_a_vocabulary_without_the_marks_is_refused(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("a\nb\n")
    with pytest.raises(InputError, match=r"vocab\.txt: .*'\[CLS\]'"):
        Vocabulary(str(path), True).id_of("[CLS]")
