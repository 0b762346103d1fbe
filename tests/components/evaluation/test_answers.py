"""Exact match and F1 as the Evaluator computes them: all that it writes, from models on disk."""

import dataclasses
import importlib
import json
import pathlib
import re
import statistics

import numpy as np
import pytest

from components.evaluation import intervals
from components.evaluation.metrics.span_extraction import exact_match, f1, metrics
from components.spec.heads import SpanExtraction
from components.spec.metrics import Threshold
from tests.conftest import REPOSITORY

SCHEMA = REPOSITORY / "schema" / "squad.pbtxt"


@pytest.mark.parametrize("metric", metrics(SpanExtraction())[1:], ids=lambda metric: metric.name)
def test_tfma_makes_the_metric_of_this_project_and_no_other(metric):
    """A class of TFMA's own of the same name would be taken in its place, whatever the module."""
    from tensorflow_model_analysis.metrics.metric_specs import metric_instance
    from tensorflow_model_analysis.proto.config_pb2 import EvalConfig, MetricConfig

    instance = metric_instance(
        MetricConfig(
            class_name=metric.class_name,
            module=metric.module,
            config=json.dumps({"name": "renamed", "code": "hash of the code"}),
        )
    )
    assert type(instance) is getattr(importlib.import_module(metric.module), metric.class_name)
    (computation,) = instance.computations(eval_config=EvalConfig())
    assert [key.name for key in computation.keys] == ["renamed"]


def combined(metric, inputs: list[dict], **arguments) -> float:
    """What the metric's combiner makes of these extracts, each in an accumulator of its own."""
    import tensorflow_model_analysis as tfma
    from tensorflow_model_analysis.proto.config_pb2 import EvalConfig

    (computation,) = metric.computations(eval_config=EvalConfig(), **arguments)
    combiner = computation.combiner
    accumulators = [
        combiner.add_input(combiner.create_accumulator(), tfma.metrics.StandardMetricInputs(one))
        for one in inputs
    ]
    (value,) = combiner.extract_output(combiner.merge_accumulators(accumulators)).values()
    return value


def extracts(prediction: bytes, references: list[bytes], weight: float) -> dict:
    return {
        "labels": np.array(references, object),
        "predictions": np.array([prediction], object),
        "example_weights": np.array([weight]),
    }


def test_example_weights_weigh_where_they_are_asked_for():
    from components.evaluation.metrics.answers import AnswerExactMatch

    inputs = [
        extracts(b"Denver", [b"denver", b"Dallas"], 3.0),
        extracts(b"Denver", [b"Paris"], 1.0),
    ]
    assert combined(AnswerExactMatch(), inputs, example_weighted=True) == 0.75
    assert combined(AnswerExactMatch(), inputs, example_weighted=False) == 0.5


def test_a_slice_without_weight_is_0():
    from components.evaluation.metrics.answers import AnswerF1

    weightless = extracts(b"Denver", [b"Denver"], 0.0)
    assert combined(AnswerF1(), []) == 0.0
    assert combined(AnswerF1(), [weightless], example_weighted=True) == 0.0


def test_bytes_that_are_not_utf8_are_no_crash():
    from components.evaluation.metrics.answers import AnswerF1

    cut = "école du nord".encode()[1:]
    assert combined(AnswerF1(), [extracts(cut, ["école du nord".encode()], 1.0)]) == 2 / 3


@dataclasses.dataclass(frozen=True)
class Question:
    """What the candidate and the baseline answer, and what is right."""

    candidate: str
    baseline: str
    references: tuple[str, ...]


QUESTIONS = (
    Question("Denver", "the Broncos", ("Broncos",)),
    Question("very very good", "good", ("good", "very good good")),
    Question("red blue", "Red.", ("red", "green", "red blue green")),
    Question("1,000", "", ("1000",)),
    Question("“quoted”", "quoted", ("quoted", "quote")),
    Question("", "the", ("a", "an", "the")),
    Question("東京 日本", "東京", ("東京 大阪", "東京")),
    *(Question(f"wrong {n}", f"wrong {n}", ("right one",)) for n in range(3)),
)


