"""ServingCheck loads, asks and times a model in a process of its own before it is pushed.

It takes InfraValidator's place, which needs docker or Kubernetes, cannot run on Kubeflow Pipelines 2,
and passes a model where docker is missing.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils, path_utils

from components.evaluation import recorded_answers
from components.serving import model_card

_WORKER = pathlib.Path(__file__).with_name("serving_check_worker.py")
_PATIENCE_SECONDS = 900


@component
def ServingCheck(
    model: InputArtifact[standard_artifacts.Model],
    model_blessing: InputArtifact[standard_artifacts.ModelBlessing],
    evaluation: InputArtifact[standard_artifacts.ModelEvaluation],
    examples: InputArtifact[standard_artifacts.Examples],
    split: Parameter[str],
    limits: Parameter[str],
    facts: Parameter[str],
    code: Parameter[str],
    blessing: OutputArtifact[standard_artifacts.InfraBlessing],
    server_blessing: InputArtifact[standard_artifacts.InfraBlessing] = None,
):
    """Blesses a model that answers as it should, and makes a copy that is ready to be pushed.

    The copy is the model and, in assets.extra, warm-up requests and the model card. A model that the
    gate refused is not asked. The blessing's property `reason` holds the reason of a refusal.

    Args:
      split: whose examples the model is asked.
      limits: JSON of `max_latency_ms` and `max_memory_mb`.
      facts: JSON, see `model_card.write`.
      code: hash of this module and the probe, for the cache.
      server_blessing: InfraValidator's, where a model server was asked.
    """
    if model_blessing.get_int_custom_property("blessed") != 1:
        _mark(blessing, "not asked, since the gate refused it")
        return
    if server_blessing and server_blessing.get_int_custom_property("blessed") != 1:
        _mark(
            blessing, "tensorflow/serving did not load and answer it in docker; why is in the log"
        )
        return
    exported = path_utils.serving_model_path(model.uri)
    records = fileio.glob(f"{artifact_utils.get_split_uri([examples], split)}/*")
    with tempfile.TemporaryDirectory() as folder:
        report = probe(exported, records, recorded_answers.read(evaluation.uri), folder)
        problems = report["problems"] or beyond(json.loads(limits), report)
        blessing.set_string_custom_property("measured", _measured(report))
        if problems:
            _mark(blessing, "; ".join(problems))
            return
        model_card.write(folder, json.loads(facts), report, evaluation.uri, model.uri)
        package = path_utils.stamped_model_path(blessing.uri)
        io_utils.copy_dir(exported, package)
        for name in os.listdir(folder):
            io_utils.copy_file(f"{folder}/{name}", f"{package}/assets.extra/{name}")
    blessing.set_int_custom_property("has_model", 1)
    _mark(blessing, None)


def probe(model: str, records: list[str], evaluated: tuple[str, dict], folder: str) -> dict:
    """Runs `serving_check_worker.py` and returns its report; it writes warm-up requests to the folder.

    A process that dies or hangs makes a report with that problem and no measurements.

    Args:
      model: folder of a SavedModel.
      records: gzip-compressed TFRecords of raw examples.
      evaluated: the answers to the Evaluator, see `components.evaluation.recorded_answers.read`.
      folder: for the warm-up requests.
    """
    with tempfile.TemporaryDirectory() as elsewhere:
        order, report, log = (f"{elsewhere}/{name}" for name in ("order", "report", "log"))
        asked = {
            "model": model,
            "examples": sorted(records),
            "evaluated": evaluated,
            "warmup": f"{folder}/tf_serving_warmup_requests",
        }
        pathlib.Path(order).write_text(json.dumps(asked))
        # Isolated (-I): it finds no module of ours by the working directory or PYTHONPATH.
        command = [sys.executable, "-I", str(_WORKER), order, report]
        try:
            with open(log, "w") as file:
                ended = subprocess.run(
                    command, stdout=file, stderr=file, cwd=elsewhere, timeout=_PATIENCE_SECONDS
                )
        except subprocess.TimeoutExpired:
            return {"problems": [f"no answer within {_PATIENCE_SECONDS} s"]}
        said = pathlib.Path(log).read_text(errors="replace")
        print(said)
        if ended.returncode:
            end = (said.strip().splitlines() or ["it said nothing"])[-1]
            return {"problems": [f"its process ended with code {ended.returncode}: {end[:300]}"]}
        return json.loads(pathlib.Path(report).read_text())


def beyond(limits: dict, report: dict) -> list[str]:
    """Says which limits a report's measurements exceed."""
    p95, memory = report["latency_ms"]["p95"], report["memory_mb"]
    problems = []
    if p95 > limits["max_latency_ms"]:
        problems.append(
            f"one example takes {p95:.1f} ms (95th percentile), more than max_latency_ms "
            f"= {limits['max_latency_ms']:g}"
        )
    if memory > limits["max_memory_mb"]:
        problems.append(
            f"it took {memory:.0f} MB of memory, more than max_memory_mb = "
            f"{limits['max_memory_mb']:g}"
        )
    return problems


def _measured(report: dict) -> str:
    if "latency_ms" not in report:
        return ""
    latency = report["latency_ms"]
    return (
        f"one example in {latency['p50']:.1f} ms (p95 {latency['p95']:.1f} ms), "
        f"{report['memory_mb']:.0f} MB at the peak"
    )


def _mark(blessing: standard_artifacts.InfraBlessing, refused: str | None) -> None:
    blessing.set_int_custom_property("blessed", 0 if refused else 1)
    blessing.set_string_custom_property("reason", refused or "")
    name = "INFRA_NOT_BLESSED" if refused else "INFRA_BLESSED"
    io_utils.write_string_file(f"{blessing.uri}/{name}", refused or "")
