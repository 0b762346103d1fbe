"""What is inside a SavedModel: a hash of its content, and whether it is a BERT encoder."""

import contextlib
import hashlib
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_hub

from components.common.errors import InputError
from components.common.files import file_sha256, write_atomic

# Raise it when `inspect` looks at more, so that known encoders are inspected again.
FACTS_VERSION = 1
# What an encoder must have, beside being callable.
REQUIRED_ATTRIBUTES = ("variables", "trainable_variables", "vocab_file", "do_lower_case")


def content_sha256(path: str) -> str:
    """Returns the SHA-256 over the names and bytes of saved_model.pb, variables/ and assets/.

    fingerprint.pb and other files do not count: a copy of an encoder has the same hash.
    """
    total = hashlib.sha256()
    names, opener = _files(path)
    for name in sorted(names):
        sha256 = file_sha256(f"{path}/{name}", opener)
        total.update(f"{name}\0{sha256}\n".encode())
    return total.hexdigest()


def _files(path: str) -> tuple[list[str], Callable[..., Any]]:
    """Returns the relative names of the files that count, and the function that opens them."""
    if "://" in path:
        walk, opener = tf.io.gfile.walk, tf.io.gfile.GFile
    else:
        walk, opener = os.walk, open
    found = ["saved_model.pb"]
    for folder in ("variables", "assets"):
        for parent, _, names in walk(f"{path}/{folder}"):
            found += [f"{parent.rstrip('/')}/{name}"[len(path) + 1 :] for name in names]
    return found, opener


def inspect(handle: str, path: str) -> dict[str, Any]:
    """Loads an encoder, runs it once, and returns the fields of `hub.Encoder` that this shows.

    Raises:
      InputError: it cannot be loaded, or lacks a part of TF Hub's interface for BERT encoders.
    """
    try:
        model = tensorflow_hub.load(path)
    except Exception as error:  # Whatever TensorFlow raises, the SavedModel is of no use.
        raise InputError(
            f"{handle}: TensorFlow cannot load it: {first_line(error)}. The files in {path} are "
            "incomplete or made by a newer TensorFlow; fetch them again."
        ) from None
    absent = [name for name in REQUIRED_ATTRIBUTES if getattr(model, name, None) is None]
    if absent or not callable(model):
        raise _not_an_encoder(handle, f"it has no {', '.join(absent) or 'callable root'}")
    if not model.trainable_variables:
        raise _not_an_encoder(handle, "its trainable_variables are empty")
    hidden_size = _hidden_size(handle, model)
    positions = [v.shape[0] for v in model.trainable_variables if "position_embedding" in v.name]
    return {
        "vocab_file": model.vocab_file.asset_path.numpy().decode().removeprefix(f"{path}/"),
        "lower_case": bool(model.do_lower_case.numpy()),
        "hidden_size": hidden_size,
        "max_positions": positions[0] if positions else None,
    }


def _hidden_size(handle: str, model: Callable[..., Any]) -> int:
    """Runs the encoder on one sequence and reads the width of its output."""
    ones = tf.ones([1, 8], tf.int32)
    inputs = {"input_word_ids": ones, "input_mask": ones, "input_type_ids": ones}
    try:
        outputs = model(inputs, training=False)
        pooled, sequence = outputs["pooled_output"], outputs["sequence_output"]
    except Exception as error:  # It may be any function of anything.
        reason = f"called with {', '.join(inputs)} it fails with {first_line(error)}"
        raise _not_an_encoder(handle, reason) from None
    hidden_size = sequence.shape[-1]
    if sequence.shape != [1, 8, hidden_size] or pooled.shape != [1, hidden_size]:
        reason = f"for [1, 8] ids sequence_output is {sequence.shape}, pooled_output {pooled.shape}"
        raise _not_an_encoder(handle, reason)
    return int(hidden_size)


def _not_an_encoder(handle: str, reason: str) -> InputError:
    return InputError(
        f"{handle} is a SavedModel, but no BERT encoder with TF Hub's interface (TF2): {reason}. "
        "https://www.tensorflow.org/hub/common_saved_model_apis/text describes it, under "
        "'Text embeddings with preprocessed inputs'; a Hugging Face checkpoint becomes one by "
        "`bert-tfx convert CHECKPOINT_DIR OUTPUT_DIR`."
    )


def remembered_facts(handle: str, path: str, sha256: str, cache: pathlib.Path) -> dict[str, Any]:
    """Returns `inspect(handle, path)`, from the cache if this content was inspected before."""
    file = cache / "facts" / f"{sha256}-{FACTS_VERSION}.json"
    with contextlib.suppress(OSError, ValueError):
        return json.loads(file.read_text())
    facts = inspect(handle, path)
    with contextlib.suppress(OSError):  # Without it the next start is slower, no more.
        write_atomic(file, json.dumps(facts))
    return facts


def first_line(error: BaseException) -> str:
    """Writes an error in one line, for a message."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
