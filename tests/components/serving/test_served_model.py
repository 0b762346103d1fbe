import pytest
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.utils import path_utils, proto_utils

from components.serving.served_model import ServedModel_Executor


@pytest.fixture
def baseline(tmp_path):
    """Runs the stage as a container does; the file that the Evaluator would load as the baseline."""
    export = tmp_path / "model" / "Format-Serving"
    export.mkdir(parents=True)
    (export / "saved_model.pb").write_text("candidate")
    candidate, model = standard_artifacts.Model(), standard_artifacts.Model()
    candidate.uri, model.uri = str(tmp_path / "model"), str(tmp_path / "baseline")
    destination = pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(tmp_path / "serving"))
    )

    def run() -> str:
        ServedModel_Executor().Do(
            {"candidate": [candidate]},
            {"model": [model]},
            {"push_destination": proto_utils.proto_to_json(destination)},
        )
        with open(f"{path_utils.serving_model_path(model.uri)}/saved_model.pb") as file:
            return file.read()

    return run


def serve(tmp_path, version: str, whole: bool = True) -> None:
    folder = tmp_path / "serving" / version
    (folder / "variables").mkdir(parents=True)
    if whole:
        (folder / "saved_model.pb").write_text(version)


def test_the_newest_version_by_number_is_the_baseline(tmp_path, baseline):
    for version in ("9", "10"):
        serve(tmp_path, version)
    assert baseline() == "10"


def test_what_is_still_being_copied_is_not_served(tmp_path, baseline):
    serve(tmp_path, "9")
    serve(tmp_path, "10", whole=False)
    serve(tmp_path, ".incoming")
    assert baseline() == "9"


def test_the_first_candidate_is_its_own_baseline(baseline):
    assert baseline() == "candidate"
