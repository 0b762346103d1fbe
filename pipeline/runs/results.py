"""What a run did: `OUTPUT/runs/TASK-NUMBER.json`, begun with the run and written anew after each stage.

A killed run leaves one that says "running". JSON has no NaN and no infinity: both are null there, and
null is read as NaN where a number has to be.
"""

import dataclasses
import datetime
import math
import pathlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter, ValidationError

from components.common.errors import InputError
from components.common.files import write_atomic
from components.evaluation.intervals import Interval
from components.spec.registry import load_task
from components.spec.task import Task

SCHEMA_VERSION = 1

State = Literal["running", "complete", "failed", "skipped"]
Verdict = Literal[
    "running",
    "pushed",
    "already served",
    "refused by the gate",
    "refused by ServingCheck",
    "failed",
]


def _number(value: Any) -> Any:
    return math.nan if value is None else value


def _interval(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return Interval(_number(value["lower"]), _number(value["upper"]))


Number = Annotated[float, BeforeValidator(_number)]
Bounds = Annotated[
    Interval,
    BeforeValidator(_interval),
    PlainSerializer(Interval._asdict, return_type=dict[str, float]),
]


@dataclasses.dataclass(frozen=True)
class Change:
    """Candidate minus baseline, with the interval that the gate judges it by."""

    value: Number
    interval: Bounds
    higher_is_better: bool = True

    @property
    def verdict(self) -> str:
        """better, worse or, where the interval holds 0, same within noise; unknown without one."""
        if not self.interval.is_known:
            return "unknown"
        if self.interval.lower <= 0 <= self.interval.upper:
            return "same within noise"
        return "better" if (self.interval.lower > 0) == self.higher_is_better else "worse"


@dataclasses.dataclass(frozen=True)
class Measured:
    """One metric over the whole evaluation split, or over a slice of it.

    Attributes:
      candidate: of the model of this run.
      interval: of the candidate, None for a metric without one.
      baseline: of the model that it is held against, None when there was none.
      change: None for a metric without an interval, and without a baseline.
      bound: the least that may be pushed, the most where lower is better; None where the task asks
        nothing.
      max_worsening: the loss against the baseline that is put up with, None where it asks nothing.
      refused: why the gate refused it, None when it did not.
    """

    name: str
    candidate: Number
    interval: Bounds | None
    baseline: float | None
    change: Change | None
    bound: float | None
    refused: str | None
    max_worsening: float | None = None
    higher_is_better: bool = True

    @property
    def is_unknown(self) -> bool:
        """Whether the examples do not tell, as those of one class tell nothing of a ranking."""
        return self.interval is not None and not self.interval.is_known


@dataclasses.dataclass(frozen=True)
class Sliced:
    """The metrics that the gate has a threshold on, over the examples of one kind.

    Attributes:
      slice: its name, as "overlap".
      value: of the examples in it, as "40-54".
      examples: how many there are.
      metrics: bounds are None but where the task has one on the slice.
      is_judged: whether there are examples enough to say anything.
    """

    slice: str
    value: str
    examples: int
    metrics: list[Measured]
    is_judged: bool


@dataclasses.dataclass(frozen=True)
class Data:
    """Attributes:
    folder: of TFRecords.
    fingerprint: TFX's, of sizes and times of the files in it; None before they are read.
    examples: split -> how many there are; empty where that was not counted.
    """

    folder: str | None
    fingerprint: str | None = None
    examples: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class EncoderName:
    """Attributes:
    handle: what the user called it.
    sha256: of its content.
    """

    handle: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class StageRecord:
    """Attributes:
    seconds: that it took, None while it runs; of a cached one those of looking it up.
    """

    state: State
    seconds: float | None = None
    cached: bool = False


@dataclasses.dataclass(frozen=True)
class Places:
    """Where what belongs to the run is.

    Attributes:
      log: file, or folder with one a stage.
      report: the page.
      evaluation: folder that TFMA opens.
      model_run: folder that TensorBoard opens.
    """

    log: str | None = None
    report: str | None = None
    evaluation: str | None = None
    model_run: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run, as far as it has come.

    Attributes:
      number: 1 for the first of the task in its folder of results, as ML Metadata orders them.
      run_id: TFX's.
      started, ended: with time zone UTC; `ended` is None while it runs.
      encoder: None where a run of older code did not come so far.
      settings: all that `--set` reaches.
      eval_split: the split that the gate judges by.
      verdict: what came of it.
      reasons: why it was refused, or failed.
      pushed_to: folder of the version that serves the model, None where it is not served.
      exit_code: local_runner.py's, on Airflow too; None while it runs.
      error: of a run that failed.
      stages: node id -> what became of it, in the order of the run.
      metrics: over the whole evaluation split.
      slices: the same over the examples of one kind each.
      serving: what ServingCheck measured, "" where it was not asked.
      code: stage -> hash of the code that it calls.
    """

    schema_version: int = SCHEMA_VERSION
    task: str
    number: int
    run_id: str
    started: datetime.datetime
    ended: datetime.datetime | None = None
    verdict: Verdict = "running"
    reasons: list[str] = dataclasses.field(default_factory=list)
    pushed_to: str | None = None
    exit_code: int | None = None
    error: str | None = None
    data: Data
    encoder: EncoderName | None
    settings: dict[str, Any]
    eval_split: str | None
    stages: dict[str, StageRecord] = dataclasses.field(default_factory=dict)
    metrics: list[Measured] = dataclasses.field(default_factory=list)
    slices: list[Sliced] = dataclasses.field(default_factory=list)
    serving: str = ""
    code: dict[str, str] = dataclasses.field(default_factory=dict)
    places: Places = Places()

    @property
    def seconds(self) -> float | None:
        """From its start to its end, waiting counted."""
        return (self.ended - self.started).total_seconds() if self.ended else None

    @property
    def is_refused(self) -> bool:
        return self.verdict.startswith("refused")

    @property
    def stopped_in(self) -> str | None:
        """The stage that failed, or that runs or was killed."""
        states = self.stages.items()
        return next((n for n, s in states if s.state in ("failed", "running")), None)

    @property
    def confidence(self) -> float:
        """Of all intervals."""
        return self.settings.get("confidence", 0.95)

    def slices_refused(self) -> Iterator[tuple[Sliced, Measured]]:
        return ((s, m) for s in self.slices for m in s.metrics if m.refused)


_ONE, _MANY = TypeAdapter(RunRecord), TypeAdapter(list[RunRecord])


def to_json(record: RunRecord | list[RunRecord]) -> str:
    """One JSON document, of a record or of a list of them."""
    adapter: TypeAdapter = _ONE if isinstance(record, RunRecord) else _MANY
    return adapter.dump_json(record, indent=1).decode() + "\n"


def from_json(text: str) -> RunRecord:
    return _ONE.validate_json(text)


def record_file(root: str, task: str, number: int) -> pathlib.Path:
    return pathlib.Path(root, "runs", f"{task}-{number}.json")


def save(record: RunRecord, root: str) -> RunRecord:
    """Writes the record under a folder of results, and returns it."""
    write_atomic(record_file(root, record.task, record.number), to_json(record))
    return record


def read_record(file: pathlib.Path) -> RunRecord:
    """Raises InputError where it is no record, or one of a newer version."""
    try:
        record = from_json(file.read_text())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{file} is no record of a run that this version reads: {where}: {first['msg']}. Move it "
            "away, and ML Metadata tells what it can."
        ) from None
    if record.schema_version > SCHEMA_VERSION:
        raise InputError(f"{file} was written by a newer version of this project. Use that one.")
    return record


def task_of(record: RunRecord) -> Task:
    """The task, with the settings of this run as far as it still has them."""
    task = load_task(record.task)
    known = task.settings()
    given = {k: str(v) for k, v in record.settings.items() if k in known and v is not None}
    return task.override(given)
