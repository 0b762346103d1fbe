import dataclasses
import json

import pytest

from components.common.errors import InputError
from components.common.serialization import to_json
from components.spec.metrics import SliceBound, Threshold
from components.spec.registry import load_task, task_names
from components.spec.task_json import head_from_json, task_from_json, task_to_json


def test_override_replaces_hyperparameters_and_thresholds():
    task = load_task("mrpc").override({"epochs": "7", "learning_rate": "3e-5", "min_f1": "0.9"})
    assert (task.hyperparameters.epochs, task.hyperparameters.learning_rate) == (7, 3e-5)
    assert task.thresholds["f1"].bound == 0.9
    assert task.thresholds["accuracy"] == load_task("mrpc").thresholds["accuracy"]


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False)])
def test_a_switch_is_read_as_one(text, value):
    assert load_task("mrpc").override({"jit_compile": text}).hyperparameters.jit_compile is value
    with pytest.raises(InputError, match=r"jit_compile=1: .*bool.*--set jit_compile="):
        load_task("mrpc").override({"jit_compile": "1"})


def test_the_bounds_of_slices_are_read_as_they_are_shown():
    bounds = "accuracy:label:1:0.8,f1:words:55+:0.75"
    task = load_task("mrpc").override({"slice_bounds": bounds})
    assert task.slice_bounds == (
        SliceBound("accuracy", "label", "1", 0.8),
        SliceBound("f1", "words", "55+", 0.75),
    )
    assert task.settings()["slice_bounds"] == bounds
    assert task.override({}).slice_bounds and not task.override({"slice_bounds": ""}).slice_bounds


@pytest.mark.parametrize("bounds", ["accuracy:label:1", "accuracy:label:1:high", "label=1:0.8"])
def test_a_bound_of_a_slice_that_does_not_read_as_one_is_refused(bounds):
    with pytest.raises(InputError, match=f"slice_bounds .*'{bounds}'.*METRIC:SLICE:VALUE:BOUND"):
        load_task("mrpc").override({"slice_bounds": bounds})


@pytest.mark.parametrize("name", ["epoch", "min_calibration"])
def test_an_unknown_setting_is_answered_with_all_there_are(name):
    with pytest.raises(InputError, match="min_accuracy") as error:
        load_task("mrpc").override({name: "1"})
    assert repr(name) in str(error.value)


def test_every_threshold_is_on_a_metric_that_is_computed():
    for name in task_names():
        task = load_task(name)
        assert task.thresholds, name
        assert set(task.thresholds) <= {metric.name for metric in task.metrics}, name


@pytest.mark.parametrize("name", task_names())
def test_a_task_survives_json_and_so_does_its_head(name):
    task = load_task(name).override({"epochs": "7", "slice_bounds": ""})
    assert task_from_json(task_to_json(task)) == task
    assert head_from_json(to_json(task.head)) == task.head


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda task: task.pop("metrics"), "'metrics'"),
        (lambda task: task.update(epochs=3), "'epochs'"),
        (lambda task: task["hyperparameters"].update(epoch=3), "'epoch'"),
        (lambda task: task["hyperparameters"].update(epochs=0), r"epochs \w+ 0\b"),
        (lambda task: task["hyperparameters"].update(stride=8), "'stride'"),
        (lambda task: task["head"].update(kind="sequence_clasification"), "Did you mean"),
        (lambda task: task["head"].update(classes=["only"]), "two or more"),
        (lambda task: task.update(schema_version=2), "schema version 2"),
    ],
)
def test_json_that_is_no_task_is_refused_by_its_field(change, problem):
    value = json.loads(task_to_json(load_task("mrpc")))
    change(value)
    with pytest.raises(InputError, match=problem):
        task_from_json(json.dumps(value), "task.json")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("warmup_share", "warmup_ratio"),
        ("max_length", "max_seq_length"),
        ("accuracy_floor", "min_accuracy"),
        ("f1_margin", "max_f1_drop"),
        ("slice_floors", "slice_bounds"),
    ],
)
def test_a_setting_that_was_renamed_is_refused_with_its_new_name(old, new):
    with pytest.raises(InputError, match=rf"--set {old}=0\.5: .*--set {new}=0\.5"):
        load_task("mrpc").override({old: "0.5"})


def test_a_metric_whose_lower_value_is_better_has_bounds_from_above():
    task = dataclasses.replace(load_task("mrpc"), thresholds={"loss": Threshold(0.7)})
    changed = task.override({"max_loss": "0.6", "max_loss_increase": "0.05"})
    assert changed.thresholds == {"loss": Threshold(0.6, 0.05)}
    assert not {"min_loss", "max_loss_drop"} & set(task.settings())


@pytest.mark.parametrize("name", task_names())
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("epochs", "0"),
        ("batch_size", "-1"),
        ("learning_rate", "nan"),
        ("head_learning_rate", "inf"),
        ("warmup_ratio", "1"),
        ("dropout", "-0.1"),
        ("max_gradient_norm", "0"),
        ("precision", "bf16"),
    ],
)
def test_a_value_that_cannot_be_trained_with_is_refused(name, setting, value):
    with pytest.raises(InputError, match=f"--set {setting}="):
        load_task(name).override({setting: value})
