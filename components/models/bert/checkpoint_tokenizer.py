"""The tokenizer of a Hugging Face checkpoint: its vocabulary and casing, if it cuts text as BERT's does.

What it would do otherwise is refused by name. Then Hugging Face's tokenizer of BERT, with this
vocabulary and casing, and TensorFlow's cut texts of several scripts, and must give the same ids.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_text as tf_text
import tokenizers

from components.common.errors import InputError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
# Checkpoints pad the embedding table for speed, to a multiple of 128 at most. A table that has more
# rows to spare belongs to another vocabulary.
MAX_SPARE_ROWS = 127

_STANDARD = (*SPECIAL_TOKENS, "[MASK]")
_CLASSES = ("BertTokenizer", "BertTokenizerFast")
_PROBES = (
    "The quick brown fox, it's said, jumped over 13 lazy dogs; didn't it?",
    "Übung, naïve café, Ærø, señor, Çeşme, Łódź, smørrebrød.",
    "Москва слезам не верит. Санкт-Петербург.",
    "東京は日本の首都です。北京是中国的首都。",
    "Ελληνικα και αγγλικα",
    "unbelievably@example.org https://example.org/a_b-c?d=1&e=2",
    "tabs\tand\nlines  and   blanks",
    "$5.00 + 10% = 100 # not (much) [really] {at} all!",
    "Antidisestablishmentarianism " + "x" * 99,
)


def read_tokenizer(checkpoint_dir: str, vocab_size: int) -> tuple[list[str], bool, list[str]]:
    """Reads the tokenizer of a checkpoint.

    Args:
      vocab_size: of the network.

    Returns:
      The tokens in the order of their ids, whether text is lower-cased, and notes.

    Raises:
      InputError: there is no vocabulary of about `vocab_size` tokens, or text would be cut otherwise.
    """
    settings = _json_of(checkpoint_dir, "tokenizer_config.json")
    fast = _json_of(checkpoint_dir, "tokenizer.json")
    vocabulary = read_vocabulary(checkpoint_dir, fast)
    lower_case = read_lower_case(settings, fast, vocabulary)
    spare = vocab_size - len(vocabulary)
    if not 0 <= spare <= MAX_SPARE_ROWS:
        raise InputError(
            f"{checkpoint_dir}: the vocabulary has {len(vocabulary)} tokens, but config.json says "
            f"vocab_size={vocab_size}. Take the vocabulary that this checkpoint was trained with."
        )
    added = _json_of(checkpoint_dir, "added_tokens.json")
    for file, problem in _unlike_bert(settings, fast, added, lower_case):
        raise InputError(
            f"{checkpoint_dir}/{file}: {problem}; BERT's tokenizer in TensorFlow cannot. Take a "
            "checkpoint without it."
        )
    _compare(checkpoint_dir, vocabulary, lower_case)
    return (
        vocabulary,
        lower_case,
        [f"The last {spare} embeddings belong to no token."] * bool(spare),
    )


def read_vocabulary(checkpoint_dir: str, fast: dict[str, Any]) -> list[str]:
    """Reads the tokens from vocab.txt, or from what tokenizer.json holds.

    Raises:
      InputError: neither file has a BERT vocabulary; a token is blank, or stands twice.
    """
    path = os.path.join(checkpoint_dir, "vocab.txt")
    if os.path.exists(path):
        try:
            with open(path, encoding="utf-8") as file:
                tokens = [line.rstrip("\n") for line in file]
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not UTF-8: {error}. Download it again.") from None
    else:
        path = os.path.join(checkpoint_dir, "tokenizer.json")
        model = fast.get("model", {})
        if model.get("type") != "WordPiece":
            raise InputError(
                f"{checkpoint_dir}: neither vocab.txt nor a WordPiece tokenizer.json. A vocabulary of "
                "SentencePiece or BPE is no BERT's."
            )
        tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
        if [model["vocab"][token] for token in tokens] != list(range(len(tokens))):
            raise InputError(f"{path}: the ids of the vocabulary are not 0, 1, 2 and so on.")
    first: dict[str, int] = {}
    for number, token in enumerate(tokens, 1):
        problem = None
        if token in first:
            problem = f"{token!r} stands in line {first[token]} too"
        elif not token.removeprefix("##").strip():
            problem = f"{token!r} is no token, and no text would become it"
        if problem:
            raise InputError(
                f"{path}:{number}: {problem}. Take the vocabulary that this checkpoint was trained "
                "with, or give the line a name of its own, such as [unused1]."
            )
        first[token] = number
    if absent := [token for token in SPECIAL_TOKENS if token not in first]:
        raise InputError(f"{path}: no {', '.join(absent)}, so this is not a BERT vocabulary.")
    return tokens


def read_lower_case(
    settings: dict[str, Any], fast: dict[str, Any], vocabulary: Sequence[str]
) -> bool:
    """Returns whether text is lower-cased, by the first of these that says so.

    `do_lower_case` in tokenizer_config.json; the normalizer in tokenizer.json; the vocabulary, which
    is of lower-cased text when no token but the [BRACKETED] ones has an upper-case letter.
    """
    stated = settings.get("do_lower_case")
    if stated is None:
        stated = (fast.get("normalizer") or {}).get("lowercase")
    if stated is None:
        return not any(p != p.lower() and not re.fullmatch(r"\[.*\]", p) for p in vocabulary)
    return bool(stated)


def _unlike_bert(
    settings: dict[str, Any], fast: dict[str, Any], added: dict[str, Any], lower_case: bool
) -> Iterator[tuple[str, str]]:
    """Yields file and problem of each setting by which text would be cut otherwise."""
    file = "tokenizer_config.json"
    kind = settings.get("tokenizer_class")
    if kind not in (None, *_CLASSES):
        yield file, f"tokenizer_class is {kind!r}"
    for name in ("do_basic_tokenize", "tokenize_chinese_chars"):
        if settings.get(name) is False:
            yield file, f"{name} is false"
    if settings.get("strip_accents") not in (None, lower_case):
        yield file, f"strip_accents is {settings['strip_accents']}, and do_lower_case {lower_case}"
    for name in ("pad", "unk", "cls", "sep"):
        token = settings.get(f"{name}_token", f"[{name.upper()}]")
        content = token.get("content") if isinstance(token, dict) else token
        if content != f"[{name.upper()}]":
            yield file, f"{name}_token is {content!r}, not '[{name.upper()}]'"
    if settings.get("never_split"):
        yield file, f"never_split is {settings['never_split']}"
    for entry in settings.get("added_tokens_decoder", {}).values():
        if entry.get("content") not in _STANDARD:
            yield file, f"added_tokens_decoder adds the token {entry.get('content')!r}"
    for token in added:
        if token not in _STANDARD:
            yield "added_tokens.json", f"adds the token {token!r}"
    yield from (("tokenizer.json", problem) for problem in _fast_unlike_bert(fast, lower_case))


def _fast_unlike_bert(fast: dict[str, Any], lower_case: bool) -> Iterator[str]:
    for entry in fast.get("added_tokens") or ():
        if entry.get("content") not in _STANDARD:
            yield f"added_tokens adds the token {entry.get('content')!r}"
    normalizer = fast.get("normalizer") or {}
    if normalizer.get("type", "BertNormalizer") != "BertNormalizer":
        yield f"the normalizer is {normalizer['type']}"
    for name in ("clean_text", "handle_chinese_chars"):
        if normalizer.get(name) is False:
            yield f"{name} of the normalizer is false"
    if normalizer.get("strip_accents") not in (None, lower_case):
        yield f"strip_accents is {normalizer['strip_accents']}, and lowercase {lower_case}"
    splitter = fast.get("pre_tokenizer") or {}
    if splitter.get("type", "BertPreTokenizer") != "BertPreTokenizer":
        yield f"the pre_tokenizer is {splitter['type']}"
    model = fast.get("model") or {}
    for name, expected in (("continuing_subword_prefix", "##"), ("unk_token", "[UNK]")):
        if model.get(name, expected) != expected:
            yield f"{name} is {model[name]!r}, not {expected!r}"


def _compare(checkpoint_dir: str, vocabulary: list[str], lower_case: bool) -> None:
    """Raises InputError at the first text that both tokenizers cut otherwise."""
    theirs = tokenizers.BertWordPieceTokenizer(
        {token: place for place, token in enumerate(vocabulary)}, lowercase=lower_case
    )
    try:
        ours = tf_text.FastBertTokenizer(
            vocab=vocabulary, token_out_type=tf.int32, lower_case_nfd_strip_accents=lower_case
        )
    except Exception as error:  # of tf.text's C++, without a type of its own
        first = str(error).splitlines()[0]
        raise InputError(f"{checkpoint_dir}: no tokenizer can be made of it: {first}") from None
    for text in _PROBES:
        expected = theirs.encode(text, add_special_tokens=False).ids
        found = ours.tokenize([text]).to_list()[0]
        if found != expected:
            shown = [[vocabulary[i] for i in ids] for ids in (expected, found)]
            raise InputError(
                f"{checkpoint_dir}: {text!r} becomes {' '.join(shown[0])} by Hugging Face's tokenizer "
                f"of BERT, and {' '.join(shown[1])} in TensorFlow. Take another checkpoint."
            )


def _json_of(folder: str, name: str) -> dict[str, Any]:
    """Reads a JSON object; {} where there is no such file."""
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}. Download it again.") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no JSON object. Download it again.")
    return found
