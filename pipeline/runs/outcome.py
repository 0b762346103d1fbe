"""What a run came to, read from ML Metadata."""

import dataclasses

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.components.evaluator import constants as evaluator_constants
from tfx.orchestration import metadata

from pipeline.config import PipelineConfig
from pipeline.runs.metric_results import Measured, Sliced, measured, sliced


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Attributes:
    metrics: in the task's order.
    slices: the same over the examples of one kind each; judged where the task has a bound on it.
    blessed: whether the gate let the candidate through.
    measured: what ServingCheck measured of it, "" where it was not asked.
    unservable: why ServingCheck refused it, "" where it did not.
    pushed_to: the version's folder, None when nothing was pushed.
    cached: the stages that were not run again.
    evaluation: folder that TFMA opens.
    model_run: folder that TensorBoard opens.
    """

    metrics: list[Measured]
    slices: list[Sliced]
    blessed: bool
    measured: str
    unservable: str
    pushed_to: str | None
    cached: list[str]
    evaluation: str
    model_run: str


def read_outcome(config: PipelineConfig) -> Outcome:
    """The outcome of the last run under `config.root`."""
    with metadata.Metadata(
        metadata.sqlite_metadata_connection_config(config.metadata_file)
    ) as handle:
        executions = _last_run(handle.store)
        outputs = {node: _outputs(handle.store, e) for node, e in executions.items()}
    evaluation = outputs["Evaluator"]["evaluation"].uri
    blessing = outputs["Evaluator"]["blessing"].custom_properties
    served = outputs["ServingCheck"]["blessing"].custom_properties
    pushed = outputs.get("Pusher", {}).get("pushed_model")
    return Outcome(
        metrics=measured(config.task, evaluation),
        slices=sliced(config.task, evaluation),
        blessed=blessing[evaluator_constants.ARTIFACT_PROPERTY_BLESSED_KEY].int_value == 1,
        measured=served["measured"].string_value,
        unservable=served["reason"].string_value,
        pushed_to=_pushed_to(pushed),
        cached=[n for n, e in executions.items() if e.last_known_state == mlmd.Execution.CACHED],
        evaluation=evaluation,
        model_run=outputs["Trainer"]["model_run"].uri,
    )


def _last_run(store: metadata_store.MetadataStore) -> dict[str, mlmd.Execution]:
    """Node id -> execution of the newest pipeline run, in the order of the run."""
    run = max(store.get_contexts_by_type("pipeline_run"), key=lambda context: context.id)
    pipeline = run.properties["pipeline_name"].string_value if run.properties else ""
    nodes = {}
    for execution in sorted(store.get_executions_by_context(run.id), key=lambda e: e.id):
        names = [c.name for c in store.get_contexts_by_execution(execution.id) if c.type == "node"]
        nodes[names[0].removeprefix(f"{pipeline}.").split(".")[-1]] = execution
    return nodes


def _outputs(store: metadata_store.MetadataStore, execution) -> dict[str, mlmd.Artifact]:
    """Output key -> artifact."""
    events = [
        event
        for event in store.get_events_by_execution_ids([execution.id])
        if event.type == mlmd.Event.OUTPUT
    ]
    by_id = {a.id: a for a in store.get_artifacts_by_id([event.artifact_id for event in events])}
    return {event.path.steps[0].key: by_id[event.artifact_id] for event in events}


def _pushed_to(pushed: mlmd.Artifact | None) -> str | None:
    if not pushed or not pushed.custom_properties["pushed"].int_value:
        return None
    return pushed.custom_properties["pushed_destination"].string_value
