"""One run as ML Metadata holds it, and what follows from that alone."""

import dataclasses
import json
import pathlib
from typing import Any

from components.spec.metrics import SliceBound
from components.spec.renamed import with_present_names


@dataclasses.dataclass(frozen=True)
class Artifact:
    """An input or output of a stage: its URI, and its properties in ML Metadata."""

    uri: str
    properties: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Stage:
    """One execution of a stage.

    Attributes:
      state: ML Metadata's: COMPLETE, CACHED, FAILED, RUNNING, ...
      seconds: that it took; for a cached one those of the look-up.
      parameters: all that TFX passed to it, as JSON where TFX does so.
      inputs, outputs: key -> artifacts.
    """

    state: str
    seconds: float
    parameters: dict[str, Any]
    inputs: dict[str, list[Artifact]]
    outputs: dict[str, list[Artifact]]

    @property
    def custom_config(self) -> dict[str, Any]:
        """The custom_config of the component; empty where it has none."""
        return json.loads(self.parameters.get("custom_config") or "null") or {}

    @property
    def succeeded(self) -> bool:
        """Whether the stage ran to its end, or the cache had its results."""
        return self.state in ("COMPLETE", "CACHED")

    @property
    def failure(self) -> str | None:
        """Why the stage failed, None where it did not."""
        if self.state != "FAILED":
            return None
        result = json.loads(self.parameters.get("__execution_result__") or "{}")
        return result.get("resultMessage") or "TFX gave no reason; see the full log"

    def output(self, key: str) -> Artifact | None:
        """Returns the first output under a key, None where there is none."""
        return next(iter(self.outputs.get(key, [])), None)


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of the pipeline.

    Attributes:
      number: 1 for the first in its folder of results.
      run_id: TFX's.
      started: seconds since 1970.
      stages: node id -> execution, in the order of the run.
    """

    number: int
    run_id: str
    started: float
    stages: dict[str, Stage]

    @property
    def data(self) -> str | None:
        """The folder of TFRecords."""
        ingest = self.stages.get("ImportExampleGen")
        return ingest.parameters["input_base"] if ingest else None

    @property
    def data_fingerprint(self) -> str | None:
        """TFX's fingerprint of the data, of its files' sizes and times; None where it was not read."""
        examples = self._output("ImportExampleGen", "examples")
        return examples.properties.get("input_fingerprint") if examples else None

    @property
    def encoder(self) -> dict[str, Any]:
        """The fields of the Encoder; empty where no stage that takes one was run."""
        return self._configured("encoder", {})

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The hyperparameters by their present names; empty where the Trainer was not run."""
        found = self._configured("hyperparameters", {})
        # A run of version 0.1 has a list: module, class and fields.
        return with_present_names(found[2] if isinstance(found, list) else found)

    @property
    def code(self) -> dict[str, str]:
        """Stage -> hash of the code that it calls."""
        return {
            name: stage.custom_config["code"]
            for name, stage in self.stages.items()
            if "code" in stage.custom_config
        }

    @property
    def thresholds(self) -> dict[str, Any]:
        """The gate's settings, by the names that `--set` takes."""
        evaluator = self.stages.get("Evaluator")
        return _thresholds(json.loads(evaluator.parameters["eval_config"])) if evaluator else {}

    @property
    def settings(self) -> dict[str, Any]:
        """The hyperparameters and the gate's settings."""
        return self.hyperparameters | self.thresholds

    @property
    def evaluation(self) -> str | None:
        """The folder that TFMA opens, None where the Evaluator did not end well."""
        artifact = self._output("Evaluator", "evaluation")
        return artifact.uri if artifact else None

    @property
    def judged_files(self) -> list[str]:
        """The gzipped TFRecords of the raw examples that the Evaluator judged."""
        (examples,) = self.stages["Evaluator"].inputs["examples"]
        folder = pathlib.Path(examples.uri, f"Split-{self.eval_split}")
        return sorted(map(str, folder.glob("*.gz")))

    @property
    def eval_split(self) -> str | None:
        """The split that the gate judges by."""
        evaluator = self.stages.get("Evaluator")
        return json.loads(evaluator.parameters["example_splits"])[0] if evaluator else None

    @property
    def blessed(self) -> bool:
        """Whether the gate accepted the model."""
        blessing = self._output("Evaluator", "blessing")
        return bool(blessing and blessing.properties.get("blessed"))

    @property
    def model_run(self) -> str | None:
        """The folder that TensorBoard opens, None where the Trainer did not end well."""
        artifact = self._output("Trainer", "model_run")
        return artifact.uri if artifact else None

    @property
    def serving(self) -> str:
        """What ServingCheck measured, "" where it did not run."""
        return self._served("measured")

    @property
    def unservable(self) -> str:
        """Why ServingCheck refused the model, "" where it did not."""
        return self._served("reason")

    @property
    def pushed_to(self) -> str | None:
        """The folder of the pushed version, None when nothing was pushed."""
        pushed = self._output("Pusher", "pushed_model")
        if not pushed or not pushed.properties.get("pushed"):
            return None
        return pushed.properties["pushed_destination"]

    def _output(self, node: str, key: str) -> Artifact | None:
        stage = self.stages.get(node)
        if not stage or not stage.succeeded:
            return None
        return stage.output(key)

    def _served(self, key: str) -> str:
        blessing = self._output("ServingCheck", "blessing")
        return blessing.properties.get(key, "") if blessing else ""

    def _configured(self, key: str, missing):
        for stage in reversed(self.stages.values()):
            if key in stage.custom_config:
                return json.loads(stage.custom_config[key])
        return missing


def _thresholds(eval_config: dict[str, Any]) -> dict[str, Any]:
    """Reads the gate's settings from TFMA's EvalConfig as JSON, see `pipeline/eval_config.py`."""
    bounds = _slice_bounds(eval_config)
    settings: dict[str, Any] = {"slice_bounds": bounds} if bounds else {}
    for metric in (m for spec in eval_config["metrics_specs"] for m in spec["metrics"]):
        config = json.loads(metric.get("config") or "{}")
        if "confidence" in config:
            settings["confidence"] = config["confidence"]
        for per_slice in metric.get("per_slice_thresholds", []):
            asked = per_slice["threshold"]
            if "value_threshold" in asked:
                side, bound = _bound(asked["value_threshold"])
                settings[f"{side}_{config['name']}"] = bound
            if "change_threshold" in asked:
                name, _, best_case = config["name"].rpartition("_")
                worse = "drop" if best_case == "upper" else "increase"
                absolute = asked["change_threshold"].get("absolute", 0.0)
                settings[f"max_{name}_{worse}"] = abs(absolute)
    return settings


def _bound(threshold: dict[str, Any]) -> tuple[str, float]:
    """Reads side and value of TFMA's bound; JSON leaves out a value of 0."""
    if "upper_bound" in threshold:
        return "max", threshold["upper_bound"]
    return "min", threshold.get("lower_bound", 0.0)


def _slice_bounds(eval_config: dict[str, Any]) -> str:
    """Reads the bounds of slices, as `--set slice_bounds=` takes them."""
    return ",".join(
        str(SliceBound(name.removesuffix("_judged"), feature, value, bound))
        for spec in eval_config["metrics_specs"]
        for name, per_slice in spec.get("per_slice_thresholds", {}).items()
        for asked in per_slice["thresholds"]
        for feature, value in asked["slicing_specs"][0]["feature_values"].items()
        for _, bound in [_bound(asked["threshold"]["value_threshold"])]
    )
