import dataclasses
import json

import pytest

from components.errors import InputError
from components.tasks import load_task
from components.tasks.base import Threshold
from pipeline.evaluation import eval_config
from pipeline.fingerprint import code_sha256


def test_thresholds_bind_to_the_whole_split_only():
    changes = {"accuracy_floor": "0.8", "f1_margin": "0.01", "confidence": "0.9"}
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
        "accuracy_upper": (0.0, 0.9),
        "f1_upper": (-0.01, 0.9),
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"thresholds": {}}, "has no thresholds"),
        ({"thresholds": {"acuracy": Threshold(0.5)}}, "'acuracy'.*Those are: accuracy, "),
        ({"thresholds": {"auc": Threshold(0.5)}}, "'auc'"),
        ({"thresholds": {"f1": Threshold(float("nan"))}}, "f1_floor is nan"),
        ({"thresholds": {"f1": Threshold(0.5, float("nan"))}}, "f1_margin is nan"),
        ({"thresholds": {"f1": Threshold(0.5, -0.01)}}, "f1_margin is -0.01"),
        ({"slices": ("word",)}, "a slice 'word'.*There are: words, .*label"),
        ({"confidence": 95.0}, "confidence is 95.0"),
        ({"confidence": float("nan")}, "confidence is nan"),
    ],
)
def test_a_gate_that_lets_everything_or_nothing_through_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        eval_config(dataclasses.replace(load_task("mrpc"), **changes))


def test_every_slice_of_a_task_is_computed_and_none_is_judged():
    config = eval_config(load_task("mrpc"))
    overall, *others = ([*spec.feature_keys] for spec in config.slicing_specs)
    assert overall == [] and others == [[name] for name in load_task("mrpc").slices]


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
        "components.metrics.paired", "components.slices", "components.metrics.squad"
    )
    by_name = {config["name"]: config.get("code") for config in configs}
    sha256 = code_sha256("components.metrics.answers")
    assert by_name == {
        "examples": None,
        **{"exact_match": sha256, "exact_match_upper": paired},
        **{"f1": sha256, "f1_upper": paired},
    }
