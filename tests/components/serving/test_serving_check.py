"""What ServingCheck refuses, on models that each do one thing wrong."""

import json
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components.evaluation import recorded_answers
from components.serving import serving_check, serving_check_worker
from components.serving.serving_check import ServingCheck, beyond, probe

ROWS = {"one": [b"a", b"b"], "two": [b"", b"d"]}


class Model(tf.Module):
    """Two signatures that answer as `answer` and `other` do, given two texts [batch]."""

    def __init__(self, answer, other=None):
        super().__init__()
        text = tf.TensorSpec([None], tf.string)
        spec = {name: tf.io.FixedLenFeature([], tf.string) for name in ROWS}

        @tf.function(input_signature=[text, text])
        def serving_default(one, two):
            return answer(one, two)

        @tf.function(input_signature=[text])
        def serve_examples(examples):
            return (other or answer)(**tf.io.parse_example(examples, spec))

        self.asked_by = {"serving_default": serving_default, "serve_examples": serve_examples}

    def saved(self, folder: pathlib.Path) -> str:
        tf.saved_model.save(self, str(folder), signatures=self.asked_by)
        return str(folder)


def lengths(one, two):
    return {
        "label": tf.strings.length(one),
        "score": tf.cast(tf.strings.length(two), tf.float32) / 7,
    }


def nan_where_empty(one, two):
    return lengths(one, two) | {"score": tf.math.log(tf.cast(tf.strings.length(two), tf.float32))}


def other_score(one, two):
    return lengths(one, two) | {"score": lengths(one, two)["score"] + 0.01}


def other_label(one, two):
    return lengths(two, one) | {"score": lengths(one, two)["score"]}


def one_row(one, two):
    return {name: value[:1] for name, value in lengths(one, two).items()}


def refuses_empty(one, two):
    with tf.control_dependencies([tf.debugging.assert_greater(tf.strings.length(two), 0)]):
        return lengths(one, two)


@pytest.mark.parametrize(
    ("answer", "other", "problem"),
    [
        (nan_where_empty, None, r"score\b.*finite"),
        (lengths, other_score, r"score\b.* 0\.01\b"),
        (lengths, other_label, r"values\b.* label\b"),
        (one_row, None, r"label\b.*\(1,\).*\(1,\).* 2\b"),
        (
            lengths,
            lambda one, two: {"label": tf.strings.length(one)},
            r"serve_examples \['label'\]",
        ),
        (refuses_empty, None, "InvalidArgumentError"),
    ],
)
def test_wrong_answers_are_found(answer, other, problem):
    model = Model(answer, other)
    names = ("serving_default", "serve_examples")
    text, examples = (model.asked_by[name] for name in names)
    assert re.search(problem, "; ".join(serving_check_worker.compare(text, examples, ROWS)))


def test_edges_stand_in_every_text_and_in_each_alone():
    batches = serving_check_worker.edge_batches(ROWS)
    assert batches["an empty text"] == {"one": [b"", b"", b"a"], "two": [b"", b"", b""]}
    assert [len(text.split()) for text in batches["10,000 words"]["one"]] == [10_000]
    with pytest.raises(UnicodeDecodeError):
        batches["invalid UTF-8"]["two"][0].decode()


def test_limits_bind():
    report = {"latency_ms": {"p50": 1.0, "p95": 20.0}, "memory_mb": 900.0}
    assert beyond({"max_latency_ms": 20, "max_memory_mb": 900}, report) == []
    slow, big = beyond({"max_latency_ms": 19, "max_memory_mb": 899}, report)
    assert "20.0 ms" in slow and "max_latency_ms = 19" in slow
    assert "900 MB" in big and "max_memory_mb = 899" in big


def evaluated(records: str, model=lengths) -> tuple[str, dict]:
    """What the Evaluator would have been answered by the model, of its output `score`."""
    scores = model(*map(tf.constant, ROWS.values()))["score"].numpy()
    rows = tf.data.TFRecordDataset(records, "GZIP").as_numpy_iterator()
    return "score", {
        recorded_answers.example_key(row): [float(score)] for row, score in zip(rows, scores)
    }


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> str:
    path = str(tmp_path_factory.mktemp("records") / "data.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for record in serving_check_worker.serialized(ROWS):
            writer.write(record)
    return path


def test_a_process_of_its_own_asks_and_writes_the_warmup(tmp_path, records, monkeypatch):
    from tensorflow_serving.apis import prediction_log_pb2

    # What our own folders hold is not found there, wherever they are.
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(serving_check.__file__).parent.parent))
    saved = Model(lengths).saved(tmp_path / "model")
    report = probe(saved, [records], evaluated(records), str(tmp_path))
    assert report["problems"] == [] and report["memory_mb"] > 50
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p95"]
    assert report["example"]["inputs"] == {"one": "a", "two": ""}
    assert report["example"]["outputs"] == {"label": 1, "score": 0.0}

    loaded = tf.saved_model.load(saved).signatures
    signatures = []
    for record in tf.data.TFRecordDataset(str(tmp_path / "tf_serving_warmup_requests")):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log
        name = log.request.model_spec.signature_name
        inputs = {k: tf.constant(tf.make_ndarray(v)) for k, v in log.request.inputs.items()}
        (rows,) = {value.shape[0] for value in inputs.values()}
        assert loaded[name](**inputs)["label"].shape == [rows]
        signatures.append((name, rows))
    assert sorted(signatures) == [
        *(("serve_examples", 1), ("serve_examples", 8)),
        *(("serving_default", 1), ("serving_default", 8)),
    ]


