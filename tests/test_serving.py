"""The pushed model: asked as a server would, and held against the path that training took."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from components.data.readers.reader import reader_of
from components.models.bert.hub import resolve
from components.models.bert.packing import pad
from components.models.bert.tokenizer import Vocabulary
from components.models.heads.head import build_head
from components.spec.registry import load_task
from components.training.batching import read_examples, training_sequences
from components.training.trainer import build_model

BARE = """
import json, sys
import tensorflow as tf, tensorflow_text
rows = json.load(open(sys.argv[2]))
signatures = tf.saved_model.load(sys.argv[1]).signatures
raw = {name: tf.constant([r[name] for r in rows]) for name in ("sentence1", "sentence2")}
text = signatures["serving_default"](**raw)
def feature(value): return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
examples = [
    tf.train.Example(features=tf.train.Features(feature={
        name: feature(r[name]) for name in ("sentence1", "sentence2")})).SerializeToString()
    for r in rows]
parsed = signatures["serve_examples"](examples=tf.constant(examples))
json.dump({"modules": [m for m in sys.modules if m.startswith(("components", "pipeline"))],
           "text": {k: v.numpy().tolist() for k, v in text.items()},
           "examples": {k: v.numpy().tolist() for k, v in parsed.items()}}, open(sys.argv[3], "w"))
"""


@pytest.fixture(scope="module")
def eval_examples(project, first_run) -> list[dict]:
    task = load_task("mrpc")
    splits = reader_of(task.data).read_official(
        str(project.root / "samples" / "mrpc"), task.data, task.head
    )
    return [row for _, row in splits["eval"]]


@pytest.fixture(scope="module")
def answers(project, eval_examples, tmp_path_factory) -> dict:
    """Both signatures' answers to the eval examples, from a process that has nothing of this project."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "rows.json").write_text(json.dumps(eval_examples))
    (folder / "ask.py").write_text(BARE)
    subprocess.run(
        [sys.executable, "ask.py", project.versions()[0], "rows.json", "answers.json"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return json.loads((folder / "answers.json").read_text())


@pytest.fixture(scope="module")
def model(project, first_run):
    import tensorflow_text  # noqa: F401 (registers the model's ops)

    return tf.saved_model.load(str(project.versions()[0]))


def test_a_bare_process_needs_nothing_of_ours(answers):
    assert answers["modules"] == []


def test_both_signatures_give_the_same_answers(answers):
    assert answers["text"]["label"] == answers["examples"]["label"]
    np.testing.assert_allclose(
        answers["text"]["probabilities"], answers["examples"]["probabilities"], atol=1e-6
    )


def test_label_is_the_likelier_class_and_probabilities_sum_to_one(answers):
    probabilities = np.array(answers["text"]["probabilities"])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert answers["text"]["label"] == probabilities.argmax(axis=1).tolist()


def test_answers_equal_the_training_path_example_by_example(project, model, answers):
    """Transformed examples, read and packed as the Trainer does, through the trained model."""
    graph, transformed = project.transformed()
    transform = tft.TFTransformOutput(str(graph))
    files = sorted((transformed / "Split-eval").glob("*"))
    task, encoder = load_task("mrpc"), resolve(project.encoder)
    vocabulary = Vocabulary(encoder.vocab_file, encoder.lower_case)
    examples = read_examples(list(map(str, files)), transform.transformed_feature_spec())
    rows = training_sequences(examples, build_head(task.head), vocabulary, task.hyperparameters)
    trained = build_model(build_head(task.head), encoder, task.hyperparameters)
    trained.set_weights([weight.numpy() for weight in model.weights])
    logits = [trained(pad(inputs), training=False) for inputs, _ in rows.ragged_batch(7)]
    expected = sorted(tf.nn.softmax(tf.concat(logits, axis=0)).numpy()[:, 1])
    served = sorted(np.array(answers["text"]["probabilities"])[:, 1])
    np.testing.assert_allclose(served, expected, atol=1e-5)


def test_tfma_reports_the_accuracy_of_the_served_answers(first_run, answers, eval_examples):
    served = np.mean([a == row["label"] for a, row in zip(answers["text"]["label"], eval_examples)])
    assert f"accuracy {served:.4f}" in " ".join(first_run.stdout.split())


@pytest.mark.parametrize(
    "text",
    [b"", b" ", b"\xff\xfe broken \xe4", "🙂 你好 مرحبا".encode(), b"word " * 10_000, b"\0"],
    ids=["empty", "blank", "invalid UTF-8", "scripts", "10,000 words", "NUL"],
)
def test_odd_text_is_answered(model, text):
    answer = model.signatures["serving_default"](
        sentence1=tf.constant([text, b"a"]), sentence2=tf.constant([b"b", text])
    )
    assert np.isfinite(answer["probabilities"]).all()


@pytest.mark.parametrize("text", ["one", [["one"]]], ids=["scalar", "matrix"])
def test_texts_of_another_shape_are_an_error(model, text):
    """They once ended the process that served them."""
    for signature, names in (
        ("serving_default", ("sentence1", "sentence2")),
        ("serve_examples", ("examples",)),
    ):
        with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
            model.signatures[signature](**{name: tf.constant(text) for name in names})


def test_texts_that_are_not_equally_many_are_an_error(model):
    """They once ended the process that served them."""
    for first, second in (([b"a", b"b"], [b"c"]), ([b"a"], [b"b", b"c"]), ([], [b"a"])):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"all .*texts"):
            model.signatures["serving_default"](
                sentence1=tf.constant(first, tf.string), sentence2=tf.constant(second, tf.string)
            )


def test_an_answer_does_not_depend_on_its_batch(model, eval_examples):
    ask = model.signatures["serving_default"]
    first, second = ([row[f"sentence{n}"] for row in eval_examples[:70]] for n in (1, 2))
    together = ask(sentence1=tf.constant(first), sentence2=tf.constant(second))["probabilities"]
    for index in (0, 33, 69):
        alone = ask(
            sentence1=tf.constant(first[index : index + 1]),
            sentence2=tf.constant(second[index : index + 1]),
        )["probabilities"]
        np.testing.assert_allclose(alone[0], together[index], atol=1e-5)


def test_predict_answers_on_the_command_line(project, first_run):
    run = project.run(
        *(
            "-m",
            "pipeline.cli",
            "predict",
            "output/serving/mrpc",
            "sentence1=A cat .",
            "sentence2=A dog .",
        )
    )
    answer = json.loads(run.stdout)
    assert answer["label"] in (0, 1) and len(answer["probabilities"]) == 2


@pytest.fixture(scope="module")
def eval_file(project, eval_examples) -> str:
    lines = ["sentence1\tsentence2\tlabel"]
    lines += [
        "\t".join(str(r[n]) for n in ("sentence1", "sentence2", "label")) for r in eval_examples
    ]
    (project.root / "eval.tsv").write_text("\n".join(lines) + "\n")
    return "eval.tsv"


def test_predict_answers_a_file_and_standard_input_in_order(
    project, eval_file, eval_examples, answers
):
    version = str(project.versions()[0])
    from_columns = project.run("-m", "pipeline.cli", "predict", version, "--file", eval_file)
    texts = [{n: r[n] for n in ("sentence1", "sentence2")} for r in eval_examples]
    from_json = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "predict", version, "--file", "-"],
        cwd=project.root,
        input="\n".join(map(json.dumps, texts)),
        capture_output=True,
        text=True,
    )
    for run in (from_columns, from_json):
        assert run.returncode == 0, run.stderr
        assert re.search(r"\b100 examples\b", run.stderr)
        shown = [json.loads(line) for line in run.stdout.splitlines()]
        assert [answer["label"] for answer in shown] == answers["text"]["label"]
        np.testing.assert_allclose(
            [answer["probabilities"] for answer in shown],
            answers["text"]["probabilities"],
            atol=1e-5,
        )


