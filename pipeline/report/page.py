"""Puts the page together, and writes it."""

import base64
import dataclasses
import hashlib
import logging
import pathlib
import time
from collections.abc import Sequence

import jinja2

from components.common.files import write_atomic
from components.data.drift_gate import Distance
from components.evaluation.tensorboard import write_evaluation
from components.spec.task import Task
from pipeline.config import PipelineConfig
from pipeline.report.charts import Chart
from pipeline.report.data import FeatureCount, anomalies, distances, feature_counts
from pipeline.report.evaluation import (
    Confusion,
    SliceGroup,
    confusion_and_charts,
    slice_groups,
)
from pipeline.report.training import training_charts
from pipeline.runs.metadata import Run, read_runs
from pipeline.runs.metric_results import Measured, measured, overall, sliced

_FOLDER = pathlib.Path(__file__).parent
_EXAMPLES_SHOWN = 300


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Attributes:
    judged: the metrics that have a bound on the whole split.
    """

    metrics: list[Measured]
    slices: list[SliceGroup]
    confusion: Confusion | None
    charts: list[Chart]

    @property
    def judged(self) -> list[Measured]:
        return [metric for metric in self.metrics if metric.bound is not None]

    @property
    def slices_refused(self) -> list[tuple[str, str, Measured]]:
        """Feature, value and metric of each slice that the gate refused for."""
        bars = [(group.feature, bar) for group in self.slices for bar in group.bars]
        return [(feature, bar.name, bar.metric) for feature, bar in bars if bar.metric.refused]


@dataclasses.dataclass(frozen=True)
class ExampleGroup:
    """examples: those shown, the ones that the candidate is surest of first, of `count` in all."""

    title: str
    examples: list
    count: int


def report_last_run(config: PipelineConfig) -> str:
    """Path of the page of the newest run, whose evaluation TensorBoard gets as well.

    Where no page can be made it says so, and the log why: what was pushed is pushed all the same.
    """
    try:
        run = read_runs(config.metadata_file)[-1]
        _show_in_tensorboard(config.task, run)
        return write_report(config.task.name, run, config.root)
    except Exception:
        logging.exception("no report")
        return "none could be made, see the log"


def _show_in_tensorboard(task: Task, run: Run) -> None:
    known = overall(run.evaluation, "candidate")
    metrics = {metric.name: known[metric.name] for metric in task.metrics}
    model_run = run.stages["Trainer"].output("model_run").uri
    write_evaluation(model_run, run.evaluation, metrics, task.head, run.judged_files)


def write_report(task_name: str, run: Run, output: str, compared: Sequence | None = None) -> str:
    """Writes `OUTPUT/reports/TASK-NUMBER.html` and returns its path.

    Args:
      compared: ComparedExample of every example of the evaluated split; None leaves them out.
    """
    task = run.task(task_name)
    page = render(
        task=task,
        run=run,
        started=time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started)),
        evaluation=_evaluation(task, run.evaluation) if run.evaluation else None,
        example_groups=None if compared is None else example_groups(compared),
        curves=_curves(run),
        counts=_counts(run),
        anomalies=_anomalies(run),
        distances=_distances(run),
    )
    file = pathlib.Path(output, "reports", f"{task_name}-{run.number}.html").absolute()
    write_atomic(file, page)
    return str(file)


def render(**facts) -> str:
    """The page. All text is escaped, and no script runs but the page's own, known by its hash."""
    script = (_FOLDER / "report.js").read_text()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("report.html.j2").render(
        script=script, script_hash=f"sha256-{digest}", **facts
    )


def example_groups(compared: Sequence) -> list[ExampleGroup]:
    """Groups examples by who answered them wrong; those that both models got right are left out."""
    wrong = [example for example in compared if not example.candidate.right]
    if not any(example.baseline for example in compared):
        return [_group("Wrong", wrong)]
    won = [
        example for example in compared if example.candidate.right and not example.baseline.right
    ]
    return [
        _group(
            "Lost: the baseline was right", [example for example in wrong if example.baseline.right]
        ),
        _group("Won: the baseline was wrong", won),
        _group("Wrong in both", [example for example in wrong if not example.baseline.right]),
    ]


def _group(title: str, examples: list) -> ExampleGroup:
    surest = sorted(examples, key=lambda example: -example.candidate.confidence)
    return ExampleGroup(title, surest[:_EXAMPLES_SHOWN], len(examples))


def _evaluation(task: Task, folder: str) -> Evaluation:
    # A run of older code may lack a metric that the task has now.
    known = overall(folder, "candidate")
    metrics = tuple(metric for metric in task.metrics if metric.name in known)
    return Evaluation(
        measured(dataclasses.replace(task, metrics=metrics), folder),
        slice_groups(sliced(task, folder)),
        *confusion_and_charts(folder),
    )


def _curves(run: Run) -> list[Chart]:
    trainer = run.stages.get("Trainer")
    model_run = trainer and trainer.output("model_run")
    return training_charts(model_run.uri) if model_run else []


def _counts(run: Run) -> list[FeatureCount]:
    stage = run.stages.get("StatisticsGen")
    statistics = stage and stage.output("statistics")
    return feature_counts(statistics.uri) if statistics else []


def _anomalies(run: Run) -> list[str]:
    stage = run.stages.get("ExampleValidator")
    return anomalies(stage) if stage and stage.output("anomalies") else []


def _distances(run: Run) -> list[Distance]:
    stage = run.stages.get("DriftGate")
    return distances(stage) if stage and "statistics" in stage.inputs else []
