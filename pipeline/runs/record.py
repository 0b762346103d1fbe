"""The record of a run: `OUTPUT/runs/TASK-NUMBER.json`, written at the run's start and after each stage.

A killed run leaves a record that says "running". JSON has no NaN and no infinity: both are written as
null, and null is read as NaN where a number has to be.
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
    """The candidate's value minus the baseline's, with the interval that the gate judges it by."""

    value: Number
    interval: Bounds
    higher_is_better: bool = True

    @property
    def verdict(self) -> str:
        """better, worse, or same within noise if the interval holds 0; unknown without an interval."""
        if not self.interval.is_known:
            return "unknown"
        if self.interval.lower <= 0 <= self.interval.upper:
            return "same within noise"
        return "better" if (self.interval.lower > 0) == self.higher_is_better else "worse"


@dataclasses.dataclass(frozen=True)
class Measured:
    """One metric over the whole evaluation split, or over a slice of it.

    Attributes:
      candidate: value of the model of this run.
      interval: of the candidate's value, None for a metric without one.
      baseline: value of the model that the candidate is compared with, None when there was none.
      change: None for a metric without an interval, and without a baseline.
      bound: the least value that may be pushed, the greatest where lower is better; None without a
        threshold or a bound of the slice.
      max_worsening: how much worse than the baseline the candidate may be; None without a threshold.
      refused: why the gate refused the metric, None when it did not.
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
        """Whether the examples do not determine the metric, such as the AUC of a single class."""
        return self.interval is not None and not self.interval.is_known


@dataclasses.dataclass(frozen=True)
class Sliced:
    """The metrics with a threshold or a bound in a slice, over the examples of one slice.

    Attributes:
      slice: name of what is sliced by, such as "overlap".
      value: what the examples of the slice have in common, such as "40-54".
      examples: how many there are.
      metrics: the bound is None where the task has none on this slice.
      is_judged: whether there are enough examples for the gate to judge the slice.
    """

    slice: str
    value: str
    examples: int
    metrics: list[Measured]
    is_judged: bool


@dataclasses.dataclass(frozen=True)
class Data:
    """The data of a run.

    Attributes:
      folder: of TFRecords.
      fingerprint: TFX's, of the sizes and times of the files in it; None before they are read.
      examples: split -> how many there are; empty where they were not counted.
    """

    folder: str | None
    fingerprint: str | None = None
    examples: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class EncoderName:
    """The encoder of a run.

    Attributes:
      handle: the name, URL or folder that the user gave.
      sha256: of its content.
    """

    handle: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class StageRecord:
    """One stage of a run.

    Attributes:
      seconds: that it took, None while it runs; for a cached one those of the look-up.
    """

    state: State
    seconds: float | None = None
    cached: bool = False


@dataclasses.dataclass(frozen=True)
class Places:
    """Where the files of a run are.

    Attributes:
      log: file, or folder with one file per stage.
      report: the page of the run.
      evaluation: folder that TFMA opens.
      model_run: folder that TensorBoard opens.
    """

    log: str | None = None
    report: str | None = None
    evaluation: str | None = None
    model_run: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The record of one run, finished or not.

    Attributes:
      number: 1 for the first of the task in its folder of results, as ML Metadata orders them.
      run_id: TFX's; on Kubeflow the URI of what Pusher wrote, which holds Kubeflow's id.
      started, ended: with time zone UTC; `ended` is None while it runs, `started` on Kubeflow.
      encoder: None where a run of an older version ended before it was known.
      settings: all that `--set` can change.
      eval_split: the split that the gate judges by.
      verdict: how it ended, or that it runs.
      reasons: why it was refused, or failed.
      pushed_to: folder of the version that serves the model, None where it is not served.
      exit_code: local_runner.py's, on Airflow too; None while it runs.
      error: type and message of the error of a run that failed.
      stages: node id -> its record, in the order of the run.
      metrics: over the whole evaluation split.
      slices: the metrics of each slice of it.
      serving: what ServingCheck measured, "" where it did not run.
      code: stage -> hash of the code that it calls.
    """

    schema_version: int = SCHEMA_VERSION
    task: str
    number: int
    run_id: str
    started: datetime.datetime | None
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
        """The time from the run's start to its end, with waiting; None where one is unknown."""
        if not self.started or not self.ended:
            return None
        return (self.ended - self.started).total_seconds()

    @property
    def began(self) -> str:
        """The minute of the start, in this machine's time; a dash where it is unknown."""
        return f"{self.started.astimezone():%Y-%m-%d %H:%M}" if self.started else "-"

    @property
    def is_refused(self) -> bool:
        """Whether the gate or ServingCheck refused the model."""
        return self.verdict.startswith("refused")

    @property
    def stopped_in(self) -> str | None:
        """The stage that failed, or that runs or was killed; None where there is none."""
        states = self.stages.items()
        return next((n for n, s in states if s.state in ("failed", "running")), None)

    @property
    def confidence(self) -> float:
        """The confidence of all intervals."""
        return self.settings.get("confidence", 0.95)

    def slices_refused(self) -> Iterator[tuple[Sliced, Measured]]:
        """Yields each slice and metric in it that the gate refused."""
        return ((s, m) for s in self.slices for m in s.metrics if m.refused)


_ONE, _MANY = TypeAdapter(RunRecord), TypeAdapter(list[RunRecord])


def to_json(record: RunRecord | list[RunRecord]) -> str:
    """Returns one JSON document with a record, or with a list of them."""
    adapter: TypeAdapter = _ONE if isinstance(record, RunRecord) else _MANY
    return adapter.dump_json(record, indent=1).decode() + "\n"


def from_json(text: str) -> RunRecord:
    """Returns the record that `to_json` wrote; raises ValidationError where it is none."""
    return _ONE.validate_json(text)


def record_file(root: str, task: str, number: int) -> pathlib.Path:
    """Returns the file of a run's record under a folder of results."""
    return pathlib.Path(root, "runs", f"{task}-{number}.json")


def save(record: RunRecord, root: str) -> RunRecord:
    """Writes the record under a folder of results, and returns it."""
    write_atomic(record_file(root, record.task, record.number), to_json(record))
    return record


def read_record(file: pathlib.Path) -> RunRecord:
    """Reads a record; raises InputError where it is none, or one of a newer version."""
    try:
        record = from_json(file.read_text())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{file} is no record of a run that this version reads: {where}: {first['msg']}. Move it "
            "away; then the record is made from ML Metadata, as far as it goes."
        ) from None
    if record.schema_version > SCHEMA_VERSION:
        raise InputError(f"{file} was written by a newer version of this project. Use that one.")
    return record


def task_of(record: RunRecord) -> Task:
    """Returns the task with this run's settings, without those that no longer exist."""
    task = load_task(record.task)
    known = task.settings()
    given = {k: str(v) for k, v in record.settings.items() if k in known and v is not None}
    return task.override(given)
