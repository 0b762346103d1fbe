"""The configuration of a pipeline: its task, its encoder, and where data and results are."""

import dataclasses
import json
import pathlib

from components.common.errors import InputError
from components.common.files import file_sha256, write_atomic
from components.data.tfrecords import check_records
from components.models.bert.hub import Encoder
from components.serving import versions
from components.spec.task import Task
from pipeline.beam import PROFILES

SCHEMA_DIRECTORY = pathlib.Path(__file__).resolve().parent.parent / "schema"


@dataclasses.dataclass(frozen=True)
class PipelineConfig:
    """The settings that create_pipeline builds a pipeline from.

    Attributes:
      task: with the run's overrides applied.
      encoder: resolved and checked.
      data: folder with train/ and eval/, and test/ where there is one, of TFRecords.
      root: folder (or URI) under which everything is written.
      schema_file: the task's schema.
      eval_split: the split that gates: test where the data has one, else eval.
      baseline: the model that the candidate is compared with: anchor, the last blessed model that was
        clearly better than its own baseline, see `pipeline/resolvers/anchor.py`; last_blessed, the
        last blessed model, which is the candidate itself when a run is repeated; served, the newest
        version in `serving`.
      keeps_metadata: whether a run writes ML Metadata to `metadata_file`; else the orchestrator keeps
        its own.
      beam_args: where Beam's stages run, see `pipeline/beam.py`.
      warm_start: "", or the model whose weights training starts from, see `pushed_model`.
    """

    task: Task
    encoder: Encoder
    data: str
    root: str
    schema_file: str
    eval_split: str = "eval"
    baseline: str = "anchor"
    keeps_metadata: bool = True
    beam_args: tuple[str, ...] = PROFILES["local"].arguments
    warm_start: str = ""

    @property
    def artifacts(self) -> str:
        """The folder of the task's artifacts.

        Each task has its own, like its metadata: TFX numbers the folders by the metadata, from 1.
        """
        return f"{self.root}/artifacts/{self.task.name}"

    @property
    def metadata_file(self) -> str:
        """The SQLite file of the task's ML Metadata."""
        return f"{self.root}/metadata/{self.task.name}.sqlite"

    @property
    def checkpoints(self) -> str:
        """The folder of unfinished trainings; "" where TensorFlow has no file system for the root."""
        has_file_system = "://" not in self.root or self.root.startswith("gs://")
        return f"{self.root}/checkpoints/{self.task.name}" if has_file_system else ""

    @property
    def serving(self) -> str:
        """The base path of a model server: one numbered folder per version."""
        return f"{self.root}/serving/{self.task.name}"


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
    if found := sorted(set(folder) & set("*?[]")):
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


def check_length(task: Task, encoder: Encoder) -> None:
    """Raises InputError where the task's sequences are longer than the encoder takes."""
    longest, asked = encoder.max_positions, task.hyperparameters.max_seq_length
    if longest and asked > longest:
        raise InputError(
            f"max_seq_length is {asked}, and the encoder {encoder.handle} takes sequences of {longest} "
            f"tokens at the most. Pass --set max_seq_length={longest} or another encoder."
        )


def _by_content(schema_file: pathlib.Path, root: str) -> str:
    """Returns a copy whose path changes with the content: TFX's cache knows the schema by its path."""
    copy = pathlib.Path(
        root, "artifacts", "schema", file_sha256(schema_file)[:16], schema_file.name
    )
    write_atomic(copy, schema_file.read_bytes())
    return str(copy)