def expected(model: str) -> dict:
    """Metric name -> its value for one of the models, by the pure functions."""
    means = {
        score.__name__: statistics.mean(score(getattr(q, model), q.references) for q in QUESTIONS)
        for score in (exact_match, f1)
    }
    own = {f"{name}_value": value for name, value in means.items()} if model == "candidate" else {}
    found = {name: pytest.approx(value, abs=1e-6) for name, value in (means | own).items()}
    return {"examples": len(QUESTIONS), **found}


MODELS = ("candidate", "baseline")


def scores(model: str) -> dict:
    """Metric name -> its value for each question."""
    return {
        score.__name__: [score(getattr(q, model), q.references) for q in QUESTIONS]
        for score in (exact_match, f1)
    }


def named(bounds: dict, suffix: str = "") -> dict:
    """Metric name -> interval, as the names and values that TFMA has of them."""
    return {
        f"{name}_{bound}{suffix}": pytest.approx(value, abs=1e-6)
        for name, interval in bounds.items()
        for bound, value in zip(("lower", "upper"), interval)
    }


def expected_intervals(confidence: float) -> dict:
    of = scores("candidate")
    match, words = of["exact_match"], of["f1"]
    squares = sum(value**2 for value in words)
    return named(
        {
            "exact_match": intervals.of_fraction(sum(match), len(match), confidence),
            "f1": intervals.of_mean(sum(words), squares, len(words), confidence),
        }
    )


def expected_change_intervals(confidence: float) -> dict:
    changes = {
        name: [after - before for after, before in zip(values, scores("baseline")[name])]
        for name, values in scores("candidate").items()
    }
    match, words = changes["exact_match"], changes["f1"]
    squares = sum(value**2 for value in words)
    return named(
        {
            "exact_match": intervals.of_fraction_change(
                match.count(1), match.count(-1), len(match), confidence
            ),
            "f1": intervals.of_mean(sum(words), squares, len(words), confidence),
        },
        "_diff",
    )


def write_examples(folder: pathlib.Path) -> None:
    """An eval split of two files; a context is what the two models answer, with a line between."""
    import tensorflow as tf

    for shard, questions in enumerate((QUESTIONS[:5], QUESTIONS[5:])):
        path = folder / "Split-eval" / f"data_tfrecord-0000{shard}-of-00002.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for question in questions:
                texts = {
                    "id": ["1"],
                    "title": ["Title"],
                    "question": ["Who?"],
                    "context": [f"{question.candidate}|{question.baseline}"],
                    "answer_text": question.references,
                }
                feature = {
                    name: tf.train.Feature(
                        bytes_list=tf.train.BytesList(value=[v.encode() for v in values])
                    )
                    for name, values in texts.items()
                }
                feature["answer_start"] = tf.train.Feature(
                    int64_list=tf.train.Int64List(value=[0] * len(question.references))
                )
                example = tf.train.Example(features=tf.train.Features(feature=feature))
                writer.write(example.SerializeToString())


