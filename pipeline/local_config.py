"""The configuration of a run on this machine, made after its data and folders are checked."""

import dataclasses
import json
import pathlib

from components.common.cache import PATTERN_CHARACTERS
from components.common.errors import InputError
from components.common.files import file_sha256, write_atomic
from components.data.tfrecords import check_records, content_sha256
from components.serving import versions
from components.spec.encoder import Encoder
from components.spec.task import Task
from pipeline.beam import PROFILES
from pipeline.config import SCHEMA_DIRECTORY, PipelineConfig, check_length


def local_config(
    task: Task,
    encoder: Encoder,
    data: str,
    root: str,
    beam_args: tuple[str, ...] = PROFILES["local"].arguments,
    warm_start: bool = False,
) -> tuple[PipelineConfig, dict[str, int]]:
    """Returns the configuration of a run on this machine, and how many examples each split has.

    Reads every example once, to check it.

    Args:
      warm_start: whether training starts from the model that was pushed last, if there is one.

    Raises:
      InputError: a folder is not on this machine, the data cannot be read or does not fit the task's
        schema, the task's sequences are too long for the encoder, or the pushed model was made with
        another encoder.
    """
    check_length(task, encoder)
    for option, folder in (("--data", data), ("--output", root)):
        _check_folder(option, folder)
    schema_file = SCHEMA_DIRECTORY / f"{task.name}.pbtxt"
    examples = check_records(data, str(schema_file))
    root = str(pathlib.Path(root).resolve())  # it is in cache keys: one folder, one spelling
    config = PipelineConfig(
        task=task,
        encoder=encoder,
        data=str(pathlib.Path(data).absolute()),
        root=root,
        schema_file=_by_content(schema_file, root),
        eval_split="test" if "test" in examples else "eval",
        beam_args=beam_args,
        data_sha256=content_sha256(data),
    )
    if warm_start:
        pushed = pushed_model(config.serving, encoder)
        config = dataclasses.replace(config, warm_start=pushed)
    for directory in (config.metadata_file, config.serving):
        pathlib.Path(directory).parent.mkdir(parents=True, exist_ok=True)
    return config, examples


def _check_folder(option: str, folder: str) -> None:
    """Raises InputError where TFX could not read or write under the path."""
    if "://" in folder:
        raise InputError(
            f"{option} is {folder} and must be a folder of this machine. Copy or mount it, or run the "
            "pipeline with kubeflow_runner.py."
        )
    if found := sorted(set(folder) & PATTERN_CHARACTERS):
        raise InputError(
            f"{option} is {folder}, and TFX would take {' and '.join(found)} for a pattern. Rename the "
            "folder."
        )


def pushed_model(serving: str, encoder: Encoder) -> str:
    """Returns JSON with the newest `version` in the folder and the `sha256` of its weights' checksums.

    Returns "" while nothing has been pushed.

    Raises:
      InputError: the version was made with another encoder.
    """
    version = versions.newest(serving)
    if not version:
        return ""
    made_with = versions.read(f"{version}/{versions.CARD}").get("encoder", {})
    if made_with.get("sha256") != encoder.sha256:
        raise InputError(
            f"--warm-start: {version} was made with the encoder {made_with.get('handle', 'unknown')}, "
            f"and this run's is {encoder.handle}, or another state of it. Pass --encoder with that one, "
            "or leave --warm-start out."
        )
    # The index holds a checksum of each tensor.
    index = file_sha256(f"{version}/variables/variables.index")
    return json.dumps({"version": version, "sha256": index})


def _by_content(schema_file: pathlib.Path, root: str) -> str:
    """Returns a copy whose path changes with the content: TFX's cache knows the schema by its path."""
    copy = pathlib.Path(
        root, "artifacts", "schema", file_sha256(schema_file)[:16], schema_file.name
    )
    write_atomic(copy, schema_file.read_bytes())
    return str(copy)
