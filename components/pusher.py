"""Pusher: a model server that watches the folder sees a whole version or none."""

import time

from tfx.components.pusher import executor
from tfx.dsl.io import fileio
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

_INCOMING = ".incoming"  # no number, so servers pass it by


class Executor(executor.Executor):
    """TFX's Pusher copies file by file into the numbered folder; this one renames it into place.

    What a killed push left behind is removed by the next one. Versions only grow. On object stores a
    rename is no single step; there the copy of saved_model.pb, which TFX makes last, is what counts.
    """

    def Do(self, input_dict, output_dict, exec_properties):
        key = standard_component_specs.PUSH_DESTINATION_KEY
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties[key], destination)
        base = destination.filesystem.base_directory
        incoming = destination.filesystem.base_directory = f"{base}/{_INCOMING}"
        if fileio.exists(incoming):
            fileio.rmtree(incoming)

        super().Do(
            input_dict,
            output_dict,
            {**exec_properties, key: proto_utils.proto_to_json(destination)},
        )
        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        if not pushed.get_int_custom_property("pushed"):
            return
        (copied,) = fileio.listdir(incoming)
        version = _next_version(base)
        fileio.rename(f"{incoming}/{copied}", f"{base}/{version}")
        fileio.rmtree(incoming)
        self._MarkPushed(pushed, f"{base}/{version}", str(version))


def _next_version(base: str) -> int:
    """Seconds since 1970, or one more than the newest version where that is not less."""
    versions = [
        int(name.rstrip("/")) for name in fileio.listdir(base) if name.rstrip("/").isdigit()
    ]
    return max([int(time.time()), *(version + 1 for version in versions)])
