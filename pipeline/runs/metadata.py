"""The runs of a task, as ML Metadata remembers them."""

import dataclasses
import json
import pathlib
from typing import Any

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.common.errors import InputError
from components.spec.metrics import SliceBound
from components.spec.registry import load_task
from components.spec.renamed import with_present_names
from components.spec.task import Task


@dataclasses.dataclass(frozen=True)
class Artifact:
    """What a stage read or wrote: where it is, and what ML Metadata says of it."""

    uri: str
    properties: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Stage:
    """One execution.

    Attributes:
      state: ML Metadata's: COMPLETE, CACHED, FAILED, RUNNING, ...
      seconds: that it took; of a cached one those of looking it up.
      parameters: all that TFX gave it, JSON where TFX made it so.
      inputs, outputs: key -> artifacts.
    """

    state: str
    seconds: float
    parameters: dict[str, Any]
    inputs: dict[str, list[Artifact]]
    outputs: dict[str, list[Artifact]]

    @property
    def custom_config(self) -> dict[str, Any]:
        return json.loads(self.parameters.get("custom_config") or "null") or {}

    def output(self, key: str) -> Artifact | None:
        return next(iter(self.outputs.get(key, [])), None)


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of the pipeline.

    Attributes:
      number: 1 for the first in its folder of results.
      started: seconds since 1970.
      stages: node id -> execution, in the order of the run.
    """

    number: int
    started: float
    stages: dict[str, Stage]

    @property
    def data(self) -> str | None:
        """The folder of TFRecords."""
        ingest = self.stages.get("ImportExampleGen")
        return ingest and ingest.parameters["input_base"]

    @property
    def data_fingerprint(self) -> str | None:
        """TFX's, of sizes and times of the files in it; None where they were not read."""
        examples = self._output("ImportExampleGen", "examples")
        return examples and examples.properties.get("input_fingerprint")

    @property
    def encoder(self) -> dict[str, Any]:
        return self._configured("encoder", {})

    @property
    def hyperparameters(self) -> dict[str, Any]:
        found = self._configured("hyperparameters", {})
        if isinstance(found, list):  # of a run before 0.2: module, class, fields
            found = found[2]
        return with_present_names(found)

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
        """The gate's settings by the names that `--set` knows them by."""
        evaluator = self.stages.get("Evaluator")
        return _thresholds(json.loads(evaluator.parameters["eval_config"])) if evaluator else {}

    @property
    def settings(self) -> dict[str, Any]:
        return self.hyperparameters | self.thresholds

    @property
    def evaluation(self) -> str | None:
        """Folder that TFMA opens, None where the run did not come so far."""
        artifact = self._output("Evaluator", "evaluation")
        return artifact and artifact.uri

    @property
    def judged_files(self) -> list[str]:
        """The gzipped TFRecords of raw examples that the Evaluator judged by."""
        evaluator = self.stages["Evaluator"]
        (examples,) = evaluator.inputs["examples"]
        (split,) = json.loads(evaluator.parameters["example_splits"])
        return sorted(map(str, pathlib.Path(examples.uri, f"Split-{split}").glob("*.gz")))

    @property
    def verdict(self) -> str:
        """pushed, refused (by the gate or by ServingCheck), not pushed or not finished."""
        blessing = self._output("Evaluator", "blessing")
        if self.failed or not blessing or "Pusher" not in self.stages:
            return "not finished"
        if not blessing.properties.get("blessed") or self.unservable:
            return "refused"
        return "pushed" if self.pushed_to else "not pushed"

    @property
    def serving(self) -> str:
        """What ServingCheck measured, "" where it was not asked."""
        return self._served("measured")

    @property
    def unservable(self) -> str:
        """Why ServingCheck refused the model, "" where it did not."""
        return self._served("reason")

    @property
    def pushed_to(self) -> str | None:
        """Folder of the version, None when nothing was pushed."""
        pushed = self._output("Pusher", "pushed_model")
        if not pushed or not pushed.properties.get("pushed"):
            return None
        return pushed.properties["pushed_destination"]

    @property
    def failed(self) -> str | None:
        """The stage that ended the run, if one did."""
        return next((n for n, s in self.stages.items() if s.state not in _WHOLE), None)

    def task(self, name: str) -> Task:
        """The task, with the settings of this run as far as it still has them."""
        task = load_task(name)
        known = task.settings()
        return task.override({k: str(v) for k, v in self.settings.items() if k in known})

    def _output(self, node: str, key: str) -> Artifact | None:
        stage = self.stages.get(node)
        if not stage or stage.state not in _WHOLE:
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


_WHOLE = ("COMPLETE", "CACHED")


