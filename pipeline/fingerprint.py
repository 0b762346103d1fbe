"""The code that is part of a stage's cache key.

TFX sees the parameters of a component and its input artifacts, but not the code that it calls by
import path. So a hash of that code goes into the parameters.
"""

from components.common.code_hash import code_sha256
from components.spec.heads import HeadConfig, head_module

# What runs in each stage that has code of this project; eval_config.py hashes the Evaluator's.
_MODULES = {
    "DataGate": ("components.data.data_gate",),
    "Transform": ("components.preprocessing.transform",),
    "TargetGate": ("components.preprocessing.target_gate",),
    "DriftGate": ("components.data.drift_gate",),
    "Trainer": ("components.training.trainer",),
    # The worker is a process of its own, which nothing imports.
    "ServingCheck": (
        "components.serving.serving_check",
        "components.serving.serving_check_worker",
    ),
}


def stage_code(stage: str, head: HeadConfig | None = None) -> str:
    """Returns the hash of a stage's code, with the head's code where the stage uses one."""
    return code_sha256(*_MODULES[stage], *([head_module(head)] if head else []))
