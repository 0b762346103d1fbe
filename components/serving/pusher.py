"""Pusher: it pushes so that a model server that watches the folder sees a whole version or none."""

import json

from tfx.components.pusher import executor
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, proto_utils

from components.serving import versions


class Executor(executor.Executor):
    """A Pusher that pushes by a rename; TFX's copies file by file into the numbered folder.

    It uses private methods of TFX's, which tests/test_private_names.py checks. A model that is served
    already is not pushed again, else a rollback would only go back to the same model. Its custom_config
    may hold `keep_versions`: how many of the newest versions stay, 0 for all.
    """

    def Do(self, input_dict, output_dict, exec_properties):
        """Pushes a model that the Evaluator and ServingCheck have blessed; TFX calls it.

        The one blesses by the thresholds in `pipeline/eval_config.py`, the other by what
        `serving_check.py` asks.
        """
        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        model = self.GetModelPath(input_dict)
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination
        )
        base = destination.filesystem.base_directory.rstrip("/")
        config = json.loads(exec_properties.get("custom_config") or "null") or {}
        keep = config.get("keep_versions", 0)
        version = versions.serves(model, base)
        if version is None:
            version = versions.push(model, base, {"run": self._run_id() or pushed.uri}, keep)
        elif keep:
            versions.prune(base, keep)
        io_utils.copy_dir(model, pushed.uri)
        self._MarkPushed(pushed, f"{base}/{version}", str(version))

    def _run_id(self) -> str | None:
        """Returns the id of the orchestrator's run, None where it does not say."""
        return getattr(self._context, "pipeline_run_id", None)
