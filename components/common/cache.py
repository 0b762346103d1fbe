"""The one folder for what is fetched or made once for a user: encoders, official files."""

import pathlib

import platformdirs


def cache_directory() -> pathlib.Path:
    """Absolute; `bert-tfx-pipeline` in $XDG_CACHE_HOME, or in ~/.cache where that is not set."""
    return platformdirs.user_cache_path("bert-tfx-pipeline").absolute()
