import pytest

from components.errors import InputError
from components.tasks import load_task, task_names
from components.values import dump, load


def test_override_replaces_hyperparameters_and_thresholds():
    task = load_task("mrpc").override({"epochs": "7", "learning_rate": "3e-5", "f1_floor": "0.9"})
    assert (task.hyperparameters.epochs, task.hyperparameters.learning_rate) == (7, 3e-5)
    assert task.thresholds["f1"].floor == 0.9
    assert task.thresholds["accuracy"] == load_task("mrpc").thresholds["accuracy"]


@pytest.mark.parametrize("name", ["epoch", "auc_floor"])
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
