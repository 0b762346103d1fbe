"""One process at a time holds a lock, and a dead one none."""

import os
import pathlib

import pytest

from components.common.locks import locked
from tests.killing import is_killed_at


class Taken(Exception):
    pass


def refuse():
    raise Taken


@pytest.mark.parametrize("file", ["", ".lock"])
def test_the_lock_keeps_others_out(tmp_path, file):
    folder = str(tmp_path / "made" / "folder")
    with locked(folder, file):
        with pytest.raises(Taken), locked(folder, file, before_waiting=refuse):
            pass
    with locked(folder, file, before_waiting=refuse):
        pass


def test_a_locked_folder_has_nothing_in_it(tmp_path):
    with locked(str(tmp_path)):
        assert os.listdir(tmp_path) == []


def test_one_waits_until_the_other_is_done(tmp_path):
    """The child holds the lock until it has read what the parent says once it waits."""
    said, says = os.pipe()
    held, holds = os.pipe()
    child = os.fork()
    if not child:
        with locked(str(tmp_path)):
            os.write(holds, b"!")
            os.read(said, 1)
            (tmp_path / "written").touch()
        os._exit(0)
    os.read(held, 1)
    with locked(str(tmp_path), before_waiting=lambda: os.write(says, b"!")):
        assert (tmp_path / "written").exists()
    os.waitpid(child, 0)


def test_a_dead_process_holds_nothing(tmp_path):
    def hold():
        with locked(str(tmp_path)):
            os.mkdir(tmp_path / "never made")

    assert is_killed_at(hold, moment=2)
    assert os.listdir(tmp_path) == []
    with locked(str(tmp_path), before_waiting=refuse):
        pass


@pytest.mark.skipif(not pathlib.Path("/proc").is_dir(), reason="no folder that takes no file")
def test_a_folder_that_cannot_be_written_can_be_locked():
    def refuse():
        raise BlockingIOError

    with (
        locked("/proc/self"),
        pytest.raises(BlockingIOError),
        locked("/proc/self", before_waiting=refuse),
    ):
        pass
