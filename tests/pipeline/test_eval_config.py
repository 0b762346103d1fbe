import dataclasses
import json

import pytest

from components.common.code_hash import code_sha256
from components.common.errors import InputError
from components.data.tfrecords import write_records
from components.spec.metrics import SliceBound, Threshold
from components.spec.registry import load_task
from pipeline.eval_config import check_slice_examples, eval_config


def test_thresholds_bind_to_the_whole_split_only():
    changes = {"min_accuracy": "0.8", "max_f1_drop": "0.01", "confidence": "0.9"}
    config = eval_config(load_task("mrpc").override(changes))
    bound = {}
    for spec in config.metrics_specs:
        for metric in spec.metrics:
            assert not metric.HasField("threshold")  # that one binds to every slice
            for threshold in metric.per_slice_thresholds:
                assert list(threshold.slicing_specs) == [type(threshold.slicing_specs[0])()]
                value = threshold.threshold
                ((kind, limit),) = value.ListFields()
                arguments = json.loads(metric.config)
                bound[arguments["name"]] = (
                    (limit.lower_bound.value,)
                    if kind.name == "value_threshold"
                    else (limit.absolute.value, arguments["confidence"])
                )
    assert bound == {
        "accuracy": (0.8,),
        "f1": (0.83,),
        "auc": (0.8,),
        "accuracy_upper": (0.0, 0.9),
        "f1_upper": (-0.01, 0.9),
        "auc_upper": (0.0, 0.9),
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"thresholds": {}}, r"no thresholds.*components/tasks/mrpc\.py"),
        ({"thresholds": {"acuracy": Threshold(0.5)}}, "threshold .*'acuracy'.*: accuracy, "),
        ({"thresholds": {"calibration": Threshold(0.5)}}, "threshold .*'calibration'"),
        ({"thresholds": {"f1": Threshold(float("nan"))}}, r"min_f1 \w+ nan"),
        ({"thresholds": {"f1": Threshold(0.5, float("nan"))}}, r"max_f1_drop \w+ nan"),
        ({"thresholds": {"f1": Threshold(0.5, -0.01)}}, r"max_f1_drop \w+ -0\.01"),
        ({"thresholds": {"f1": Threshold(0.5, float("inf"))}}, r"max_f1_drop \w+ inf"),
        ({"slices": ("word",)}, r"slice 'word'.*slices\.py.*: words, .*label"),
        (
            {"slice_bounds": (SliceBound("f1", "word", "55+", 0.5),)},
            r"f1:word:55\+:0\.5.*no slice 'word'.*: label, ",
        ),
        (
            {"slice_bounds": (SliceBound("calibration", "words", "55+", 0.5),)},
            r"calibration:words:55\+:0\.5.*: accuracy, ",
        ),
        (
            {"slice_bounds": (SliceBound("f1", "words", "55+", float("nan")),)},
            r"f1:words:55\+:nan.*number",
        ),
        ({"confidence": 95.0}, r"confidence \w+ 95\.0.*--set confidence="),
        ({"confidence": float("nan")}, r"confidence \w+ nan.*--set confidence="),
    ],
)
def test_a_gate_that_lets_everything_or_nothing_through_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        eval_config(dataclasses.replace(load_task("mrpc"), **changes))


def test_every_slice_of_a_task_is_computed():
    config = eval_config(load_task("mrpc"))
    overall, *others = ([*spec.feature_keys] for spec in config.slicing_specs)
    assert overall == [] and others == [[name] for name in load_task("mrpc").slices]


def test_a_bound_of_a_slice_binds_there_and_nowhere_else():
    bounds = "f1:words:35-44:0.5,accuracy:label:0:0.7"
    config = eval_config(load_task("mrpc").override({"slice_bounds": bounds}))
    bound = {
        name: [
            (dict(spec.feature_values), asked.threshold.value_threshold.lower_bound.value)
            for asked in per_slice.thresholds
            for spec in asked.slicing_specs
        ]
        for spec in config.metrics_specs
        for name, per_slice in spec.per_slice_thresholds.items()
    }
    assert bound == {
        "f1_judged": [({"words": "35-44"}, 0.5)],
        "accuracy_judged": [({"label": "0"}, 0.7)],
    }


def test_a_bound_of_a_slice_without_examples_is_refused_with_the_slices_there_are(tmp_path):
    sentences = {"sentence1": "He won .", "sentence2": "He won 2 ."}
    examples = [{**sentences, "label": label, "idx": label} for label in (0, 1)]
    write_records(str(tmp_path / "eval"), examples)

    def check(bounds: str) -> None:
        task = load_task("mrpc").override({"slice_bounds": bounds})
        check_slice_examples(task, str(tmp_path / "eval"))

    check("f1:label:1:0.5,accuracy:numbers:differ:0.5,accuracy:overlap:70+:0.5")
    with pytest.raises(InputError, match=r"f1:label:2:0\.5.* 0 \(1 .* 1 \(1 "):
        check("f1:label:2:0.5")
    with pytest.raises(InputError, match=r"f1:numbers:difer:0\.5.* differ \(2 "):
        check("f1:numbers:difer:0.5")


def test_a_slice_that_reads_what_examples_do_not_have_is_refused(tmp_path):
    write_records(str(tmp_path / "eval"), [{"premise": "He won .", "hypothesis": ".", "label": 0}])
    task = dataclasses.replace(load_task("mrpc"), slices=("label", "words"))
    with pytest.raises(
        InputError, match=r"'words' .*mrpc .*'sentence1'.*components/evaluation/slices\.py"
    ):
        check_slice_examples(task, str(tmp_path / "eval"))


def test_the_signature_that_is_served_is_the_one_that_is_judged():
    (model,) = eval_config(load_task("mrpc")).model_specs
    assert (model.signature_name, model.label_key) == ("serve_examples", "label")


def test_the_code_of_the_projects_own_metrics_is_part_of_the_configuration():
    """TFX's cache sees nothing else of them."""
    configs = [
        json.loads(metric.config)
        for spec in eval_config(load_task("squad")).metrics_specs
        for metric in spec.metrics
    ]
    paired = code_sha256(
        "components.evaluation.paired",
        "components.evaluation.slices",
        "components.evaluation.metrics.span_extraction",
    )
    by_name = {config["name"]: config.get("code") for config in configs}
    sha256 = code_sha256("components.evaluation.metrics.answers")
    assert by_name == {
        "examples": None,
        "answer": code_sha256("components.evaluation.recorded_answers"),
        **{"exact_match": sha256, "exact_match_upper": paired},
        **{"f1": sha256, "f1_upper": paired},
    }
