"""ServedModel: takes the served model as the baseline where ML Metadata cannot be asked for one."""

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.utils import io_utils, path_utils, proto_utils

from components.serving import versions


@component
def ServedModel(
    candidate: InputArtifact[standard_artifacts.Model],
    push_destination: Parameter[str],
    model: OutputArtifact[standard_artifacts.Model],
):
    """Copies the newest version in the Pusher's folder, which may be cleared during the evaluation.

    A stage must have its output. So while nothing is served, the candidate is its own baseline: no
    metric changes, and only the bounds judge it.
    """
    destination = pusher_pb2.PushDestination()
    proto_utils.json_to_proto(push_destination, destination)
    served = versions.newest(destination.filesystem.base_directory)
    io_utils.copy_dir(
        served or path_utils.serving_model_path(candidate.uri),
        path_utils.serving_model_dir(model.uri),
    )
    model.set_string_custom_property("copy_of", served or candidate.uri)
