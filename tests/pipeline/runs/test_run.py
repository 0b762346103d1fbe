"""What ML Metadata tells of a run: of one of today, and of one that version 0.1 made."""

import dataclasses
import json

from google.protobuf import json_format

from components.common.serialization import to_json
from components.spec.metrics import Threshold
from components.spec.registry import load_task
from pipeline.eval_config import eval_config
from pipeline.runs.run import Run, Stage


def run_of(hyperparameters: str, evaluation: dict) -> Run:
    """A run with two stages, as ML Metadata has their parameters."""
    trainer = {"custom_config": json.dumps({"hyperparameters": hyperparameters})}
    evaluator = {"eval_config": json.dumps(evaluation)}
    stages = {"Trainer": trainer, "Evaluator": evaluator}
    return Run(
        *(1, "run", 0.0),
        {node: Stage("COMPLETE", 1.0, told, {}, {}) for node, told in stages.items()},
    )


def test_all_that_the_gate_was_asked_is_read_back():
    task = dataclasses.replace(
        load_task("mrpc").override({"slice_bounds": "accuracy:label:1:0.5", "confidence": "0.9"}),
        thresholds={"accuracy": Threshold(0.7, 0.01), "loss": Threshold(0.6, 0.02)},
    )
    written = json_format.MessageToDict(eval_config(task), preserving_proto_field_name=True)
    read = run_of(to_json(task.hyperparameters), written).settings
    settings = task.settings()
    assert {name: settings[name] for name in read} == read
    assert read["max_loss"] == 0.6 and read["max_loss_increase"] == 0.02
    assert read["min_accuracy"] == 0.7 and read["max_accuracy_drop"] == 0.01


def test_a_run_of_version_0_1_is_read_by_todays_names():
    fields = {"epochs": 3, "max_length": 128, "warmup_share": 0.1, "xla": False}
    floor = {"slicing_specs": [{}], "threshold": {"value_threshold": {"lower_bound": 0.75}}}
    change = {"slicing_specs": [{}], "threshold": {"change_threshold": {"absolute": -0.01}}}
    metrics = [
        {"config": json.dumps({"name": "f1"}), "per_slice_thresholds": [floor]},
        {
            "config": json.dumps({"name": "f1_upper", "figure": "x", "confidence": 0.95}),
            "per_slice_thresholds": [change],
        },
    ]
    module = ["components.tasks.base", "Hyperparameters", fields]
    assert run_of(json.dumps(module), {"metrics_specs": [{"metrics": metrics}]}).settings == {
        **{"epochs": 3, "max_seq_length": 128, "warmup_ratio": 0.1, "jit_compile": False},
        **{"min_f1": 0.75, "max_f1_drop": 0.01, "confidence": 0.95},
    }
