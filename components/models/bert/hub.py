"""Finds the encoder that the user names by preset, TF Hub URL or path, and checks it."""

import contextlib
import hashlib
import os
import pathlib
import socket
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import tensorflow as tf
import tensorflow_hub

from components.common.cache import cache_directory, without_patterns
from components.common.errors import InputError, did_you_mean
from components.models.bert.inspection import content_sha256, first_line, remembered_facts
from components.models.bert.presets import DEFAULT_ENCODER, PRESETS, Wheel, converted
from components.spec.encoder import Encoder

NETWORK_TIMEOUT_SECONDS = 15

_Result = TypeVar("_Result")


def resolve(handle: str) -> Encoder:
    """Finds an encoder, downloads it if it is not here, and checks that it is one.

    The content is hashed each time. Loading a big SavedModel is slow, so the result of the check is
    kept in the cache under that hash.

    Args:
      handle: a key of `PRESETS`, an http(s) URL that speaks TF Hub's protocol, or the path of a
        SavedModel (local or gs://).

    Raises:
      InputError: it cannot be had or is no BERT encoder; the message says what would do.
    """
    path = _locate(handle)
    sha256 = content_sha256(path)
    facts = remembered_facts(handle, path, sha256, cache_directory())
    vocab_file = f"{path}/{facts.pop('vocab_file')}"
    return Encoder(handle=handle, path=path, sha256=sha256, vocab_file=vocab_file, **facts)


def _locate(handle: str) -> str:
    """Returns the folder of the SavedModel that a handle stands for."""
    target = PRESETS.get(handle, handle)
    if isinstance(target, Wheel):
        try:
            path = converted(handle, target, cache_directory())
        except OSError as error:
            raise InputError(
                f"The encoder {handle!r} is kept in {cache_directory()}, and that failed: {error}. "
                "Set XDG_CACHE_HOME to a folder with 500 MB to spare."
            ) from None
    elif target.startswith(("http://", "https://")):
        path = _download(handle, target)
    elif "://" in target:
        path = target.rstrip("/")
    else:
        path = os.path.abspath(os.path.expanduser(target))
    if not _is_saved_model(handle, path):
        raise InputError(_not_found_message(handle, path))
    return without_patterns(path)


def _is_saved_model(handle: str, path: str) -> bool:
    if "://" not in path:
        return os.path.isfile(os.path.join(path, "saved_model.pb"))
    try:
        # Where there is no network or no permission, the file system tries for minutes.
        return _within(
            NETWORK_TIMEOUT_SECONDS, lambda: tf.io.gfile.exists(f"{path}/saved_model.pb")
        )
    except (TimeoutError, tf.errors.OpError) as error:
        raise InputError(
            f"{handle} cannot be read: {first_line(error)}. Check the path and the credentials, or "
            "copy the folder to this machine and pass its path."
        ) from None


def _not_found_message(handle: str, path: str) -> str:
    if handle in PRESETS or handle.startswith(("http://", "https://")):
        return (
            f"What was fetched for {handle} has no saved_model.pb. Delete {path} and try again; if "
            "that does not help, it is no SavedModel."
        )
    if os.path.isfile(os.path.join(path, "config.json")):
        return (
            f"{handle} is a Hugging Face checkpoint. Convert it with "
            f"`bert-tfx convert {handle} FOLDER` and pass FOLDER."
        )
    if os.path.isdir(path) or "://" in path:
        return f"{handle} has no saved_model.pb. Pass the folder that has it directly inside."
    hint = did_you_mean(handle, PRESETS)
    return (
        f"There is no encoder {handle!r}.{hint} Pass a TF Hub URL, the folder of a SavedModel, or "
        f"one of the presets: {', '.join(PRESETS)}."
    )


def _download(handle: str, url: str) -> str:
    """Downloads `url` by tensorflow_hub unless it is there already, and returns its folder."""
    cache = os.environ.get("TFHUB_CACHE_DIR") or str(cache_directory() / "tfhub")
    try:
        with _hub_environment(cache):
            folder = os.path.join(cache, hashlib.sha1(url.encode()).hexdigest())
            if not os.path.isdir(folder):
                _look_up_host(url)
                _look_at_lock(f"{folder}.lock", url)
            return tensorflow_hub.resolve(url)
    except Exception as error:  # urllib, ssl, tarfile and TensorFlow each raise their own.
        raise InputError(
            f"The encoder {handle!r} could not be downloaded from {url}: {first_line(error)}. "
            f"Where it can be, run `curl -L -o encoder.tar.gz '{url}?tf-hub-format=compressed'`, "
            "bring the file here, `mkdir encoder && tar -xzf encoder.tar.gz -C encoder`, and pass "
            f"that folder. {DEFAULT_ENCODER!r} comes from the package index instead."
        ) from None


def _look_at_lock(lock: str, url: str) -> None:
    """Removes tensorflow_hub's lock of a process that is no more; tells whom it will wait for.

    tensorflow_hub itself waits ten minutes for either, in silence. Its lock holds host.pid.id.
    """
    try:
        host, pid, _ = pathlib.Path(lock).read_text().rsplit(".", 2)
        if host == socket.gethostname() and not os.path.exists(f"/proc/{int(pid)}"):
            os.remove(lock)
            return
    except FileNotFoundError:
        return
    except ValueError:
        host, pid = "unknown", "unknown"
    print(
        f"Waiting for process {pid} of {host}, which downloads {url}. If it is no more, remove {lock}.",
        file=sys.stderr,
        flush=True,
    )


@contextlib.contextmanager
def _hub_environment(cache: str) -> Iterator[None]:
    """Sets tensorflow_hub's cache folder, which it reads from the environment, and a timeout."""
    before, timeout = os.environ.get("TFHUB_CACHE_DIR"), socket.getdefaulttimeout()
    os.environ["TFHUB_CACHE_DIR"] = cache
    socket.setdefaulttimeout(NETWORK_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(timeout)
        if before is None:
            del os.environ["TFHUB_CACHE_DIR"]


def _look_up_host(url: str) -> None:
    """Fails soon where names cannot be looked up: sockets' timeout does not cover that."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in urllib.request.getproxies():
        _within(NETWORK_TIMEOUT_SECONDS, lambda: socket.getaddrinfo(parts.hostname, parts.port))


def _within(seconds: float, function: Callable[[], _Result]) -> _Result:
    """Returns what function() returns, raises what it raises, or raises TimeoutError."""
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["result"] = function()
        except Exception as error:
            outcome["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if "error" in outcome:
        raise outcome["error"]
    if "result" not in outcome:
        raise TimeoutError(f"no answer within {seconds} seconds")
    return outcome["result"]
