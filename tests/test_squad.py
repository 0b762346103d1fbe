"""SQuAD through the whole pipeline, into MRPC's output; the pushed model asked as a server would."""

import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from components.data.readers.reader import reader_of
from components.evaluation.metrics.span_extraction import exact_match, f1
from components.spec.registry import load_task
from tests.conftest import stages

BARE = """
import json, sys
import tensorflow as tf, tensorflow_text
questions, contexts = json.load(open(sys.argv[2]))
signatures = tf.saved_model.load(sys.argv[1]).signatures
text = signatures["serving_default"](
    question=tf.constant(questions), context=tf.constant(contexts))
def feature(value): return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
examples = [
    tf.train.Example(features=tf.train.Features(feature={
        "question": feature(q), "context": feature(c)})).SerializeToString()
    for q, c in zip(questions, contexts)]
parsed = signatures["serve_examples"](examples=tf.constant(examples))
def plain(values): return [v.decode() if isinstance(v, bytes) else v for v in values.numpy().tolist()]
names = ("answer", "score", "start", "end")
json.dump({"modules": [m for m in sys.modules if m.startswith(("components", "pipeline"))],
           "text": {name: plain(text[name]) for name in names},
           "examples": {name: plain(parsed[name]) for name in names}}, open(sys.argv[3], "w"))
"""


@pytest.fixture(scope="module")
def squad_run(project, first_run) -> subprocess.CompletedProcess:
    prepared = project.run(
        "-m",
        "pipeline.cli",
        "prepare",
        "squad",
        "--source",
        "samples/squad",
        "--output",
        "data-squad",
    )
    assert prepared.returncode == 0, prepared.stderr
    # The tiny vocabulary spells the sample's rare words, so that its two splits are not alike.
    settings = (
        "epochs=1",
        "min_exact_match=0",
        "min_f1=0",
        "max_answer_length=4",
        "drift=accept",
    )
    windows = ("max_seq_length=96", "stride=24", "max_question_length=24")
    sets = [part for setting in (*settings, *windows) for part in ("--set", setting)]
    run = project.run(
        *("local_runner.py", "--task", "squad", "--data", "data-squad"),
        *("--output", "output", "--encoder", project.encoder, *sets),
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run


@pytest.fixture(scope="module")
def version(project, squad_run) -> str:
    (folder,) = (project.root / "output" / "serving" / "squad").glob("*")
    return str(folder)


@pytest.fixture(scope="module")
def ask(version, tmp_path_factory):
    """Answers of both signatures, from a process that has nothing of this project."""

    def answers(questions: list[str], contexts: list[str]) -> dict:
        folder = tmp_path_factory.mktemp("bare")
        (folder / "rows.json").write_text(json.dumps([questions, contexts]))
        (folder / "ask.py").write_text(BARE)
        command = [sys.executable, "ask.py", version, "rows.json", "answers.json"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return json.loads((folder / "answers.json").read_text())

    return answers


@pytest.fixture(scope="module")
def rows(project) -> list[dict]:
    task = load_task("squad")
    splits = reader_of(task.data).read_official(
        str(project.root / "samples" / "squad"), task.data, task.head
    )
    return [row for _, row in splits["eval"]]


@pytest.fixture(scope="module")
def answers(ask, rows) -> dict:
    """To the eval split, and then to a context of 20,000 characters with emoji and accents."""
    long = " ".join(f"Entry {i}: “Zürich” 🙂 had {i * 7} visitors." for i in range(600))
    assert len(long) > 20_000
    questions, contexts = ([row[name] for row in rows] for name in ("question", "context"))
    return ask([*questions, "How many visitors?", ""], [*contexts, long, ""]) | {"long": long}


def test_every_stage_runs_and_the_model_is_pushed(squad_run, version):
    assert set(stages(squad_run).values()) == {"ran"} and len(stages(squad_run)) == 15
    assert version in squad_run.stdout.strip().splitlines()[-1]


def test_a_bare_process_gets_substrings_of_the_context(answers, rows):
    assert answers["modules"] == []
    contexts = [*(row["context"] for row in rows), answers["long"], ""]
    text = answers["text"]
    for context, answer, start, end in zip(contexts, text["answer"], text["start"], text["end"]):
        assert context[start:end] == answer
    assert all(text["answer"][:-1]) and text["answer"][-1] == "" and text["score"][-1] == 0


def test_both_signatures_give_the_same_answers(answers):
    assert answers["text"]["answer"] == answers["examples"]["answer"]
    np.testing.assert_allclose(answers["text"]["score"], answers["examples"]["score"], atol=1e-5)


def test_tfma_reports_the_official_metrics_of_the_served_answers(squad_run, answers, rows):
    served = answers["text"]["answer"][: len(rows)]
    for name, score in (("exact_match", exact_match), ("f1", f1)):
        expected = np.mean([score(a, row["answer_text"]) for a, row in zip(served, rows)])
        shown = float(re.search(rf"^ *{name} +([\d.]+)", squad_run.stdout, re.MULTILINE)[1])
        assert shown == pytest.approx(expected, abs=5.1e-5)  # the table shows four digits


def test_the_report_shows_the_answers_that_match_no_reference(project, answers, rows):
    run = project.run("-m", "pipeline.cli", "report", "--output", "output", "--task", "squad")
    assert run.returncode == 0, run.stderr
    page = pathlib.Path(run.stdout.strip()).read_text()
    served = zip(answers["text"]["answer"], rows)
    wrong = [a for a, row in served if not exact_match(a, row["answer_text"])]
    assert wrong and page.count("<article>") == len(wrong)


def test_predict_answers_on_the_command_line(project, version):
    run = project.run(
        *("-m", "pipeline.cli", "predict", version, "question=Who sat?", "context=The cat sat.")
    )
    answer = json.loads(run.stdout)
    assert answer["answer"] and answer["answer"] in "The cat sat."


@pytest.mark.full
def test_answers_inside_of_words_end_the_run_before_it_trains(project, squad_run, tmp_path):
    """Every fourth answer of train begins with its second letter."""
    document = json.loads((project.root / "samples" / "squad" / "train-v1.1.json").read_text())
    questions = [
        question
        for article in document["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]
    for question in questions[::4]:
        (answer, *_) = question["answers"]
        answer["text"], answer["answer_start"] = answer["text"][1:], answer["answer_start"] + 1
    (tmp_path / "train.json").write_text(json.dumps(document))
    dev = project.root / "samples" / "squad" / "dev-v1.1.json"
    prepared = project.run(
        *("-m", "pipeline.cli", "prepare", "squad", "--train", str(tmp_path / "train.json")),
        *("--eval", str(dev), "--output", str(tmp_path / "data")),
    )
    assert prepared.returncode == 0, prepared.stderr
    run = project.run(
        *("local_runner.py", "--task", "squad", "--data", str(tmp_path / "data")),
        *("--output", "output-inside", "--encoder", project.encoder),
        *("--set", "drift=accept", "--set", "max_seq_length=96", "--set", "stride=24"),
        *("--set", "max_question_length=24"),
    )
    assert run.returncode == 2 and "Trainer" not in stages(run)
    told = re.search(r"(\d+) of 240 train examples .*\n +(\d+) because no token begins", run.stdout)
    assert 30 < int(told[2]) <= int(told[1]) <= 60
    assert run.stdout.count("question '") >= 3 and "--set max_unusable_ratio" in run.stdout