def save_model(folder: pathlib.Path, part: int) -> None:
    """A SavedModel that answers that part of the context, beside other outputs of the real one."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def serve_examples(examples):
        spec = {"context": tf.io.FixedLenFeature([], tf.string)}
        context = tf.io.parse_example(examples, spec)["context"]
        answer = tf.strings.regex_replace(context, (r"\|.*$", r"^.*\|")[part], "")
        return {
            "answer": answer,
            "score": tf.ones_like(answer, tf.float32),
            "n_best_answers": tf.stack([answer, answer], axis=1),
        }

    module = tf.Module()
    path = folder / "Format-Serving"
    tf.saved_model.save(module, str(path), signatures={"serve_examples": serve_examples})


@pytest.fixture(scope="module")
def evaluator_inputs(tmp_path_factory) -> dict:
    """What TFX's Evaluator takes, on disk: examples, the task's schema and two models."""
    from tfx.types import artifact_utils, standard_artifacts

    root = tmp_path_factory.mktemp("evaluator")
    write_examples(root / "examples")
    (root / "schema").mkdir()
    (root / "schema" / "schema.pbtxt").write_text(SCHEMA.read_text())
    inputs = {}
    for key, kind in (
        ("examples", standard_artifacts.Examples),
        ("schema", standard_artifacts.Schema),
        ("model", standard_artifacts.Model),
        ("baseline_model", standard_artifacts.Model),
    ):
        artifact = kind()
        artifact.uri = str(root / key)
        inputs[key] = [artifact]
    inputs["examples"][0].split_names = artifact_utils.encode_split_names(["eval"])
    save_model(root / "model", part=0)
    save_model(root / "baseline_model", part=1)
    return inputs


def evaluate(
    inputs: dict, folder: pathlib.Path, threshold: Threshold, confidence: float, slice_bounds=()
):
    """TFX's own Evaluator with the pipeline's config of the task, thresholds replaced.

    Returns:
      Folder of the evaluation, and whether the model was blessed.
    """
    from google.protobuf import json_format
    from tfx.components.evaluator.executor import Executor
    from tfx.types import standard_artifacts

    from components.spec.registry import load_task
    from pipeline.eval_config import EXTRACTORS, eval_config

    task = dataclasses.replace(
        load_task("squad"),
        thresholds={"exact_match": threshold, "f1": threshold},
        confidence=confidence,
        slice_bounds=slice_bounds,
    )
    evaluation, blessing = standard_artifacts.ModelEvaluation(), standard_artifacts.ModelBlessing()
    evaluation.uri, blessing.uri = str(folder / "evaluation"), str(folder / "blessing")
    context = Executor.Context(
        beam_pipeline_args=["--runner=DirectRunner"], tmp_dir=str(folder / "tmp"), unique_id="1"
    )
    Executor(context).Do(
        inputs,
        {"evaluation": [evaluation], "blessing": [blessing]},
        {
            "eval_config": json_format.MessageToJson(
                eval_config(task), preserving_proto_field_name=True
            ),
            "example_splits": "null",
            "module_path": EXTRACTORS,
        },
    )
    return evaluation.uri, bool(blessing.get_int_custom_property("blessed"))


def values(evaluation: str, model_name: str | None) -> dict[str, float]:
    """Metric name -> value over the whole split, as `pipeline.runs.outcome` reads it."""
    import tensorflow_model_analysis as tfma

    result = tfma.load_eval_result(evaluation, model_name=model_name)
    (outputs,) = (outputs for key, outputs in result.slicing_metrics if key == ())
    return {name: value["doubleValue"] for name, value in outputs[""][""].items()}


def failures(evaluation: str) -> set[tuple[str, str]]:
    """(metric, kind of threshold) of all that the gate refused."""
    import tensorflow_model_analysis as tfma

    return {
        (failure.metric_key.name, failure.metric_threshold.ListFields()[0][0].name)
        for per_slice in tfma.load_validation_result(evaluation).metric_validations_per_slice
        for failure in per_slice.failures
    }


@pytest.mark.run
def test_the_evaluator_says_of_all_references_what_the_rules_say(evaluator_inputs, tmp_path):
    first_run = {k: v for k, v in evaluator_inputs.items() if k != "baseline_model"}
    evaluation, blessed = evaluate(first_run, tmp_path, Threshold(bound=0.1), 0.95)
    assert values(evaluation, None) == expected("candidate") | expected_intervals(0.95)
    assert blessed and not failures(evaluation)
    check_recorded(evaluation, first_run, part=0)
    check_tfma_loads(evaluation, (None,))


def check_recorded(evaluation: str, inputs: dict, part: int) -> None:
    """The Evaluator has kept what the candidate answered, by the examples' hashes."""
    import hashlib

    import tensorflow as tf

    from components.evaluation import recorded_answers

    files = tf.io.gfile.glob(f"{inputs['examples'][0].uri}/Split-eval/*")
    answers = {}
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        (context,) = (
            tf.train.Example.FromString(record).features.feature["context"].bytes_list.value
        )
        answers[hashlib.sha256(record).hexdigest()] = context.decode().split("|")[part]
    assert recorded_answers.read(evaluation) == ("answer", answers) and len(answers) > 1


def check_tfma_loads(evaluation: str, models: tuple[str | None, ...]) -> None:
    """TFMA's own loader takes the answers beside the metrics, whichever model it is asked for."""
    import tensorflow_model_analysis as tfma

    for model in models:
        result = tfma.load_eval_result(evaluation, model_name=model)
        (answers,) = (of[""][""] for key, of in result.attributions if key == ())
        assert len(answers["answer"]) == len(QUESTIONS)
        assert len(result.slicing_metrics) == len(result.attributions)
    tfma.load_eval_result(
        evaluation, model_name="candidate"
    )  # is no error where models have no names


