"""The configuration of a pipeline: its task, its encoder, and where data and results are."""

import dataclasses
import pathlib

from components.common.errors import InputError
from components.spec.encoder import Encoder
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
      warm_start: "", or the model whose weights training starts from, see `pipeline/local_config.py`.
      data_sha256: of the content of the data; "" where it is not seen when the pipeline is made.
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
    data_sha256: str = ""

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


def check_length(task: Task, encoder: Encoder) -> None:
    """Raises InputError where the task's sequences are longer than the encoder takes."""
    longest, asked = encoder.max_positions, task.hyperparameters.max_seq_length
    if longest and asked > longest:
        raise InputError(
            f"max_seq_length is {asked}, and the encoder {encoder.handle} takes sequences of {longest} "
            f"tokens at the most. Pass --set max_seq_length={longest} or another encoder."
        )