def test_predict_answers_the_lines_around_a_bad_one(project, first_run, tmp_path):
    good = json.dumps({"sentence1": "He won é.", "sentence2": "He won ."})
    half = json.dumps({"sentence1": "a \ud83d b", "sentence2": "c"})
    (tmp_path / "three.jsonl").write_text("\n".join([good, half, good]))
    run = project.run(
        *("-m", "pipeline.cli", "predict", "output/serving/mrpc"),
        *("--file", str(tmp_path / "three.jsonl")),
    )
    assert run.returncode == 2 and "three.jsonl" in run.stderr and "Traceback" not in run.stderr
    first, bad, last = map(json.loads, run.stdout.splitlines())
    assert first["label"] == last["label"] and first["label"] in (0, 1)
    assert first["probabilities"] == pytest.approx(last["probabilities"], abs=1e-5)
    assert bad["line"] == 2 and "sentence1" in bad["error"]


def test_predict_scores_a_file_as_the_gate_did(project, eval_file):
    version = project.versions()[0]
    run = project.run("-m", "pipeline.cli", "predict", str(version), "--score", eval_file)
    assert run.returncode == 0, run.stderr
    scores = json.loads(run.stdout)
    assert scores["examples"] == 100
    card = json.loads((version / "assets.extra" / "model_card.json").read_text())
    for name in ("accuracy", "f1", "precision", "recall", "loss"):
        assert scores[name] == pytest.approx(card["metrics"][0][name], abs=1e-5), name


def test_predict_scores_two_examples_by_what_they_tell(project, eval_file):
    header, *lines = (project.root / eval_file).read_text().splitlines()
    (project.root / "two.tsv").write_text("\n".join([header, *lines[:2]]) + "\n")
    run = project.run(
        "-m", "pipeline.cli", "predict", str(project.versions()[0]), "--score", "two.tsv"
    )
    scores = json.loads(run.stdout)
    assert scores["examples"] == 2 and scores["auc"]["lower"] is None
    assert scores["accuracy"]["lower"] < scores["accuracy"]["upper"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--file", "nowhere.tsv"], r"error: nowhere\.tsv .*No such file"),
        (["--score", "nowhere.tsv"], r"error: nowhere\.tsv .*No such file"),
        (["sentence1=a"], r"error: .*sentence1, sentence2, not sentence1\b"),
        (["sentence1=a", "--file", "-"], "texts .*--file.*--score"),
    ],
)
def test_predict_tells_what_it_wants(project, first_run, arguments, message):
    run = project.run("-m", "pipeline.cli", "predict", "output/serving/mrpc", *arguments)
    assert run.returncode == 2 and re.search(message, run.stderr)
