"""ServedModel: the baseline where ML Metadata cannot be asked for one, namely what is served."""

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.utils import io_utils, path_utils, proto_utils


@component
def ServedModel(
    candidate: InputArtifact[standard_artifacts.Model],
    push_destination: Parameter[str],
    model: OutputArtifact[standard_artifacts.Model],
):
    """Copies the newest version in the Pusher's folder, which may be cleared during the evaluation.

    A stage cannot leave its output out. So while nothing is served, the candidate is its own
    baseline: no metric changes, and the bounds alone judge it.
    """
    destination = pusher_pb2.PushDestination()
    proto_utils.json_to_proto(push_destination, destination)
    served = newest_version(destination.filesystem.base_directory)
    io_utils.copy_dir(
        served or path_utils.serving_model_path(candidate.uri),
        path_utils.serving_model_dir(model.uri),
    )
    model.set_string_custom_property("copy_of", served or candidate.uri)


def newest_version(base: str) -> str | None:
    """Folder of the highest number under `base` whose model is whole, None where there is none."""
    names = [name.rstrip("/") for name in fileio.listdir(base)] if fileio.exists(base) else []
    for version in sorted((int(name) for name in names if name.isdigit()), reverse=True):
        if fileio.exists(f"{base}/{version}/saved_model.pb"):
            return f"{base}/{version}"
    return None
