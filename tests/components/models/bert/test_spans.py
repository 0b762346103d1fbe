"""Spans of tokens, over all of Unicode."""

import sys
import unicodedata

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.models.bert.hub import resolve
from components.models.bert.spans import tokenize_with_spans, trim
from components.models.bert.tokenizer import Vocabulary

INVISIBLE = [
    *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x206A),
    *(0xFEFF, 0xAD, 0xFFFD, 0x0, 0x7F, 0xE0001), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0),
]  # fmt: skip


ODD = st.sampled_from("a ½…ﬁ\u200b\u00ad\u0301\ufe0f\ufffd.")


def is_deleted(character: str) -> bool:
    return ord(character) in INVISIBLE or unicodedata.category(character) in ("Cc", "Cf")


@pytest.fixture(scope="module", params=[True, False], ids=["lower-cased", "cased"])
def tokenizer(request, tiny_encoder):
    return Vocabulary(resolve(tiny_encoder).vocab_file, request.param).tokenizer()


def spans(tokenizer, texts: list[str]) -> list[list[str]]:
    """The text of each token; fails where a span is empty or cuts a character."""
    ids, starts, ends = tokenize_with_spans(tokenizer, tf.constant(texts))
    assert ids.row_lengths().numpy().tolist() == starts.row_lengths().numpy().tolist()
    found = []
    for text, first, last in zip(texts, starts.to_list(), ends.to_list(), strict=True):
        raw = text.encode()
        assert all(0 <= s < e <= len(raw) for s, e in zip(first, last, strict=True)), text
        assert first == sorted(first) and last == sorted(last), ascii(text)
        found.append([raw[s:e].decode() for s, e in zip(first, last, strict=True)])
    return found


def test_an_invisible_character_belongs_to_no_token(tokenizer):
    texts = [f"{c}the{c} {c}cat{c}{c}. {c}" for c in map(chr, INVISIBLE)]
    for code, found in zip(INVISIBLE, spans(tokenizer, texts), strict=True):
        assert "".join(found) == "thecat.", hex(code)


@pytest.mark.parametrize("character", ["½", "…", "℃", "ﷺ", "가", "각", "ﬁ", "ß", "İ", "㋿", "Ǆ"])
def test_each_token_of_a_character_has_its_span(tokenizer, character):
    (found,) = spans(tokenizer, [f"the {character} cat"])
    assert found[0] == "the" and found[-1] == "cat"
    assert set(found[1:-1]) == {character}


def test_an_accent_stays_with_its_letter(tokenizer):
    (found,) = spans(tokenizer, ["cafe\u0301\u200b, हिन्दी"])
    assert "".join(found) == "cafe\u0301,हिन्दी"


@pytest.mark.full
def test_each_character_of_unicode(tokenizer):
    """Alone, and between letters: no span is empty, cuts a character or ends in what is deleted."""
    characters = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    for batch in (characters, [f"the{character}cat" for character in characters]):
        for start in range(0, len(batch), 1 << 16):
            for found in spans(tokenizer, batch[start : start + (1 << 16)]):
                for text in found:
                    assert not is_deleted(text[0]) and not is_deleted(text[-1]), ascii(found)


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(max_size=30)
    | st.text(st.sampled_from("a ½…ﬁ\u200b\u00ad\u0301\ufe0f\ufffd."), max_size=12)
)
@example(text="a\u200b\u0301 b")
def test_any_text(tokenizer, text):
    (found,) = spans(tokenizer, [text])
    for part in found:
        assert not is_deleted(part[0]) and not is_deleted(part[-1])


def test_trim_tells_how_much_it_cut_in_front():
    left, cut = trim(tf.constant(["\u200b  Ada Brandt\u200b\u0301 ", "e\u0301", " \u00ad "]))
    assert [text.decode() for text in left.numpy()] == ["Ada Brandt", "e\u0301", ""]
    assert cut.numpy().tolist() == [5, 0, 4]
