"""Questions come back as they stand in the file, or the first bad one is named."""

import gzip
import json

import pytest

from components.common.errors import InputError
from components.data.readers.squad_json import misalignment, read_questions
from tests import real_data

CONTEXT = " e\u0301 \U0001f600 東京 ירושלים\u200f is  old.\n"


def question(identifier="q1", text="old", start=22, **changes):
    answers = [{"text": text, "answer_start": start}]
    return {"id": identifier, "question": "How is it?", "answers": answers} | changes


def squad(*questions, context=CONTEXT, title="Cities"):
    return {"data": [{"title": title, "paragraphs": [{"context": context, "qas": questions}]}]}


def write(path, document):
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    path.write_bytes(content)
    return str(path)


def refusal(path):
    with pytest.raises(InputError) as error:
        list(read_questions(path))
    return str(error.value)


def test_text_is_left_as_it_stands(tmp_path):
    answers = [{"text": " old.", "answer_start": 21}, {"text": "東京", "answer_start": 6}]
    asked = question(question=" How\tis it? ", answers=answers)
    path = write(tmp_path / "own.json", squad(asked, question("q2")))
    (where, row), (next_where, next_row) = read_questions(path)
    assert (where, next_where) == (f"{path}: question q1", f"{path}: question q2")
    assert row == {
        "id": "q1",
        "title": "Cities",
        "question": " How\tis it? ",
        "context": CONTEXT,
        "answer_text": [" old.", "東京"],
        "answer_start": [21, 6],
    }
    assert next_row["answer_text"] == ["old"]


def test_articles_and_paragraphs_stay_apart(tmp_path):
    first, second = squad(question("q1"), title="One"), squad(question("q2"), context="It is old.")
    second["data"][0]["paragraphs"] += squad(question("q3"), context="Not so old.")["data"][0][
        "paragraphs"
    ]
    path = write(tmp_path / "own.json", {"version": "1.1", "data": first["data"] + second["data"]})
    assert [(row["id"], row["title"], row["context"]) for _, row in read_questions(path)] == [
        ("q1", "One", CONTEXT),
        ("q2", "Cities", "It is old."),
        ("q3", "Cities", "Not so old."),
    ]


def test_encodings_of_the_same_file(tmp_path):
    document = squad(question())
    plain = json.dumps(document, ensure_ascii=False).encode()
    expected = [row for _, row in read_questions(write(tmp_path / "plain.json", document))]
    variants = {
        "unescaped.json": plain,
        "mark.json": b"\xef\xbb\xbf" + plain,
        "lines.json": json.dumps(document, indent=2).replace("\n", "\r\n").encode(),
        "small.json.gz": gzip.compress(plain, mtime=0),
        "unnamed": gzip.compress(b"\xef\xbb\xbf" + plain, mtime=0),
    }
    for name, content in variants.items():
        rows = [row for _, row in read_questions(write(tmp_path / name, content))]
        assert rows == expected, name


def test_a_title_may_be_missing_and_a_question_marked_as_possible(tmp_path):
    document = squad(question(is_impossible=False))
    del document["data"][0]["title"]
    ((_, row),) = read_questions(write(tmp_path / "own.json", document))
    assert row["title"] == ""


def test_a_title_or_id_may_be_a_number_and_a_title_null(tmp_path):
    asked = squad(question(7), title=1984)
    asked["data"] += squad(question("q2"), title=None)["data"]
    rows = [row for _, row in read_questions(write(tmp_path / "own.json", asked))]
    assert [(row["id"], row["title"]) for row in rows] == [("7", "1984"), ("q2", "")]
    assert "'id'" in refusal(write(tmp_path / "bool.json", squad(question(True))))


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["line 1, column 1", "JSON"]),
        (b'{"data":\n [1,]}', ["line 2, column 5", "JSON", "Mend"]),
        (b'{"data":[]}\n{"data":[]}', ["line 2, column 1", "JSON"]),
        (b'{"data": [{"title": "a', ["line 1, column 21", "cut off"]),
        (b'{"data": "a\tb"}', ["line 1, column 12", "control character"]),
        (b'{"data": "\xe9"}', ["byte 11, 0xe9", "UTF-8"]),
        (b'\xef\xbb\xbf{"data": "\xe9"}', ["byte 14, 0xe9", "UTF-8"]),
        ('{"data": []}'.encode("utf-16"), ["byte 1, 0xff", "UTF-8"]),
        (b'{"data": ' + b"1" * 5_000 + b"}", []),
        (b"[" * 200_000, ["cannot be read", "recursion"]),
        (gzip.compress(b'{"data": []}' * 99, mtime=0)[:-9], ["gzip", "truncated", "Fetch"]),
        (gzip.compress(b'{"data": []}', mtime=0)[:-8] + b"\0" * 8, ["gzip", "damaged", "Fetch"]),
        (b"\x1f\x8bno gzip at all", ["gzip", "damaged", "Fetch"]),
    ],
)
def test_a_file_that_is_no_json_is_refused(tmp_path, content, parts):
    path = write(tmp_path / "own.json", content)
    message = refusal(path)
    assert message.startswith(f"{path}: ")
    for part in parts:
        assert part in message


