import json

from components.tasks import load_task
from pipeline.evaluation import eval_config
from pipeline.fingerprint import code_sha256


def test_thresholds_bind_to_the_whole_split_only():
    config = eval_config(load_task("mrpc").override({"accuracy_floor": "0.8"}))
    bound = {}
    for spec in config.metrics_specs:
        for metric in spec.metrics:
            assert not metric.HasField("threshold")  # that one binds to every slice
            for threshold in metric.per_slice_thresholds:
                assert list(threshold.slicing_specs) == [type(threshold.slicing_specs[0])()]
                value = threshold.threshold
                bound[json.loads(metric.config)["name"]] = (
                    value.value_threshold.lower_bound.value,
                    value.change_threshold.absolute.value,
                )
    assert bound == {"accuracy": (0.8, -0.02), "f1": (0.83, -0.02)}


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
    by_name = {config["name"]: config.get("code") for config in configs}
    sha256 = code_sha256("components.metrics.answers")
    assert by_name == {"examples": None, "exact_match": sha256, "f1": sha256}
