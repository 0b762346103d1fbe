"""The curves of a training, read from the Trainer's files for TensorBoard."""

import math
import pathlib

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from pipeline.report.charts import Chart, line_chart


def training_charts(model_run: str) -> list[Chart]:
    """Returns a chart of each scalar that was written at two steps or more."""
    series: dict[str, list[tuple[float, float]]] = {}
    for folder in sorted({path.parent for path in pathlib.Path(model_run).rglob("events.out.*")}):
        events = EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0})
        events.Reload()
        for tag in events.Tags()["tensors"]:
            points = [
                (e.step, tensor_util.make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)
            ]
            numbers = [
                (step, float(value))
                for step, value in points
                if value.ndim == 0 and value.dtype.kind == "f" and math.isfinite(value)
            ]
            if len(numbers) > 1:
                series[tag] = numbers
    return [
        line_chart(
            tag.replace("_", " "), "epoch" if tag.startswith("epoch") else "step", "", {tag: points}
        )
        for tag, points in series.items()
    ]
