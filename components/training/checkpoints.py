"""Checkpoints of a training: after a kill, the next attempt goes on from the last one."""

import hashlib
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from components.common.files import file_sha256

progress = logging.getLogger("progress")

_KEPT = 2  # in case the last one is damaged
_ABANDONED_SECONDS = 24 * 3600  # far longer than a running training takes between two checkpoints


class Checkpoints:
    """The state of a training after some of its steps, in files `<step>.*` of a folder.

    TensorFlow gives a checkpoint its name when all of it is written, and stores a checksum of every
    tensor. So a half-written file is never read as a checkpoint.
    """

    def __init__(
        self, folder: str, seconds: float = 60.0, fraction: float = 0.01, writes: bool = True
    ):
        """Plans a checkpoint every `seconds`, or fewer, so that writing takes this fraction of the time.

        Args:
          writes: True for one of several workers; all of them read.
        """
        self.folder, self._writes = folder, writes
        self._seconds, self._fraction = seconds, fraction
        self._saved_at, self._took = time.monotonic(), 0.0

    def restore(self, state: Mapping[str, Any]) -> int:
        """Loads the newest checkpoint that can be read, and returns after how many steps it was written.

        Returns 0, and changes nothing, where there is none.

        Args:
          state: name -> an object with variables, such as the model or the optimizer.
        """
        for step in reversed(self._steps()):
            try:
                checkpoint = tf.train.Checkpoint(**state)
                checkpoint.read(self._path(step)).assert_existing_objects_matched()
            except Exception as error:  # Damage shows in many ways, IndexError among them.
                reason = str(error).partition("\n")[0]
                progress.warning("the checkpoint of step %d cannot be read: %s", step, reason)
            else:
                progress.warning("resumed at step %d", step)
                return step
        return 0

    def is_due(self) -> bool:
        """Whether it is time to write the next checkpoint."""
        since = time.monotonic() - self._saved_at
        return self._writes and since >= self._seconds and self._took <= self._fraction * since

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Writes a checkpoint and removes all but the newest two."""
        started = time.monotonic()
        tf.io.gfile.makedirs(self.folder)
        tf.train.Checkpoint(**state).write(self._path(step))
        self._saved_at = time.monotonic()
        self._took = self._saved_at - started
        kept = self._steps()[-_KEPT:]
        for name in tf.io.gfile.listdir(self.folder):
            if not any(name.startswith(_name(step)) for step in kept):
                tf.io.gfile.remove(f"{self.folder}/{name}")

    def remove(self) -> None:
        """Removes the folder with all checkpoints."""
        if tf.io.gfile.exists(self.folder):
            tf.io.gfile.rmtree(self.folder)

    def _steps(self) -> list[int]:
        """Lists the steps of the whole checkpoints, the oldest first."""
        indices = tf.io.gfile.glob(f"{self.folder}/*.index")
        return sorted(int(index.rpartition("/")[2].removesuffix(".index")) for index in indices)

    def _path(self, step: int) -> str:
        return f"{self.folder}/{_name(step)}"


def _name(step: int) -> str:
    return f"{step:09d}"


def remove_abandoned(parent: str) -> None:
    """Removes the folders in `parent` that no training has written to for a day."""
    for name in tf.io.gfile.listdir(parent) if tf.io.gfile.exists(parent) else ():
        folder = f"{parent}/{name.rstrip('/')}"
        try:
            written = [
                tf.io.gfile.stat(file).mtime_nsec for file in tf.io.gfile.glob(f"{folder}/*")
            ]
            if written and time.time() - max(written) / 1e9 > _ABANDONED_SECONDS:
                tf.io.gfile.rmtree(folder)
        except tf.errors.NotFoundError:
            pass  # Another run that has ended removes it, too.


def training_key(settings: Iterable[str], files: Iterable[str]) -> str:
    """Returns a hash of all that makes two trainings the same one.

    Args:
      settings: of the training, with the hash of its code.
      files: with its examples; their content counts, not their paths.
    """
    digest = hashlib.sha256()
    for setting in settings:
        digest.update(setting.encode() + b"\0")
    for file in sorted(files):
        digest.update(bytes.fromhex(file_sha256(file, tf.io.gfile.GFile)))
    return digest.hexdigest()[:16]
