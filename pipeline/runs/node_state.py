"""What ML Metadata says of one node in one run."""

import dataclasses

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable.mlmd import context_lib, execution_lib
from tfx.proto.orchestration import pipeline_pb2


@dataclasses.dataclass(frozen=True)
class NodeState:
    """Attributes:
    succeeded: it ran to its end, or the cache had its results.
    failure: why it failed, None when it did not.
    pushed: whether a model was pushed, None where the node pushes none.
    is_newest_run: no run of this pipeline was begun after this one.
    """

    succeeded: bool
    failure: str | None
    pushed: bool | None
    is_newest_run: bool


def node_state(pipeline: pipeline_pb2.Pipeline) -> NodeState:
    """The state of the only node of `pipeline`, in the run whose id is filled in."""
    (node,) = [node.pipeline_node for node in pipeline.nodes]
    deployment = runner_utils.extract_local_deployment_config(pipeline)
    connection = deployment.metadata_connection_config
    with metadata.Metadata(getattr(connection, connection.WhichOneof("connection_config"))) as m:
        contexts = context_lib.prepare_contexts(m, node.contexts)
        executions = execution_lib.get_executions_associated_with_all_contexts(m, contexts)
        # A Resolver that runs again is a new execution; of all others there is one.
        last = max(executions, key=lambda execution: execution.id, default=None)
        succeeded = last is not None and execution_lib.is_execution_successful(last)
        runs = m.store.get_contexts_by_type("pipeline_run")
        return NodeState(
            succeeded=succeeded,
            failure=_failure(last),
            pushed=_pushed(m, last.id) if succeeded else None,
            is_newest_run=max(run.id for run in runs) in {context.id for context in contexts},
        )


def _failure(execution: metadata_store_pb2.Execution | None) -> str | None:
    if execution is None or not execution_lib.is_execution_failed(execution):
        return None
    result = execution_lib.get_execution_result(execution, ignore_parse_errors=True)
    return (result and result.result_message) or "TFX gave no reason; see the full log"


def _pushed(handle: metadata.Metadata, execution_id: int) -> bool | None:
    pushed = execution_lib.get_output_artifacts(handle, execution_id).get("pushed_model")
    return bool(pushed[0].get_int_custom_property("pushed")) if pushed else None
