"""Reads SQuAD's JSON layout: articles of paragraphs of questions; text is taken as it stands."""

import codecs
import gzip
import json
import os
import zlib
from collections.abc import Iterator
from typing import Any

from components.common.errors import InputError, half_character
from components.data.readers.tsv import bad_field
from components.spec.data_source import DataSource, Example, LocatedExample
from components.spec.heads import HeadConfig

_GZIP_MAGIC = b"\x1f\x8b"
_LAYOUT = (
    "Expected is the layout of SQuAD 1.1: data[].paragraphs[], each with context and qas[]; in qas "
    "id, question and answers[], each with text and answer_start."
)
_ANSWERABLE = (
    "Use the files of SQuAD 1.1, where every question has an answer (2.0 has others too), or delete "
    "the questions without one."
)
_KINDS = {str: "a string", int: "a whole number", list: "a list", dict: "an object"}
_SHOWN_CHARACTERS = 80


def read_official(
    folder: str, source: DataSource, head: HeadConfig
) -> dict[str, list[LocatedExample]]:
    """Reads the official files, which are train and dev; dev is the eval split."""
    splits = zip(("train", "eval"), source.files)
    return {split: list(read_file(os.path.join(folder, file.name), head)) for split, file in splits}


def read_file(path: str, head: HeadConfig) -> Iterator[LocatedExample]:
    """Reads a file, see `read_questions`; the features are SQuAD's, whatever the head."""
    del head
    return read_questions(path)


def read_questions(path: str) -> Iterator[LocatedExample]:
    """Reads the questions of a file; each makes one example.

    An example has id, title ("" where the article has none), question and context (str; an id or a
    title may be a number), answer_text (list of str, all reference answers) and answer_start (list of
    int: where each starts in the context, in Unicode code points). `misalignment` checks that they do
    start there.

    Args:
      path: UTF-8, with or without byte order mark; plain or compressed by gzip.

    Raises:
      InputError: at the first thing in the file that is not what it should be.
    """
    places: dict[str, str] = {}
    for place, article, paragraph, question in _walk(path):
        identifier = _identifier(f"{path}: {place}", question)
        where = f"{path}: question {identifier}"
        if identifier in places:
            problem = f"{identifier!r} stands at {places[identifier]} and at {place}"
            raise bad_field(where, "id", problem, "Change or delete one of the two.")
        places[identifier] = place
        answers = _answers(where, question)
        yield (
            where,
            {
                "id": identifier,
                "title": _named(where, article, "title"),
                "question": _filled(where, question, "question"),
                "context": _filled(where, paragraph, "context"),
                "answer_text": [text for text, _ in answers],
                "answer_start": [start for _, start in answers],
            },
        )


def misalignment(example: Example) -> str | None:
    """Returns what is wrong with the first answer that does not stand where it should in the context.

    Args:
      example: of `read_questions`.

    Returns:
      Field, value found and value expected; None where all answers stand where they should.
    """
    context = example["context"]
    for index, (text, start) in enumerate(zip(example["answer_text"], example["answer_start"])):
        if not text.strip():
            return f"field 'answers[{index}].text': {_shown(text)} is empty"
        field = f"field 'answers[{index}].answer_start'"
        if not 0 <= start < len(context):
            return (
                f"{field}: {_shown(start)} is outside of the context, which has {len(context):,} "
                "characters"
            )
        found = context[start : start + len(text)]
        if found != text:
            return (
                f"{field}: {start} should be where {_shown(text)} starts, but there the context "
                f"reads {_shown(found)} (it counts characters, not bytes or UTF-16 units)"
            )
    return None


def _walk(path: str) -> Iterator[tuple[str, dict, dict, dict]]:
    """Yields (JSON path of the question, article, paragraph, question) of every question."""
    document = _parse(path)
    if not isinstance(document, dict):
        raise InputError(f"{path}: {_shown(document)} is not an object. {_LAYOUT}")
    for data, article in _members(path, document, "data"):
        for paragraphs, paragraph in _members(f"{path}: {data}", article, "paragraphs"):
            place = f"{data}.{paragraphs}"
            for qas, question in _members(f"{path}: {place}", paragraph, "qas"):
                yield f"{place}.{qas}", article, paragraph, question