def without(parent, field):
    return {name: value for name, value in parent.items() if name != field}


ANSWER = {"text": "old", "answer_start": 22}


@pytest.mark.parametrize(
    ("document", "place", "parts"),
    [
        ([1], "", ["[1]", "object"]),
        ({}, "", ["'data'", "missing"]),
        ({"data": {"a": 1}}, "", ["'data'", '{"a": 1}', "list"]),
        ({"data": ["a"]}, "", ["'data[0]'", '"a"', "object"]),
        ({"data": [{}]}, "data[0]", ["'paragraphs'", "missing"]),
        ({"data": [{"paragraphs": 1}]}, "data[0]", ["'paragraphs': 1 ", "list"]),
        ({"data": [{"paragraphs": [None]}]}, "data[0]", ["'paragraphs[0]'", "null"]),
        ({"data": [{"paragraphs": [{}]}]}, "data[0].paragraphs[0]", ["'qas'", "missing"]),
        (
            {"data": [{"paragraphs": []}, {"paragraphs": [{"qas": "no"}]}]},
            "data[1].paragraphs[0]",
            ["'qas'", '"no"', "list"],
        ),
        (
            {"data": [{"paragraphs": [{"qas": [question("q0")]}]}]},
            "question q0",
            ["'context'", "missing"],
        ),
        (squad([]), "data[0].paragraphs[0]", ["'qas[0]': []", "object"]),
        (squad(question(), 7), "data[0].paragraphs[0]", ["'qas[1]': 7 ", "object"]),
    ],
)
def test_another_layout_is_refused(tmp_path, document, place, parts):
    path = write(tmp_path / "own.json", document)
    message = refusal(path)
    assert message.startswith(f"{path}: {place}")
    for part in [*parts, "SQuAD 1.1"]:
        assert part in message


