"""The one folder for what is fetched or made once for a user: encoders, official files."""

import pathlib

import platformdirs


def cache_directory() -> pathlib.Path:
    """Returns the absolute path of the cache: `bert-tfx-pipeline` in $XDG_CACHE_HOME or ~/.cache."""
    return platformdirs.user_cache_path("bert-tfx-pipeline").absolute()
