"""A folder is whole at any time, and one process at a time changes it."""

import fcntl
import os
import pathlib
import shutil

import pytest

from components.common import files
from tests.killing import is_killed_at, snapshot


def replace(target):
    with files.locked(os.path.dirname(target)):
        files.recover(target)
        with files.replacing(target) as new:
            for name in ("one", "two"):
                pathlib.Path(new, name).write_text(name)


def put_old(target):
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    pathlib.Path(target, "old").write_text("old")


@pytest.fixture
def target(tmp_path):
    path = str(tmp_path / "parent" / "target")
    put_old(path)
    return path


@pytest.mark.parametrize("can_exchange", [True, False])
def test_kill_leaves_the_old_or_the_new(target, can_exchange, monkeypatch):
    if not can_exchange:
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    left_behind = []
    is_killed = True
    while is_killed:
        put_old(target)
        is_killed = is_killed_at(lambda: replace(target), moment=len(left_behind))
        if not can_exchange:
            files.recover(target)  # There the folder is absent between two renames.
        left_behind.append(snapshot(target))
        replace(target)
        assert os.listdir(os.path.dirname(target)) == ["target"]
    old, new = {"old": b"old"}, {"one": b"one", "two": b"two"}
    assert snapshot(target) == new
    assert all(left in (old, new) for left in left_behind)
    assert left_behind[0] == old
    assert left_behind[-2] == new


def test_an_error_leaves_the_old(target):
    old = snapshot(target)
    with pytest.raises(RuntimeError), files.replacing(target) as new:
        pathlib.Path(new, "half").write_text("half")
        raise RuntimeError
    assert snapshot(target) == old
    assert os.listdir(os.path.dirname(target)) == ["target"]


def test_the_lock_keeps_others_out(tmp_path):
    handle = os.open(tmp_path, os.O_RDONLY)
    with files.locked(str(tmp_path)), pytest.raises(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)
