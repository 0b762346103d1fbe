"""Questions become records, or are refused; see also test_prepare.py."""

import gzip
import hashlib
import json
import os
import re

import pytest

from components.data import tfrecords
from tests import real_data
from tests.conftest import REPOSITORY
from tests.killing import snapshot
from tests.preparing import (
    assert_refused_without_tensorflow,
    error_of,
    read_examples,
    run_prepare,
    state_of,
    write,
)

SCHEMA = str(REPOSITORY / "schema" / "squad.pbtxt")
CONTEXT = " e\u0301 \U0001f600 東京 ירושלים\u200f is  old.\n"


def question(identifier, text="old", start=22, **changes):
    answers = [{"text": text, "answer_start": start}]
    return {"id": identifier, "question": f"How is {identifier}?", "answers": answers} | changes


def write_questions(path, *questions, context=CONTEXT):
    paragraphs = [{"context": context, "qas": questions}]
    content = json.dumps({"data": [{"title": "Cities", "paragraphs": paragraphs}]}).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


MISALIGNED = (question("q3", start=21), question("q4", "Old"), question("q5", ""))


@pytest.fixture
def squad(tmp_path):
    """Command line for a pair of own files of questions, with the output in a folder of its own."""
    write_questions(tmp_path / "train.json", question("q1"), question("q2", "東京", 6))
    write_questions(tmp_path / "eval.json", question("q7"), question("q8"))
    files = [f"--train={tmp_path / 'train.json'}", f"--eval={tmp_path / 'eval.json'}"]
    return ["squad", *files, f"--output={tmp_path / 'data' / 'squad'}"]


def test_questions_become_records(tmp_path, squad, capsys):
    answers = [{"text": "\U0001f600", "answer_start": 4}, {"text": CONTEXT, "answer_start": 0}]
    write_questions(tmp_path / "test.json.gz", question("q9", question=" ?\t", answers=answers))
    assert run_prepare([*squad, f"--test={tmp_path / 'test.json.gz'}"]) == 0
    output = tmp_path / "data" / "squad"
    assert list(read_examples(output / "test")) == [
        {
            "id": [b"q9"],
            "title": [b"Cities"],
            "question": [b" ?\t"],
            "context": [CONTEXT.encode()],
            "answer_text": ["\U0001f600".encode(), CONTEXT.encode()],
            "answer_start": [4, 0],
        }
    ]
    assert tfrecords.check_records(str(output), SCHEMA) == {"train": 2, "eval": 2, "test": 1}
    assert [line.split() for line in capsys.readouterr().out.splitlines()[:-1]] == [
        ["split", "examples", "files"],
        ["train", "2", "1"],
        ["eval", "2", "1"],
        ["test", "1", "1"],
    ]


def test_official_questions_become_records(tmp_path, squad):
    source = tmp_path / "official"
    source.mkdir()
    sums = []
    for name, official in (("train.json", "train-v1.1.json"), ("eval.json", "dev-v1.1.json")):
        content = (tmp_path / name).read_bytes()
        (source / official).write_bytes(content)
        sums.append(f"{hashlib.sha256(content).hexdigest()}  {official}")
    write(source / "SHA256SUMS", sums)
    output = tmp_path / "data"
    assert run_prepare(["squad", f"--source={source}", f"--output={output}"]) == 0
    ids = {
        split: [row["id"] for row in read_examples(output / split)] for split in ("train", "eval")
    }
    assert ids == {"train": [[b"q1"], [b"q2"]], "eval": [[b"q7"], [b"q8"]]}