@pytest.mark.run
def test_the_evaluator_compares_with_the_baseline(evaluator_inputs, tmp_path):
    """Exact match is 0.2 after 0.6, which is no noise at 80 %; that F1 falls by 0.19 may be."""
    from components.evaluation.tfma_results import metrics_by_slice

    evaluation, blessed = evaluate(evaluator_inputs, tmp_path, Threshold(bound=0.3), 0.8)
    candidate, baseline = values(evaluation, "candidate"), values(evaluation, "baseline")
    assert baseline == expected("baseline")
    assert metrics_by_slice(evaluation, "candidate")[()] == pytest.approx(candidate)
    assert metrics_by_slice(evaluation, "baseline")[()] == pytest.approx(baseline)
    changes = {f"{name}_diff": candidate[name] - baseline[name] for name in baseline}
    assert candidate == {
        **expected("candidate"),
        **expected_intervals(0.8),
        **{name: pytest.approx(change) for name, change in changes.items()},
        **expected_change_intervals(0.8),
    }
    assert failures(evaluation) == {
        ("exact_match", "value_threshold"),
        ("exact_match_upper", "change_threshold"),
    }
    assert not blessed
    check_recorded(evaluation, evaluator_inputs, part=0)
    check_tfma_loads(evaluation, (None, *MODELS))


@pytest.mark.run
def test_the_evaluator_allows_a_loss_within_the_bound(evaluator_inputs, tmp_path):
    threshold = Threshold(bound=0.1, max_worsening=0.2)
    evaluation, blessed = evaluate(evaluator_inputs, tmp_path, threshold, 0.8)
    assert blessed and not failures(evaluation)
    check_slices(evaluation)


@pytest.mark.run
@pytest.mark.parametrize("has_baseline", [False, True])
def test_the_evaluator_judges_a_slice_with_enough_examples(
    evaluator_inputs, tmp_path, monkeypatch, has_baseline
):
    """Of the 6 examples of the one slice, 2 are right; those of the other are wrong."""
    from components.evaluation import paired
    from components.spec.registry import load_task
    from pipeline.runs.metric_results import sliced

    monkeypatch.setattr(paired, "LEAST_EXAMPLES", 6)
    inputs = dict(evaluator_inputs)
    if not has_baseline:
        del inputs["baseline_model"]

    def run(bound: float):
        task = load_task("squad").override(
            {
                "slice_bounds": f"exact_match:answer_words:1:{bound},exact_match:answer_words:2:0.9,"
                "f1:question_word:who:0.1"
            }
        )
        threshold = Threshold(bound=0, max_worsening=1)
        folder = tmp_path / str(bound)
        evaluation, blessed = evaluate(inputs, folder, threshold, 0.8, task.slice_bounds)
        refused = {
            (s.slice, s.value, metric.name): metric.refused
            for s in sliced(task, evaluation)
            for metric in s.metrics
            if metric.refused
        }
        return blessed, refused

    assert run(0.3) == (True, {})
    blessed, refused = run(0.4)
    assert not blessed
    ((place, reason),) = refused.items()
    assert place == ("answer_words", "1", "exact_match")
    assert re.search(r"0\.3333 .*not.* 0\.4000", reason)


def check_slices(evaluation: str) -> None:
    """Every slice has the metrics of its examples."""
    from components.spec.registry import load_task
    from pipeline.runs.metric_results import sliced

    found = {(s.slice, s.value): s for s in sliced(load_task("squad"), evaluation)}
    assert {key: s.examples for key, s in found.items()} == {
        ("question_word", "who"): 10,
        ("context_words", "0-99"): 10,
        ("answer_words", "1"): 6,
        ("answer_words", "2"): 4,
    }
    match, words = found["answer_words", "1"].metrics
    means = {model: [np.mean(v[:6]) for v in scores(model).values()] for model in MODELS}
    assert [match.candidate, words.candidate] == pytest.approx(means["candidate"], abs=1e-6)
    assert [match.baseline, words.baseline] == pytest.approx(means["baseline"], abs=1e-6)
    hits = sum(scores("candidate")["exact_match"][:6])
    assert match.interval == pytest.approx(intervals.of_fraction(hits, 6, 0.8))
    assert not any(s.is_judged for s in found.values())  # a few examples say nothing
