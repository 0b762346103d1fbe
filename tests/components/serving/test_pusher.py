import json

import pytest
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from components.serving.pusher import Executor
from tests.killing import is_killed_at


@pytest.fixture
def push(tmp_path):
    """Pushes a model of two files to tmp_path/serving and returns the PushedModel artifact."""
    model = standard_artifacts.Model()
    model.uri = str(tmp_path / "model")
    export = tmp_path / "model" / "Format-Serving"
    (export / "variables").mkdir(parents=True)
    (export / "saved_model.pb").write_text("graph")
    trained = 0
    destination = pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(tmp_path / "serving"))
    )

    def run(
        blessed: int = 1, keep: int = 0, weights: str | None = None
    ) -> standard_artifacts.PushedModel:
        nonlocal trained
        trained += 1
        index = weights or f"weights {trained}"
        (export / "variables" / "variables.index").write_text(index)
        blessing = standard_artifacts.ModelBlessing()
        blessing.set_int_custom_property("blessed", blessed)
        pushed = standard_artifacts.PushedModel()
        pushed.uri = str(tmp_path / "pushed")
        Executor().Do(
            {"model": [model], "model_blessing": [blessing]},
            {"pushed_model": [pushed]},
            {
                "push_destination": proto_utils.proto_to_json(destination),
                "custom_config": json.dumps({"keep_versions": keep}),
            },
        )
        return pushed

    return run


def served(tmp_path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "serving").glob("*"))


def test_a_push_is_a_whole_version_and_leaves_nothing_else(tmp_path, push):
    pushed = push()
    (version,) = served(tmp_path)
    assert pushed.get_string_custom_property("pushed_version") == version
    assert pushed.get_string_custom_property("pushed_destination").endswith(f"serving/{version}")
    files = {p.name for p in (tmp_path / "serving" / version).rglob("*") if p.is_file()}
    assert files == {"saved_model.pb", "variables.index", "push.json"}
    assert not (tmp_path / "serving" / ".incoming").exists()


def test_versions_grow_within_a_second(tmp_path, push):
    versions = [int(push().get_string_custom_property("pushed_version")) for _ in range(3)]
    assert versions == sorted(set(versions))
    assert served(tmp_path) == [str(version) for version in versions]


def test_a_push_that_dies_halfway_shows_the_server_nothing(tmp_path, push):
    moment = 0
    while not (tmp_path / "serving" / ".incoming" / "assets.extra" / "push.json").exists():
        assert is_killed_at(push, moment)
        assert not [name for name in served(tmp_path) if name.isdigit()]
        moment += 1
    push()
    assert len(served(tmp_path)) == 1
    assert not (tmp_path / "serving" / ".incoming").exists()


def test_a_refused_model_is_not_pushed(tmp_path, push):
    assert push(blessed=0).get_int_custom_property("pushed") == 0
    assert not (tmp_path / "serving").exists()


def test_a_push_keeps_the_newest_versions(tmp_path, push):
    versions = [push(keep=2).get_string_custom_property("pushed_version") for _ in range(3)]
    assert served(tmp_path) == versions[1:]


def test_what_is_served_already_is_not_pushed_again(tmp_path, push):
    first, second = (push(weights=w).get_string_custom_property("pushed_version") for w in "ab")
    again = push(weights="b")
    assert again.get_string_custom_property("pushed_version") == second
    assert again.get_int_custom_property("pushed") == 1
    assert served(tmp_path) == [first, second]
    push(weights="b", keep=1)
    assert served(tmp_path) == [second]


def test_a_model_that_another_followed_is_pushed_again(tmp_path, push):
    first, second = (push(weights=w).get_string_custom_property("pushed_version") for w in "ab")
    third = push(weights="a").get_string_custom_property("pushed_version")
    assert served(tmp_path) == [first, second, third]
    (tmp_path / "serving" / third).rename(tmp_path / "elsewhere")
    assert push(weights="a").get_string_custom_property("pushed_version") not in (first, second)
