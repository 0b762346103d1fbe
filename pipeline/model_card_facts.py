"""The facts of a model card that are known before the run."""

import dataclasses
import json
import pathlib

from components.models.bert.presets import licence
from pipeline.config import PipelineConfig
from pipeline.fingerprint import stage_code


def card_facts(config: PipelineConfig) -> str:
    """Returns the facts as JSON for ServingCheck, see `components/serving/model_card.py`."""
    task = config.task
    facts = {
        "task": task.name,
        "description": task.card.description,
        "limits": task.card.limits,
        "licences": [task.card.data_licence, licence(config.encoder.handle)],
        "data": _data(config.data),
        "judged_split": config.eval_split,
        "encoder": dataclasses.asdict(config.encoder),
        "code_sha256": stage_code("Trainer", task.head),
        "hyperparameters": dataclasses.asdict(task.hyperparameters),
        "thresholds": {n: dataclasses.asdict(t) for n, t in task.thresholds.items()},
    }
    return json.dumps(facts, sort_keys=True)


def _data(folder: str) -> dict:
    """Reads what `prepare` wrote about the data, where this machine can read it."""
    about = pathlib.Path(folder, "dataset.json")
    return {"folder": folder} | (json.loads(about.read_text()) if about.is_file() else {})
