"""The one folder for what is fetched or made once for a user: encoders, official files."""

import hashlib
import os
import pathlib
import uuid

import platformdirs


def cache_directory() -> pathlib.Path:
    """Returns the absolute path of the cache: `bert-tfx-pipeline` in $XDG_CACHE_HOME or ~/.cache."""
    return platformdirs.user_cache_path("bert-tfx-pipeline").absolute()


# TensorFlow looks for the files of a SavedModel, and TFX for those of an artifact, by a pattern.
PATTERN_CHARACTERS = frozenset("*?[]\\")


def without_patterns(folder: str) -> str:
    """Returns a path to the same folder that TensorFlow takes for no pattern.

    That is a link in the cache where the folder's own path has characters of patterns.
    """
    if not PATTERN_CHARACTERS & set(folder) or "://" in folder:
        return folder
    target = os.path.abspath(folder)
    links = cache_directory() / "links"
    links.mkdir(parents=True, exist_ok=True)
    link = links / hashlib.sha256(os.fsencode(target)).hexdigest()[:16]
    if not link.is_symlink():
        new = links / f".{link.name}.{uuid.uuid4().hex}"
        new.symlink_to(target)
        os.replace(new, link)
    return str(link)
