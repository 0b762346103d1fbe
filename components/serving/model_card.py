"""The model card: what a pushed model is, what it was made of, and how good it was measured to be.

model_card.json is for programs, model_card.md for people. Both are in the version's assets.extra, which
model servers ignore.
"""

import importlib.metadata
import json
import math
import pathlib
import platform
import time
from typing import Any

from components.evaluation.paired import LOWER, UPPER
from components.evaluation.tfma_results import metrics_by_slice

_SOFTWARE = ("tfx", "tensorflow", "tensorflow-text")


def write(folder: str, facts: dict, report: dict, evaluation: str, model: str) -> None:
    """Writes model_card.json and model_card.md into the folder.

    Args:
      folder: of the version's assets.extra.
      facts: what was known before the run: `task`, `description`, `limits`, `licences`, `data`,
        `encoder`, `code_sha256`, `hyperparameters`, `thresholds`, `judged_split`.
      report: of `serving_check_worker.py`.
      evaluation: URI of the Evaluator's output.
      model: URI of the Trainer's output.
    """
    card = {
        **facts,
        "model": model,
        "checked_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "metrics": read_metrics(evaluation),
        "serving": {name: report[name] for name in ("load_s", "latency_ms", "memory_mb")},
        "examples": [requests(facts["task"], report["example"])],
        "software": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _SOFTWARE},
    }
    text = json.dumps(card, indent=2, allow_nan=False)
    pathlib.Path(folder, "model_card.json").write_text(text + "\n")
    pathlib.Path(folder, "model_card.md").write_text(markdown(card))


def read_metrics(evaluation: str) -> list[dict[str, Any]]:
    """Reads the metrics of each slice from the Evaluator's output.

    Returns:
      A dict for each slice: {"slice": "overall" or "name=value", metric: {"value", and where there is an
      interval "lower" and "upper"}}. A value is None where too few examples tell it: JSON has no NaN.
    """
    found = []
    for key, metrics in metrics_by_slice(evaluation, "candidate").items():
        name = ", ".join(f"{feature}={value}" for feature, value in key) or "overall"
        values = {
            metric: None if math.isnan(v) else v
            for metric, v in metrics.items()
            if not metric.endswith("_diff")
        }
        found.append({"slice": name} | _with_intervals(values))
    return sorted(found, key=lambda metrics: (metrics["slice"] != "overall", metrics["slice"]))


def requests(task: str, example: dict) -> dict:
    """Returns an example, its answer, and the request for it in TensorFlow Serving's REST API."""
    return {
        **example,
        "rest": f"POST /v1/models/{task}:predict",
        "body": {"instances": [example["inputs"]]},
    }


def markdown(card: dict) -> str:
    """Writes the card for people, as Markdown."""
    encoder, serving, example = card["encoder"], card["serving"], card["examples"][0]
    latency = serving["latency_ms"]
    sections = {
        f"{card['task']} with {encoder['handle']}": [card["description"]],
        "Quality": [
            f"Measured by the exported model itself, on the {card['judged_split']} split.",
            _metrics_table(card["metrics"], card["thresholds"]),
        ],
        "Limits": [_list(card["limits"])],
        "Licences": [_list(card["licences"])],
        "Data": [_data(card["data"])],
        "Made of": [
            _list(
                [
                    f"encoder {encoder['handle']}, sha256 {encoder['sha256']}",
                    f"code, sha256 {card['code_sha256']}",
                    f"the Trainer's output {card['model']}",
                    *(f"{name} {version}" for name, version in card["software"].items()),
                    *(f"{name} = {value}" for name, value in card["hyperparameters"].items()),
                ]
            )
        ],
        "Serving": [
            f"One example took {latency['p50']:.1f} ms, 95 of 100 examples at most "
            f"{latency['p95']:.1f} ms, where the pipeline ran; {serving['memory_mb']:.0f} MB of memory "
            f"at the peak, {serving['load_s']:.1f} s to load. Checked {card['checked_at']}.",
            f"    {example['rest']}\n    {json.dumps(example['body'], ensure_ascii=False)}",
            f"The answer was\n\n    {json.dumps(example['outputs'], ensure_ascii=False)}",
        ],
    }
    title, *rest = sections
    parts = [f"# {title}", *sections[title]]
    for heading in rest:
        parts += [f"## {heading}", *sections[heading]]
    return "\n\n".join(parts) + "\n"


def _with_intervals(values: dict[str, float | None]) -> dict[str, dict[str, float | None]]:
    """Returns each metric with the ends of its interval, which are metrics of their own in TFMA."""
    bounds = {"lower": LOWER, "upper": UPPER}
    return {
        name: {"value": value}
        | {key: values[name + end] for key, end in bounds.items() if name + end in values}
        for name, value in values.items()
        if not name.endswith((LOWER, UPPER))
    }


def _metrics_table(metrics: list[dict], thresholds: dict) -> str:
    lines = ["| slice | metric | value | interval | bound |", "|---|---|---|---|---|"]
    for row in metrics:
        for name, number in row.items():
            if name != "slice":
                value, lower, upper = map(
                    _number, (number.get(k) for k in ("value", "lower", "upper"))
                )
                interval = f"{lower} to {upper}" if lower else ""
                bound = thresholds.get(name, {}).get("bound", "")
                bound = bound if row["slice"] == "overall" else ""
                lines.append(f"| {row['slice']} | {name} | {value} | {interval} | {bound} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _data(data: dict) -> str:
    sources = [f"{f['name']}, sha256 {f['sha256']}" for f in data.get("sources", {}).values()]
    splits = [f"{name}: {split['rows']} examples" for name, split in data.get("splits", {}).items()]
    return _list([f"from {data['folder']}", *sources, *splits])


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