@pytest.mark.parametrize(
    ("split", "content", "parts"),
    [
        ("train", b'{"data":\n [1,]}', ["line 2, column 5", "JSON"]),
        ("eval", b'{"data": "\xe9"}', ["byte 11", "UTF-8"]),
        ("train", b'{"version": "1.1"}', ["'data'", "missing", "layout"]),
        ("eval", b'{"data": []}', ["eval split", "no examples"]),
        ("train", [question("q5"), question("q5")], ["question q5", "qas[0]", "qas[1]"]),
        ("eval", [question("q5", question=" ")], ["question q5", "'question'", "empty"]),
        ("train", [question("q5", answers=[])], ["question q5", "'answers'", "SQuAD 1.1"]),
        ("eval", [question("q5", is_impossible=True)], ["question q5", "SQuAD 1.1"]),
        (
            "train",
            [question("q1"), *MISALIGNED],
            ["question q3", "answer_start", "21", '" ol"', "3 of 6 examples", "--drop-misaligned"],
        ),
        ("eval", [question("q5", start=99)], ["question q5", "99", "1 of 3 examples", "Mend"]),
        (
            "eval",
            [question("q7"), question("q8", question="How is q1?")],
            ["question q8", "train.json: question q1", "1 do not", "Remove"],
        ),
    ],
)
def test_bad_questions_are_refused(tmp_path, squad, capsys, split, content, parts):
    path = tmp_path / f"{split}.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        write_questions(path, *content)
    error = error_of(capsys, squad)
    for part in [f"{split}.json", *parts]:
        assert part in error
    assert snapshot(tmp_path / "data") == {}


def test_misaligned_questions_are_dropped_on_demand(tmp_path, squad, capsys):
    write_questions(tmp_path / "train.json", question("q1"), *MISALIGNED, question("q6"))
    squad.append("--drop-misaligned")
    assert run_prepare(squad) == 0
    printed = capsys.readouterr()
    for part in ("warning: 3 of 7 examples", "left out", f"{tmp_path / 'train.json'}: question q3"):
        assert part in printed.err
    table = [line.split() for line in printed.out.splitlines()[:-1]]
    assert table == [
        ["split", "examples", "files", "dropped"],
        ["train", "2", "1", "3"],
        ["eval", "2", "1", "0"],
    ]
    output = tmp_path / "data" / "squad"
    assert [row["id"] for row in read_examples(output / "train")] == [[b"q1"], [b"q6"]]
    before = state_of(output)
    assert run_prepare(squad) == 0
    printed = capsys.readouterr().out
    assert "up to date" in printed
    assert [line.split() for line in printed.splitlines()[:-1]] == table
    assert "3 of 7 examples" in error_of(capsys, squad[:-1])
    assert state_of(output) == before


def test_where_none_is_misaligned_the_flag_changes_nothing(tmp_path, squad, capsys):
    assert run_prepare(squad) == 0
    output = tmp_path / "data" / "squad"
    before = state_of(output)
    assert run_prepare([*squad, "--drop-misaligned"]) == 0
    assert state_of(output) == before
    for name in os.listdir(output):
        (output / name).rename(tmp_path / name)
    assert run_prepare([*squad, "--drop-misaligned"]) == 0
    assert run_prepare(squad) == 0
    printed = capsys.readouterr()
    assert printed.out.count("up to date") == 2
    assert "dropped" not in printed.out
    assert "warning" not in printed.err


def test_a_split_of_misaligned_questions_only_is_refused(tmp_path, squad, capsys):
    write_questions(tmp_path / "eval.json", *MISALIGNED)
    assert run_prepare([*squad, "--drop-misaligned"]) == 2
    assert re.search("eval split .*no examples", capsys.readouterr().err)
    assert snapshot(tmp_path / "data") == {}


def test_published_questions_become_records(tmp_path):
    files = [
        real_data.REAL_DATA / "squad" / n for n in ("train-v1.1-partial.json", "xquad.en.json")
    ]
    if not all(path.is_file() for path in files):
        pytest.skip(f"no real data in {files[0].parent}; BERT_TFX_DATA names its folder")
    output = tmp_path / "data"
    own = [f"--train={files[0]}", f"--eval={files[1]}", f"--output={output}"]
    assert run_prepare(["squad", *own]) == 0
    assert tfrecords.check_records(str(output), SCHEMA) == {"train": 5_101, "eval": 1_190}
    for path, split in zip(files, ("train", "eval")):
        text = path.read_text(encoding="utf-8")
        contexts = [p["context"] for a in json.loads(text)["data"] for p in a["paragraphs"]]
        examples = list(read_examples(output / split))
        assert {row["context"][0].decode() for row in examples} == set(contexts)
        for row in examples:
            context = row["context"][0].decode()
            for answer, start in zip(row["answer_text"], row["answer_start"]):
                assert context[start:].encode().startswith(answer)


def test_bad_questions_are_refused_before_tensorflow_is_imported(tmp_path, squad):
    write_questions(tmp_path / "eval.json", question("q2"))
    assert_refused_without_tensorflow(squad, f"{tmp_path}/eval.json: question q2: ")