def _answers(where: str, question: dict) -> list[tuple[str, int]]:
    """Returns (text, start) of every answer; there is at least one."""
    if question.get("is_impossible"):
        problem = f"{_shown(question['is_impossible'])}, the question has no answer"
        raise bad_field(where, "is_impossible", problem, _ANSWERABLE)
    answers = [
        (_text(where, answer, "text", name), _get(where, answer, "answer_start", int, name))
        for name, answer in _members(where, question, "answers")
    ]
    if not answers:
        raise bad_field(where, "answers", "[], the question has no answer", _ANSWERABLE)
    return answers


def _members(where: str, parent: dict, field: str) -> Iterator[tuple[str, dict]]:
    """Yields (name, object) of every member of a list of objects."""
    for index, member in enumerate(_get(where, parent, field, list)):
        name = f"{field}[{index}]"
        if not isinstance(member, dict):
            raise bad_field(where, name, f"{_shown(member)} is not an object", _LAYOUT)
        yield name, member


def _get(where: str, parent: dict, field: str, kind: type, parent_name: str = "") -> Any:
    name = f"{parent_name}.{field}" if parent_name else field
    if field not in parent:
        raise bad_field(where, name, "missing", _LAYOUT)
    value = parent[field]
    if type(value) is not kind:  # A bool is an int.
        raise bad_field(where, name, f"{_shown(value)} is not {_KINDS[kind]}", _LAYOUT)
    return value


def _text(where: str, parent: dict, field: str, parent_name: str = "") -> str:
    """Returns the string as it stands; it must have a UTF-8 form."""
    text = _get(where, parent, field, str, parent_name)
    if problem := half_character(text):
        name = f"{parent_name}.{field}" if parent_name else field
        raise bad_field(where, name, problem, "Write the whole character.")
    return text


def _named(where: str, parent: dict, field: str) -> str:
    """Returns a string, or a number as it is written; "" for null and for nothing."""
    value = parent.get(field)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return "" if value is None else str(value)
    return _text(where, parent, field)


def _identifier(where: str, question: dict) -> str:
    """Returns the id, a string or a whole number; it must not be empty."""
    is_number = type(question.get("id")) is int  # a bool is an int
    return str(question["id"]) if is_number else _filled(where, question, "id")


def _filled(where: str, parent: dict, field: str) -> str:
    """Returns the string as it stands; it must hold more than white space."""
    text = _text(where, parent, field)
    if not text.strip():
        problem = f"{_shown(text)} is empty"
        raise bad_field(where, field, problem, "Write the text or delete the question.")
    return text


def _shown(value: Any) -> str:
    """Writes the value as JSON, cut off where it is long."""
    text = json.dumps(value, ensure_ascii=not isinstance(value, str) or not value.isprintable())
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _parse(path: str) -> Any:
    content = _read(path)
    text_bytes = content.removeprefix(codecs.BOM_UTF8)
    try:
        return json.loads(text_bytes.decode("utf-8"))
    except UnicodeDecodeError as error:
        position = error.start + len(content) - len(text_bytes)
        raise InputError(
            f"{path}: byte {position + 1}, 0x{content[position]:02x}, is not UTF-8. "
            "Save the file as UTF-8 text."
        ) from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: line {error.lineno}, column {error.colno}: invalid JSON: {error.msg}. Mend it; "
            "if the file ends there, it was cut off: fetch it again."
        ) from None
    except (ValueError, RecursionError) as error:  # A number or a nesting beyond Python's limits.
        raise InputError(f"{path}: the JSON cannot be read: {error}. {_LAYOUT}") from None


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        content = file.read()
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path}: the gzip stream is truncated or damaged ({error}). Fetch it again."
        ) from None
