"""A whole task, as one value."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from components.common.errors import InputError
from components.common.settings import bad_setting, read_setting
from components.spec.data_source import DataSource
from components.spec.heads import HeadConfig
from components.spec.hyperparameters import Hyperparameters
from components.spec.metrics import Metric, SliceBound, Threshold
from components.spec.renamed import present_name
from components.spec.value import Value

DRIFTS = ("refuse", "accept")
_Value = TypeVar("_Value")


@dataclasses.dataclass(frozen=True)
class ServingLimits(Value):
    """What a model must keep to when it is served; `--set name=value` reaches each field.

    Attributes:
      max_latency_ms: the longest that 95 of 100 single examples may take, each from text to answer.
      max_memory_mb: the most memory (1 MB is 1e6 bytes) that a process with the model may take.
      keep_versions: how many versions a push leaves in the serving folder, 0 for all.
      model_server: tag of the image tensorflow/serving that has to load the model and answer before a
        push, in docker on the machine of the run; "" for none.
    """

    max_latency_ms: float = 5000.0
    max_memory_mb: float = 8000.0
    keep_versions: int = 10
    model_server: str = ""

    def __post_init__(self) -> None:
        for name in ("max_latency_ms", "max_memory_mb"):
            if not getattr(self, name) > 0:
                raise bad_setting(name, getattr(self, name), "more than 0")
        if self.keep_versions < 0:
            raise bad_setting("keep_versions", self.keep_versions, "0 or more")


@dataclasses.dataclass(frozen=True)
class CardText(Value):
    """What a model card says about a task in words.

    Attributes:
      description: what the model answers.
      limits: what it cannot do, or was not tried on.
      data_licence: of the official data.
    """

    description: str
    limits: tuple[str, ...]
    data_licence: str


@dataclasses.dataclass(frozen=True)
class Task(Value):
    """A whole task: where its examples come from, what the model answers, what the gate asks.

    Attributes:
      name: of the task, its schema (`schema/<name>.pbtxt`) and its serving folder.
      data: how its examples are read.
      head: what the model answers.
      metrics: what the Evaluator computes.
      thresholds: metric name -> what the gate asks of it.
      hyperparameters: of the type that the head asks for.
      card: its words in the model card.
      serving: what is asked of the model as it is served.
      slices: the kinds of examples that every metric is shown for as well, by name: of a function in
        `components/evaluation/slices.py`, or of the feature with the label.
      slice_bounds: those of them that the gate judges, too.
      confidence: of all intervals: the fraction of them that hold the true value. A candidate that is
        as good as the baseline is refused for a metric by chance with probability
        (1 - confidence) / 2.
      plots: what the Evaluator draws beside the metrics; the gate does not look at it.
      drift: one of `DRIFTS`: whether to refuse data that is further from the last blessed model's than
        the schema allows, or a split that is further from train.
      max_unusable_ratio: the fraction of the train examples that may be such that they cannot be trained
        on, as where no token begins with the answer.
      schema_version: of this form; raised when a field changes its meaning.
    """

    name: str
    data: DataSource
    head: HeadConfig
    metrics: tuple[Metric, ...]
    thresholds: Mapping[str, Threshold]
    hyperparameters: Hyperparameters
    card: CardText
    serving: ServingLimits = ServingLimits()
    slices: tuple[str, ...] = ()
    slice_bounds: tuple[SliceBound, ...] = ()
    confidence: float = 0.95
    plots: tuple[Metric, ...] = ()
    drift: str = "refuse"
    max_unusable_ratio: float = 0.05
    schema_version: int = 1

    def __post_init__(self) -> None:
        if self.drift not in DRIFTS:
            raise bad_setting("drift", self.drift, f"one of {', '.join(DRIFTS)}")
        if not 0 <= self.max_unusable_ratio <= 1:
            raise bad_setting("max_unusable_ratio", self.max_unusable_ratio, "from 0 to 1")
        if type(self.hyperparameters) is not self.head.hyperparameters:
            raise InputError(
                f"The task {self.name} has {type(self.hyperparameters).__name__}, and its head "
                f"{self.head.kind} takes {self.head.hyperparameters.__name__}."
            )
        if self.schema_version != 1:
            raise InputError(
                f"The task {self.name} is of schema version {self.schema_version}, and this release "
                "reads version 1. Write it with this release."
            )

    def metric(self, name: str) -> Metric | None:
        """Returns the metric of that name, or None where the task has none."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    def settings(self) -> dict[str, Any]:
        """Returns all settings that `--set` reaches, by name, with their present values."""
        values = dataclasses.asdict(self.hyperparameters) | {"confidence": self.confidence}
        for name, threshold in self.thresholds.items():
            if metric := self.metric(name):
                values[metric.bound_setting] = threshold.bound
                values[metric.worsening_setting] = threshold.max_worsening
        values["slice_bounds"] = ",".join(map(str, self.slice_bounds))
        values["drift"] = self.drift
        if self.head.offset_features:
            values["max_unusable_ratio"] = self.max_unusable_ratio
        return values | dataclasses.asdict(self.serving)

    def override(self, changes: Mapping[str, str]) -> "Task":
        """Returns this task with settings replaced; each text is read as the type of the old value.

        Raises:
          InputError: an unknown name, or a value that does not read as that type.
        """
        known = self.settings()
        for name, text in changes.items():
            if name not in known and present_name(name) in known:
                raise InputError(
                    f"--set {name}={text}: it is called {present_name(name)} now. "
                    f"Pass --set {present_name(name)}={text}."
                )
        parsed = {name: read_setting(name, text, known) for name, text in changes.items()}
        return dataclasses.replace(
            self,
            thresholds=self._thresholds(parsed),
            hyperparameters=_replaced(self.hyperparameters, parsed),
            serving=_replaced(self.serving, parsed),
            slice_bounds=(
                _parse_slice_bounds(parsed["slice_bounds"])
                if "slice_bounds" in parsed
                else self.slice_bounds
            ),
            confidence=parsed.get("confidence", self.confidence),
            drift=parsed.get("drift", self.drift),
            max_unusable_ratio=parsed.get("max_unusable_ratio", self.max_unusable_ratio),
        )

    def _thresholds(self, parsed: Mapping[str, Any]) -> dict[str, Threshold]:
        thresholds = dict(self.thresholds)
        for name, threshold in self.thresholds.items():
            if metric := self.metric(name):
                thresholds[name] = Threshold(
                    parsed.get(metric.bound_setting, threshold.bound),
                    parsed.get(metric.worsening_setting, threshold.max_worsening),
                )
        return thresholds


def _parse_slice_bounds(text: str) -> tuple[SliceBound, ...]:
    """Reads METRIC:SLICE:VALUE:BOUND, or several of them with commas between."""
    bounds = []
    for part in filter(None, text.split(",")):
        try:
            metric, name, value, bound = part.split(":")
            bounds.append(SliceBound(metric, name, value, float(bound)))
        except ValueError:
            raise bad_setting(
                "slice_bounds", part, "METRIC:SLICE:VALUE:BOUND, as accuracy:label:1:0.8"
            ) from None
    return tuple(bounds)


def _replaced(value: _Value, changes: Mapping[str, Any]) -> _Value:
    """Returns a dataclass with those of the changes that are fields of it."""
    fields = {field.name for field in dataclasses.fields(value)}  # type: ignore[arg-type]
    return dataclasses.replace(value, **{k: v for k, v in changes.items() if k in fields})  # type: ignore
