"""A folder and a file are whole at any time."""

import hashlib
import os
import pathlib
import shutil

import pytest
import tensorflow as tf

from components.common import files
from tests.killing import is_killed_at, snapshot


def replace(target):
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
    with pytest.raises(RuntimeError), files.replacing(target) as new:  # noqa: PT012
        pathlib.Path(new, "half").write_text("half")
        raise RuntimeError
    assert snapshot(target) == old
    assert os.listdir(os.path.dirname(target)) == ["target"]


def test_kill_leaves_the_old_file_or_the_new(tmp_path):
    file = tmp_path / "made" / "file"
    seen = []
    is_killed = True
    while is_killed:
        files.write_atomic(file, "old")
        is_killed = is_killed_at(lambda: files.write_atomic(file, "new"), moment=len(seen))
        seen.append(file.read_bytes())
    assert set(seen[:-1]) == {b"old"} and seen[-1] == b"new"


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError):
        files.write_atomic(tmp_path / "file", b"new")
    assert os.listdir(tmp_path) == ["file"]


def test_text_is_utf_8_with_the_usual_permissions(tmp_path):
    files.write_atomic(tmp_path / "file", "Zürich")
    (tmp_path / "other").touch()
    assert (tmp_path / "file").read_bytes() == "Zürich".encode()
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_hash_is_over_all_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_CHUNK_BYTES", 2)
    (tmp_path / "file").write_bytes(b"abcde")
    expected = hashlib.sha256(b"abcde").hexdigest()
    assert files.file_sha256(tmp_path / "file") == expected
    assert files.file_sha256(str(tmp_path / "file"), tf.io.gfile.GFile) == expected