def test_a_model_that_cannot_be_loaded_is_refused_not_a_fault(tmp_path, records):
    saved = Model(lengths).saved(tmp_path / "model")
    index = pathlib.Path(saved, "saved_model.pb")
    index.write_bytes(index.read_bytes()[:-100])
    (problem,) = probe(saved, [records], evaluated(records), str(tmp_path))["problems"]
    assert re.search(r"\bcode 1\b", problem)


def test_answers_that_the_evaluator_was_not_given_are_refused(tmp_path, records):
    saved = Model(lengths).saved(tmp_path / "model")
    (problem,) = probe(saved, [records], evaluated(records, other_score), str(tmp_path))["problems"]
    example = r"\{'one': 'a', 'two': ''\}"
    assert re.match(rf"64 of 64 .*Evaluator.*{example}.*\[0\.0099.* 0\.0$", problem)


def test_texts_are_compared_byte_by_byte():
    rows = {"one": [b"a", b"b"]}
    given = np.array([b"\xff", b"x"], object)
    same = [b"\xff".decode(errors="surrogateescape"), "x"]
    assert serving_check_worker.compare_evaluated(given, same, rows) == []
    (problem,) = serving_check_worker.compare_evaluated(given, [same[0], "y"], rows)
    assert re.match(r"1 of 2 .*\{'one': 'b'\}.*\by\b.* b'x'$", problem)


def test_examples_that_were_evaluated_must_be_in_the_split(tmp_path, records):
    saved = Model(lengths).saved(tmp_path / "model")
    output, answers = evaluated(records)
    (problem,) = probe(saved, [records], (output, answers | {"other": [0.0]}), str(tmp_path))[
        "problems"
    ]
    assert re.search(r"\b2 of .*\b3 .*evaluated.* split\b", problem)


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Runs the component's function with a report as the probe would make it."""

    def artifact(kind, name):
        made = kind()
        made.uri = str(tmp_path / name)
        return made

    def run(
        report: dict, blessed: int = 1, server_blessed: int | None = None
    ) -> standard_artifacts.InfraBlessing:
        monkeypatch.setattr(serving_check, "probe", lambda *_: report)
        monkeypatch.setattr(recorded_answers, "read", lambda _: ("score", {}))
        gate = artifact(standard_artifacts.ModelBlessing, "gate")
        gate.set_int_custom_property("blessed", blessed)
        examples = artifact(standard_artifacts.Examples, "examples")
        examples.split_names = '["eval"]'
        blessing = artifact(standard_artifacts.InfraBlessing, "blessing")
        server = None
        if server_blessed is not None:
            server = artifact(standard_artifacts.InfraBlessing, "server")
            server.set_int_custom_property("blessed", server_blessed)
        ServingCheck.EXECUTOR_SPEC.executor_class._FUNCTION(
            model=artifact(standard_artifacts.Model, "model"),
            model_blessing=gate,
            evaluation=artifact(standard_artifacts.ModelEvaluation, "evaluation"),
            examples=examples,
            split="eval",
            limits=json.dumps({"max_latency_ms": 1, "max_memory_mb": 1}),
            facts="{}",
            code="",
            blessing=blessing,
            server_blessing=server,
        )
        return blessing

    return run


def test_what_a_model_server_did_not_answer_is_refused(check):
    figures = {"latency_ms": {"p50": 0.1, "p95": 0.2}, "memory_mb": 0.5, "problems": ["asked"]}
    refused = check(figures, server_blessed=0)
    assert "tensorflow/serving" in refused.get_string_custom_property("reason")
    asked = check(figures, server_blessed=1)
    assert asked.get_string_custom_property("reason") == "asked"


def test_what_the_gate_refused_is_not_asked(check):
    blessing = check(None, blessed=0)
    assert blessing.get_int_custom_property("blessed") == 0


def test_problems_refuse_with_their_reason(check):
    figures = {"latency_ms": {"p50": 0.1, "p95": 0.2}, "memory_mb": 0.5}
    blessing = check(figures | {"problems": ["emoji: score is not finite"]})
    assert blessing.get_int_custom_property("blessed") == 0
    assert blessing.get_string_custom_property("reason") == "emoji: score is not finite"
    assert "p95 0.2 ms" in blessing.get_string_custom_property("measured")
    assert not blessing.get_int_custom_property("has_model")
