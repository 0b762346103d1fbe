"""What a task is: data, not a class hierarchy."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from components.common.settings import bad_setting, read_setting

# One example before it is one: feature name -> str, bytes, int or a list of one of them.
Row = dict[str, Any]
# Where a row stands ("train.tsv:17"), and the row.
LocatedRow = tuple[str, Row]


@dataclasses.dataclass(frozen=True)
class OfficialFile:
    """One file of the published data set.

    Attributes:
      name: its file name, in `--source DIR` and after a download.
      url: where it is downloaded from.
      size: in bytes.
      sha256: of its bytes, in hexadecimal.
      optional: a missing one is no error.
    """

    name: str
    url: str
    size: int
    sha256: str
    optional: bool = False


@dataclasses.dataclass(frozen=True)
class DataFormat:
    """How the rows of a task are read, in pure Python.

    Attributes:
      read_file: one file of the user's own -> rows.
      key: row -> what makes two rows the same, to find a row that is in train and in eval.
      files: the official files.
      read_official: folder of the official files -> split name -> rows; None where there are none.
      label: name of the feature with the row's class, if rows have one: every split needs two.
      misalignment: row -> field and problem of an answer that does not stand where the row says,
        None where all do; None for a task whose rows do not say.
    """

    read_file: Callable[[str], Iterator[LocatedRow]]
    key: Callable[[Row], tuple]
    files: tuple[OfficialFile, ...] = ()
    read_official: Callable[[str], Mapping[str, list[LocatedRow]]] | None = None
    label: str | None = None
    misalignment: Callable[[Row], str | None] | None = None


@dataclasses.dataclass(frozen=True)
class Threshold:
    """What the gate asks of one metric, over the whole evaluation split.

    Attributes:
      floor: the least value that may be pushed.
      margin: the loss against the baseline that is put up with. The candidate is refused where the
        interval of its change lies below -margin, whole.
    """

    floor: float
    margin: float = 0.0


@dataclasses.dataclass(frozen=True)
class SliceFloor:
    """What the gate asks of one metric over the rows of one kind, where there are rows enough.

    Attributes:
      metric: its name.
      slice, value: the kind of rows, as "negation" and "differ".
      floor: the least value that may be pushed.
    """

    metric: str
    slice: str
    value: str
    floor: float

    def __str__(self) -> str:
        return f"{self.metric}:{self.slice}:{self.value}:{self.floor}"


@dataclasses.dataclass(frozen=True)
class Metric:
    """A number that the Evaluator computes.

    Attributes:
      name: in reports, and in `<name>_floor` where the task sets a threshold on it.
      class_name: of the TFMA or Keras metric.
      module: where that class is found, when it is neither TFMA's nor Keras'.
      label: the class that a metric of two classes takes as positive.
      figure: import path of the figure of `components.evaluation.estimators` that its interval comes
        from; none, and so no threshold, where it is "".
      config: further arguments of the class.
    """

    name: str
    class_name: str
    module: str = ""
    label: int | None = None
    figure: str = ""
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)


PRECISIONS = ("auto", "float32", "bfloat16", "float16")
DRIFTS = ("refuse", "accept")
STRATEGIES = ("single", "mirrored", "workers")
_LEAST = {
    **{"epochs": 1, "batch_size": 1, "max_length": 8, "weight_decay": 0, "seed": 0},
    **{"patience": 0, "accumulate": 1},
}
_SEEDS = 2**32  # NumPy's and TensorFlow's
_SHARES = ("warmup_share", "dropout", "validation_share")
_POSITIVE = ("learning_rate", "head_learning_rate", "clip_norm")


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """Everything the Trainer can be told, each reachable by `--set name=value`.

    Attributes:
      epochs: passes over the train split.
      learning_rate: peak, for the encoder; reached at the end of the warm-up.
      head_learning_rate: peak, for the head's weights, which start from nothing.
      batch_size: rows (classification) or windows (spans) a step, over all replicas.
      max_length: word pieces a row, [CLS] and [SEP] counted.
      warmup_share: share of all steps in which the learning rate rises from 0.
      weight_decay: decoupled; never on biases and layer normalization.
      dropout: on the head's input. The encoder's own is fixed in its SavedModel.
      clip_norm: global norm to which gradients are clipped.
      precision: of the matrix products in training, one of `PRECISIONS`; see `bert/precision.py`.
      strategy: what trains, one of `STRATEGIES`: one device; all GPUs of this machine; the machines of
        TF_CONFIG, see docs/gpu.md. `batch_size` and the learning rates hold for all together.
      seed: of shuffling, dropout and the head's first weights.
      validation_share: of the train split's examples, held out to look at after each epoch; the best
        epoch's weights are kept. 0 for none: all are trained on, and the last weights kept.
      patience: epochs without a lower validation loss after which training stops; 0 for never.
      accumulate: into how many parts a batch is cut, on each device, when it does not fit in memory;
        the step is the same.
      xla: whether TensorFlow compiles what it can of a step, on a GPU; see docs/gpu.md.
    """

    epochs: int = 3
    learning_rate: float = 5e-5
    head_learning_rate: float = 1e-3
    batch_size: int = 32
    max_length: int = 128
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.1
    clip_norm: float = 1.0
    precision: str = "auto"
    strategy: str = "single"
    seed: int = 0
    validation_share: float = 0.0
    patience: int = 0
    accumulate: int = 1
    xla: bool = False

    def __post_init__(self):
        if self.precision not in PRECISIONS:
            raise bad_setting("precision", self.precision, f"one of {', '.join(PRECISIONS)}")
        if self.strategy not in STRATEGIES:
            raise bad_setting("strategy", self.strategy, f"one of {', '.join(STRATEGIES)}")
        for name, least in _LEAST.items():
            if not getattr(self, name) >= least:  # NaN is not, either.
                raise bad_setting(name, getattr(self, name), f"{least} or more")
        if self.seed >= _SEEDS:
            raise bad_setting("seed", self.seed, f"less than {_SEEDS}")
        if self.accumulate > self.batch_size:
            raise bad_setting(
                "accumulate", self.accumulate, f"batch_size, {self.batch_size}, or less"
            )
        for name in _SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise bad_setting(name, getattr(self, name), "at least 0 and less than 1")
        if self.patience and not self.validation_share:
            raise bad_setting("validation_share", self.validation_share, "above 0 to have patience")
        for name in _POSITIVE:
            if not 0 < getattr(self, name) < math.inf:
                raise bad_setting(name, getattr(self, name), "more than 0")


@dataclasses.dataclass(frozen=True)
class Serving:
    """What is asked of a model as it is served, each reachable by `--set name=value`.

    Attributes:
      max_latency_ms: the longest that 95 of 100 single rows may take, each from text to answer.
      max_memory_mb: the most memory (1 MB is 1e6 bytes) that a process with the model may take.
      keep_versions: how many versions a push leaves in the serving folder, 0 for all.
      model_server: tag of the image tensorflow/serving that has to load the model and answer before a
        push, in docker on the machine of the run; "" for none.
    """

    max_latency_ms: float = 5000.0
    max_memory_mb: float = 8000.0
    keep_versions: int = 10
    model_server: str = ""

    def __post_init__(self):
        for name in ("max_latency_ms", "max_memory_mb"):
            if not getattr(self, name) > 0:
                raise bad_setting(name, getattr(self, name), "more than 0")
        if self.keep_versions < 0:
            raise bad_setting("keep_versions", self.keep_versions, "0 or more")


@dataclasses.dataclass(frozen=True)
class Card:
    """What a model card says of a task in words.

    Attributes:
      description: what the model answers.
      limits: what it cannot do, or was not tried on.
      data_licence: of the official data.
    """

    description: str
    limits: tuple[str, ...]
    data_licence: str


@dataclasses.dataclass(frozen=True)
class Task:
    """A task, whole: where its rows come from, what the model answers, what the gate asks.

    Attributes:
      name: of the task, its module, its schema (`schema/<name>.pbtxt`) and its serving folder.
      data: how its rows are read.
      head: what turns the encoder's output into the answer; see `components/heads`.
      metrics: what the Evaluator computes.
      thresholds: metric name -> what the gate asks of it.
      hyperparameters: what gave the figures in the README.
      card: its words in the model card.
      serving: what is asked of the model as it is served.
      slices: the kinds of rows that every figure is shown for as well, by name: of a function in
        `components/evaluation/slices.py`, or of the feature with the label.
      slice_floors: those of them that the gate judges, too.
      confidence: of all intervals: the share of them that hold the true value. Half of the rest is how
        often chance alone has a candidate refused that is the baseline's equal in a metric.
      plots: what the Evaluator draws beside the metrics; the gate does not look at it.
      drift: what becomes of data that is further from the last blessed model's, or in a split from
        train, than the schema allows: one of `DRIFTS`.
    """

    name: str
    data: DataFormat
    head: Any
    metrics: tuple[Metric, ...]
    thresholds: Mapping[str, Threshold]
    hyperparameters: Hyperparameters
    card: Card
    serving: Serving = Serving()
    slices: tuple[str, ...] = ()
    slice_floors: tuple[SliceFloor, ...] = ()
    confidence: float = 0.95
    plots: tuple[Metric, ...] = ()
    drift: str = "refuse"

    def __post_init__(self):
        if self.drift not in DRIFTS:
            raise bad_setting("drift", self.drift, f"one of {', '.join(DRIFTS)}")

    def settings(self) -> dict[str, Any]:
        """All that `--set` reaches, by name, with the values in force."""
        values = dataclasses.asdict(self.hyperparameters) | {"confidence": self.confidence}
        for metric, threshold in self.thresholds.items():
            values[f"{metric}_floor"] = threshold.floor
            values[f"{metric}_margin"] = threshold.margin
        values["slice_floors"] = ",".join(map(str, self.slice_floors))
        values["drift"] = self.drift
        return values | dataclasses.asdict(self.serving)

    def override(self, changes: Mapping[str, str]) -> "Task":
        """This task with settings replaced, each text read as the type of the value it replaces.

        Raises:
          InputError: an unknown name, or a value that does not read as that type.
        """
        known = self.settings()
        parsed = {name: read_setting(name, text, known) for name, text in changes.items()}
        thresholds = {
            metric: Threshold(
                parsed.get(f"{metric}_floor", t.floor), parsed.get(f"{metric}_margin", t.margin)
            )
            for metric, t in self.thresholds.items()
        }
        return dataclasses.replace(
            self,
            thresholds=thresholds,
            hyperparameters=_replaced(self.hyperparameters, parsed),
            serving=_replaced(self.serving, parsed),
            slice_floors=(
                _parse_slice_floors(parsed["slice_floors"])
                if "slice_floors" in parsed
                else self.slice_floors
            ),
            confidence=parsed.get("confidence", self.confidence),
            drift=parsed.get("drift", self.drift),
        )


def _parse_slice_floors(text: str) -> tuple[SliceFloor, ...]:
    """METRIC:SLICE:VALUE:FLOOR, several of them with commas between."""
    floors = []
    for part in filter(None, text.split(",")):
        try:
            metric, name, value, floor = part.split(":")
            floors.append(SliceFloor(metric, name, value, float(floor)))
        except ValueError:
            raise bad_setting(
                "slice_floors", part, "METRIC:SLICE:VALUE:FLOOR, as accuracy:label:1:0.8"
            ) from None
    return tuple(floors)


def _replaced(value, changes: Mapping[str, Any]):
    """A dataclass with those of the changes that are fields of it."""
    fields = {field.name for field in dataclasses.fields(value)}
    return dataclasses.replace(value, **{k: v for k, v in changes.items() if k in fields})
