"""What the Evaluator computes, and what the gate asks of it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from components.spec.value import Value


@dataclasses.dataclass(frozen=True)
class Metric(Value):
    """A number that the Evaluator computes.

    Attributes:
      name: in reports, and in the settings of a threshold on it.
      class_name: of the TFMA or Keras metric.
      module: where that class is found, when it is neither TFMA's nor Keras'.
      class_id: the class that a metric of two classes takes as positive.
      estimator: import path of the estimator that its interval comes from, an object in the module of
        its kind of answer; none, and so no threshold, where it is "".
      higher_is_better: False for a loss, an error or a time, whose bound is the largest value.
      config: further arguments of the class.
    """

    name: str
    class_name: str
    module: str = ""
    class_id: int | None = None
    estimator: str = ""
    higher_is_better: bool = True
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def bound_setting(self) -> str:
        """The name of the threshold's bound in `--set`, such as min_accuracy or max_loss."""
        return f"{'min' if self.higher_is_better else 'max'}_{self.name}"

    @property
    def worsening_setting(self) -> str:
        """The name of the tolerated worsening in `--set`: max_accuracy_drop or max_loss_increase."""
        return f"max_{self.name}_{'drop' if self.higher_is_better else 'increase'}"


@dataclasses.dataclass(frozen=True)
class Threshold(Value):
    """What the gate asks of one metric, over the whole evaluation split.

    Attributes:
      bound: the least value that may be pushed; the largest, where lower is better.
      max_worsening: how much worse than the baseline a candidate may be. It is refused where the whole
        interval of its change is worse than that.
    """

    bound: float
    max_worsening: float = 0.0


@dataclasses.dataclass(frozen=True)
class SliceBound(Value):
    """What the gate asks of one metric over the examples of one kind, where there are enough.

    Attributes:
      metric: its name.
      slice, value: the kind of examples, such as "negation" and "differ".
      bound: see `Threshold`.
    """

    metric: str
    slice: str
    value: str
    bound: float

    def __str__(self) -> str:
        return f"{self.metric}:{self.slice}:{self.value}:{self.bound}"
