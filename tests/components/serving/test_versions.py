"""Pushes, rollbacks and prunings, killed before every step on the file system, and at random times."""

import json
import os
import pathlib
import random
import shutil
import threading
import time

import pytest

from components.common.errors import InputError
from components.serving import versions
from tests.killing import is_killed_after, is_killed_at, snapshot


@pytest.fixture
def base(tmp_path) -> str:
    return str(tmp_path / "serving")


@pytest.fixture
def model(tmp_path):
    """Makes a model of three files that all hold `content`."""

    def make(content: str) -> str:
        folder = tmp_path / f"model-{content}"
        (folder / "variables").mkdir(parents=True)
        for name in ("saved_model.pb", "variables/variables.index", "variables/variables.data"):
            (folder / name).write_text(content)
        return str(folder)

    return make


def contents(base: str) -> list[str]:
    """What each version holds; fails where one is not whole, or is mixed of two models."""
    found = []
    for name in sorted((n for n in os.listdir(base) if n.isdigit()), key=int):
        files = snapshot(f"{base}/{name}")
        record = json.loads(files.pop("assets.extra/push.json"))
        assert record["pushed_at"]
        assert len(files) == 3 and len(set(files.values())) == 1, f"{name}: {sorted(files)}"
        found.append(next(iter(files.values())).decode())
    return found


@pytest.mark.full
def test_a_push_killed_at_any_moment_leaves_whole_versions_only(base, model):
    first, second = model("first"), model("second")
    versions.push(first, base, {})
    moment = 0
    while is_killed_at(lambda: versions.push(second, base, {}, keep=2), moment):
        left = contents(base)
        assert 1 <= len(left) <= 3 and set(left) <= {"first", "second"}
        versions.push(first, base, {}, keep=1)
        assert contents(base) == ["first"]
        assert [name for name in os.listdir(base) if not name.isdigit()] == []
        moment += 1
    assert moment >= 10 and contents(base) == ["first", "second"]


def test_a_push_killed_at_random_times_leaves_whole_versions_only(base, model, long_form):
    """The kill comes from outside, in the midst of copying, too: the model is as large as a real one."""
    kills, megabytes = (50, 100) if long_form else (5, 5)
    folders = [model(name) for name in ("first", "second")]
    for folder in folders:
        for name in snapshot(folder):
            pathlib.Path(folder, name).write_bytes(os.urandom(megabytes * 1_000_000 // 3))
    whole = [snapshot(folder) for folder in folders]

    def wholes() -> list[int]:
        """Which model each version is; fails where one is not all of either."""
        left = [snapshot(f"{base}/{name}") for name in os.listdir(base) if name.isdigit()]
        assert all(files.pop(versions.RECORD) for files in left)
        return [whole.index(files) for files in left]

    def push_second() -> None:
        versions.push(folders[1], base, {}, keep=2)

    started = time.perf_counter()
    versions.push(folders[0], base, {})
    longest, generator, killed, cut_off = time.perf_counter() - started, random.Random(0), 0, 0
    while killed < kills:
        killed += is_killed_after(push_second, generator.uniform(0, longest))
        left = wholes()
        assert 1 <= len(left) <= 3
        cut_off += os.path.exists(f"{base}/.incoming")
        versions.push(folders[0], base, {}, keep=1)
        assert wholes() == [0]
        assert [name for name in os.listdir(base) if not name.isdigit()] == []
    print(f"{killed} pushes of {megabytes} MB killed, {cut_off} of them while a copy was made")


@pytest.mark.full
def test_a_rollback_killed_at_any_moment_leaves_whole_versions_only(base, model):
    for name in ("first", "second"):
        versions.push(model(name), base, {})
    moment = 0
    while is_killed_at(lambda: versions.rollback(base), moment):
        left = contents(base)
        assert left in (["first", "second"], ["first", "second", "first"])
        if len(left) == 3:
            break
        moment += 1
    assert moment >= 10 and contents(base)[-1] == "first"


def test_rollbacks_go_back_step_by_step_and_pass_what_was_withdrawn(base, model):
    first, second, third = (versions.push(model(n), base, {"run": n}) for n in "abc")
    assert versions.rollback(base)[0] == second
    assert versions.rollback(base)[0] == first
    with pytest.raises(InputError, match=f"{base} .*nothing.* before"):
        versions.rollback(base)
    versions.push(model("d"), base, {})
    target, newest = versions.rollback(base)
    assert target == first
    assert contents(base) == ["a", "b", "c", "b", "a", "d", "a"]
    record = versions.read(f"{base}/{newest}/{versions.RECORD}")
    assert (record["rollback_to"], record["run"]) == (first, "a")
    assert record["withdrawn"] == versions.versions(base)[-2]
    assert versions.versions(base) == sorted(set(versions.versions(base))) and third < newest


def test_a_withdrawn_version_is_not_taken_up_again_when_its_elder_was_pruned(base, model):
    for name in "abc":
        versions.push(model(name), base, {})
    versions.rollback(base)
    versions.prune(base, keep=2)
    assert contents(base) == ["c", "b"]
    with pytest.raises(InputError, match=f"{base} .*nothing.* before"):
        versions.rollback(base)


def test_the_newest_is_the_highest_number_that_is_whole(base, model):
    assert versions.newest(base) is None
    for number in ("9", "10"):
        shutil.copytree(model(number), f"{base}/{number}")
    os.makedirs(f"{base}/11/variables")  # being copied to an object store
    os.makedirs(f"{base}/.incoming")
    pathlib.Path(base, "12").write_text("a file")
    assert versions.newest(base) == versions.newest(f"{base}/") == f"{base}/10"
    assert versions.newest(f"{base}/9") == f"{base}/9"
    assert versions.newest(f"{base}/11") is None
    assert versions.newest(f"{base}/12") is None


def test_what_is_not_of_this_machine_goes_through_tfx(base, model, monkeypatch):
    """TFX's functions for all file systems, on the only one that there is here."""
    monkeypatch.setattr(versions, "_is_local", lambda path: False)
    assert versions.newest(base) is None
    first, second = model("first"), model("second")
    pushed = [versions.push(m, base, {}) for m in (first, second)]
    assert versions.newest(base) == f"{base}/{pushed[1]}"
    assert versions.serves(second, base) == pushed[1] and versions.serves(first, base) is None
    assert versions.rollback(base)[0] == pushed[0]
    assert contents(base) == ["first", "second", "first"]
    assert versions.prune(base, keep=1) == pushed and contents(base) == ["first"]


def test_a_push_keeps_the_newest(base, model):
    pushed = [versions.push(model(name), base, {}, keep=2) for name in "abc"]
    assert versions.versions(base) == pushed[1:] and contents(base) == ["b", "c"]
    with pytest.raises(InputError, match=r"keep \w+ 0\b.* 1\b"):
        versions.prune(base, keep=0)
    assert contents(base) == ["b", "c"]


def test_pushes_at_the_same_time_are_versions_of_their_own(base, model):
    models = [model(name) for name in "abcdefgh"]
    pushed = []
    threads = [
        threading.Thread(target=lambda m=m: pushed.append(versions.push(m, base, {})))
        for m in models
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(pushed)) == 8 and sorted(contents(base)) == list("abcdefgh")