@pytest.mark.parametrize(
    ("changed", "place", "parts"),
    [
        (without(question(), "id"), "data[0].paragraphs[0].qas[1]", ["'id'", "missing"]),
        (question(7.5), "data[0].paragraphs[0].qas[1]", ["'id': 7.5 ", "string"]),
        (question(" "), "data[0].paragraphs[0].qas[1]", ["'id'", '" "', "empty", "Write"]),
        (without(question(), "question"), "question q1", ["'question'", "missing"]),
        (question(question=None), "question q1", ["'question'", "null", "string"]),
        (question(question=" \n"), "question q1", ["'question'", '" \\n"', "empty", "delete"]),
        (question(question="a\ud83d"), "question q1", ["'question'", "character 1", "surrogate"]),
        (without(question(), "answers"), "question q1", ["'answers'", "missing"]),
        (question(answers=ANSWER), "question q1", ["'answers'", "list"]),
        (question(answers=["old"]), "question q1", ["'answers[0]'", '"old"', "object"]),
        (
            question(answers=[ANSWER, without(ANSWER, "text")]),
            "question q1",
            ["'answers[1].text'", "missing"],
        ),
        (question(text=["old"]), "question q1", ["'answers[0].text'", '["old"]', "string"]),
        (question(text="\udc00"), "question q1", ["'answers[0].text'", "surrogate"]),
        (
            question(answers=[without(ANSWER, "answer_start")]),
            "question q1",
            ["'answers[0].answer_start'", "missing"],
        ),
        (
            question(start="22"),
            "question q1",
            ["'answers[0].answer_start'", '"22"', "whole number"],
        ),
        (
            question(start=22.0),
            "question q1",
            ["'answers[0].answer_start'", "22.0", "whole number"],
        ),
        (
            question(start=True),
            "question q1",
            ["'answers[0].answer_start'", "true", "whole number"],
        ),
        (question(answers=[]), "question q1", ["'answers'", "no answer", "SQuAD 1.1", "delete"]),
        (
            question(is_impossible=True, answers=[]),
            "question q1",
            ["'is_impossible'", "true", "no answer", "SQuAD 1.1", "delete"],
        ),
        (question(is_impossible=True), "question q1", ["'is_impossible'", "SQuAD 1.1", "delete"]),
        (
            question("q0"),
            "question q0",
            [
                "'id'",
                "'q0'",
                "data[0].paragraphs[0].qas[0]",
                "data[0].paragraphs[0].qas[1]",
                "delete",
            ],
        ),
    ],
)
def test_a_bad_question_is_named(tmp_path, changed, place, parts):
    path = write(tmp_path / "own.json", squad(question("q0"), changed))
    message = refusal(path)
    assert message.startswith(f"{path}: {place}: field ")
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"context": ""}, ["'context'", '""', "empty", "delete"]),
        ({"context": "\n"}, ["'context'", '"\\n"', "empty"]),
        ({"context": 1}, ["'context': 1 ", "string"]),
        ({"context": "\ud83d\ude00\ude00"}, ["'context'", "character 1", "surrogate"]),
        ({"title": ["a"]}, ["'title'", "a", "string"]),
    ],
)
def test_what_questions_share_is_named_with_the_question(tmp_path, changes, parts):
    path = write(tmp_path / "own.json", squad(question(), **changes))
    message = refusal(path)
    assert message.startswith(f"{path}: question q1: field ")
    for part in parts:
        assert part in message


def row(*answers, context=CONTEXT):
    texts, starts = zip(*answers)
    return {"context": context, "answer_text": list(texts), "answer_start": list(starts)}


def test_answers_are_counted_in_code_points():
    for text in ("e\u0301", "\U0001f600", "東京", "ירושלים\u200f", "old.\n", " is ", CONTEXT):
        start = CONTEXT.index(text)
        assert misalignment(row((text, start))) is None
        assert misalignment(row((text, start + 1))), text
    in_utf16 = len(CONTEXT[: CONTEXT.index("old")].encode("utf-16-le")) // 2
    assert misalignment(row(("old", in_utf16)))


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        (("is", 19), ["'answers[1].answer_start'", "19", '"is"', '"s "', "characters", "bytes"]),
        (("Old", 22), ["'answers[1].answer_start'", '"Old"', '"old"']),
        (("old.\n\n", 22), ["'answers[1].answer_start'", '"old.\\n\\n"', '"old.\\n"']),
        (("old", -5), ["'answers[1].answer_start'", "-5", "outside", "27 characters"]),
        (("old", 27), ["'answers[1].answer_start': 27 ", "outside"]),
        (("old", 10**30), ["'answers[1].answer_start'", "outside"]),
        (("", 22), ["'answers[1].text'", '""', "empty"]),
        ((" ", 21), ["'answers[1].text'", '" "', "empty"]),
    ],
)
def test_an_answer_elsewhere_is_described(answer, parts):
    described = misalignment(row(("old", 22), answer))
    for part in parts:
        assert part in described


def test_a_long_text_is_not_shown_whole():
    assert len(misalignment(row(("a" * 9_999, 0), context="b" * 9_999))) < 400


@pytest.mark.parametrize(
    ("name", "questions"),
    [("train-v1.1-partial.json", 5_101), ("xquad.en.json", 1_190)],
)
def test_published_questions(name, questions):
    path = real_data.REAL_DATA / "squad" / name
    if not path.is_file():
        pytest.skip(f"no real data at {path}; BERT_TFX_DATA names its folder")
    rows = [row for _, row in read_questions(str(path))]
    assert len(rows) == questions
    assert not any(misalignment(row) for row in rows)
    assert {len(row["answer_text"]) for row in rows} == {1}
