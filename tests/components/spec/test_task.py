import pytest

from components.common.errors import InputError
from components.common.serialization import dump, load
from components.spec.registry import load_task, task_names
from components.spec.task import SliceFloor


def test_override_replaces_hyperparameters_and_thresholds():
    task = load_task("mrpc").override({"epochs": "7", "learning_rate": "3e-5", "f1_floor": "0.9"})
    assert (task.hyperparameters.epochs, task.hyperparameters.learning_rate) == (7, 3e-5)
    assert task.thresholds["f1"].floor == 0.9
    assert task.thresholds["accuracy"] == load_task("mrpc").thresholds["accuracy"]


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False)])
def test_a_switch_is_read_as_one(text, value):
    assert load_task("mrpc").override({"xla": text}).hyperparameters.xla is value
    with pytest.raises(InputError, match="'1' is not a valid bool"):
        load_task("mrpc").override({"xla": "1"})


def test_the_floors_of_slices_are_read_as_they_are_shown():
    floors = "accuracy:label:1:0.8,f1:words:55+:0.75"
    task = load_task("mrpc").override({"slice_floors": floors})
    assert task.slice_floors == (
        SliceFloor("accuracy", "label", "1", 0.8),
        SliceFloor("f1", "words", "55+", 0.75),
    )
    assert task.settings()["slice_floors"] == floors
    assert task.override({}).slice_floors and not task.override({"slice_floors": ""}).slice_floors


@pytest.mark.parametrize("floors", ["accuracy:label:1", "accuracy:label:1:high", "label=1:0.8"])
def test_a_floor_of_a_slice_that_does_not_read_as_one_is_refused(floors):
    with pytest.raises(InputError, match=f"slice_floors is '{floors}'.*METRIC:SLICE:VALUE:FLOOR"):
        load_task("mrpc").override({"slice_floors": floors})


@pytest.mark.parametrize("name", ["epoch", "calibration_floor"])
def test_an_unknown_setting_is_answered_with_all_there_are(name):
    with pytest.raises(InputError, match="accuracy_floor") as error:
        load_task("mrpc").override({name: "1"})
    assert repr(name) in str(error.value)


def test_every_threshold_is_on_a_metric_that_is_computed():
    for name in task_names():
        task = load_task(name)
        assert task.thresholds, name
        assert set(task.thresholds) <= {metric.name for metric in task.metrics}, name


def test_a_head_survives_json():
    for name in task_names():
        head = load_task(name).head
        assert load(dump(head)) == head


@pytest.mark.parametrize("name", task_names())
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("epochs", "0"),
        ("batch_size", "-1"),
        ("learning_rate", "nan"),
        ("head_learning_rate", "inf"),
        ("warmup_share", "1"),
        ("dropout", "-0.1"),
        ("clip_norm", "0"),
        ("precision", "bf16"),
    ],
)
def test_a_value_that_cannot_be_trained_with_is_refused(name, setting, value):
    with pytest.raises(InputError, match=f"--set {setting}="):
        load_task(name).override({setting: value})