def metadata_file(output: str, task: str | None) -> tuple[str, str]:
    """Name of the task and file of its ML Metadata, under a folder of results.

    Raises:
      InputError: there is none, or there are several and `task` is None.
    """
    files = {path.stem: path for path in sorted(pathlib.Path(output, "metadata").glob("*.sqlite"))}
    if task is None and len(files) == 1:
        (task,) = files
    if task in files:
        return task, str(files[task])
    if task is None and files:
        raise InputError(f"{output} holds runs of several tasks. Pass --task {' or '.join(files)}.")
    raise InputError(
        f"{output} holds no run{f' of {task}' if task else ''}. Pass the --output of a run."
    )


def read_runs(file: str) -> list[Run]:
    """All runs, the oldest first. ML Metadata 1.21 filters nothing by a query, so all is read."""
    connection = mlmd.ConnectionConfig()
    connection.sqlite.filename_uri = file
    connection.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READONLY
    store = metadata_store.MetadataStore(connection)
    contexts = sorted(store.get_contexts_by_type("pipeline_run"), key=lambda context: context.id)
    nodes = {
        execution.id: context.name.rpartition(".")[2]
        for context in store.get_contexts_by_type("node")
        for execution in store.get_executions_by_context(context.id)
    }
    return [_read_run(store, n, context, nodes) for n, context in enumerate(contexts, start=1)]


def run_numbered(runs: list[Run], number: int | None) -> Run:
    """The newest for None. Raises InputError where there is no such run."""
    if not runs:
        raise InputError("There is no run yet.")
    if number is None:
        return runs[-1]
    if not 1 <= number <= len(runs):
        raise InputError(f"There is no run {number}; they are numbered 1 to {len(runs)}.")
    return runs[number - 1]


def _read_run(
    store: metadata_store.MetadataStore, number: int, context: mlmd.Context, nodes: dict[int, str]
) -> Run:
    executions = sorted(store.get_executions_by_context(context.id), key=lambda e: e.id)
    events = store.get_events_by_execution_ids([e.id for e in executions]) if executions else []
    artifacts = {a.id: a for a in store.get_artifacts_by_id({e.artifact_id for e in events})}
    return Run(
        number,
        context.create_time_since_epoch / 1000,
        {nodes[e.id]: _stage(e, events, artifacts) for e in executions},
    )


def _stage(execution: mlmd.Execution, events: list, artifacts: dict[int, mlmd.Artifact]) -> Stage:
    sides: dict[int, dict[str, list[Artifact]]] = {mlmd.Event.INPUT: {}, mlmd.Event.OUTPUT: {}}
    for event in events:
        if event.execution_id == execution.id and event.type in sides:
            artifact = artifacts[event.artifact_id]
            properties = _plain(artifact.properties) | _plain(artifact.custom_properties)
            sides[event.type].setdefault(event.path.steps[0].key, []).append(
                Artifact(artifact.uri, properties)
            )
    spent = execution.last_update_time_since_epoch - execution.create_time_since_epoch
    return Stage(
        state=mlmd.Execution.State.Name(execution.last_known_state),
        seconds=spent / 1000,
        parameters=_plain(execution.custom_properties),
        inputs=sides[mlmd.Event.INPUT],
        outputs=sides[mlmd.Event.OUTPUT],
    )


def _plain(properties) -> dict[str, Any]:
    return {name: getattr(v, v.WhichOneof("value")) for name, v in properties.items()}


def _thresholds(eval_config: dict[str, Any]) -> dict[str, Any]:
    """eval_config: TFMA's EvalConfig as JSON, as `pipeline/eval_config.py` makes it."""
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
                name, _, case = config["name"].rpartition("_")
                worst = "drop" if case == "upper" else "increase"
                absolute = asked["change_threshold"].get("absolute", 0.0)
                settings[f"max_{name}_{worst}"] = abs(absolute)
    return settings


def _bound(threshold: dict[str, Any]) -> tuple[str, float]:
    """Reads the side and value of TFMA's bound, of which JSON leaves out one that is 0."""
    if "upper_bound" in threshold:
        return "max", threshold["upper_bound"]
    return "min", threshold.get("lower_bound", 0.0)


def _slice_bounds(eval_config: dict[str, Any]) -> str:
    """As `--set slice_bounds=` takes them."""
    return ",".join(
        str(SliceBound(name.removesuffix("_judged"), *where, bound))
        for spec in eval_config["metrics_specs"]
        for name, per_slice in spec.get("per_slice_thresholds", {}).items()
        for asked in per_slice["thresholds"]
        for where in asked["slicing_specs"][0]["feature_values"].items()
        for _, bound in [_bound(asked["threshold"]["value_threshold"])]
    )
