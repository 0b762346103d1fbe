"""Collects what the page of a run shows, and writes the page."""

import base64
import dataclasses
import hashlib
import logging
import pathlib
from collections.abc import Sequence

import jinja2
from tfx.utils import path_utils

from components.common.files import write_atomic
from components.data.drift_gate import Distance
from components.evaluation.comparison import ComparedExample, compare
from components.evaluation.tensorboard import write_evaluation
from components.spec.task import Task
from pipeline.config import PipelineConfig
from pipeline.report.charts import Chart
from pipeline.report.data import (
    FeatureCount,
    Unusable,
    anomalies,
    distances,
    feature_counts,
    unusable,
)
from pipeline.report.evaluation import (
    Confusion,
    SliceGroup,
    confusion_and_charts,
    slice_groups,
)
from pipeline.report.training import training_charts
from pipeline.runs.metadata import read_run
from pipeline.runs.record import RunRecord
from pipeline.runs.run import Run

_FOLDER = pathlib.Path(__file__).parent
_EXAMPLES_SHOWN = 300


@dataclasses.dataclass(frozen=True)
class Drawn:
    """The slices and plots of an evaluation; its metrics are in the record."""

    slices: list[SliceGroup]
    confusion: Confusion | None
    charts: list[Chart]


@dataclasses.dataclass(frozen=True)
class ExampleGroup:
    """Examples that were answered in the same way.

    Attributes:
      title: of the group.
      examples: those shown, the ones that the candidate is surest of first.
      count: how many the group has in all.
    """

    title: str
    examples: list
    count: int


def report_at_end(record: RunRecord, config: PipelineConfig) -> str | None:
    """Writes the page of a run that has just ended, and the evaluation for TensorBoard.

    Returns:
      The path of the page. None where it cannot be made: the log says why, and the run does not fail.
    """
    try:
        run = read_run(config.metadata_file, record.run_id)
        metrics = {metric.name: metric.candidate for metric in record.metrics}
        head, files = config.task.head, run.judged_files
        write_evaluation(str(run.model_run), str(run.evaluation), metrics, head, files)
        return write_report(record, run, config.root)
    except Exception:
        logging.exception("no report")
        return None


def write_report(
    record: RunRecord, run: Run, output: str, compared: Sequence[ComparedExample] | None = None
) -> str:
    """Writes `OUTPUT/reports/TASK-NUMBER.html` and returns its path.

    Args:
      record: of the run.
      run: what ML Metadata says of it, with the places of its artifacts.
      output: folder of results.
      compared: ComparedExample of every example of the evaluated split; None leaves them out.
    """
    page = render(
        record=record,
        started=record.began,
        evaluation=_drawn(record),
        example_groups=None if compared is None else example_groups(compared),
        curves=training_charts(run.model_run) if run.model_run else [],
        counts=_counts(run),
        anomalies=_anomalies(run),
        unusable=_unusable(run),
        distances=_distances(run),
    )
    file = pathlib.Path(output, "reports", f"{record.task}-{record.number}.html").absolute()
    write_atomic(file, page)
    return str(file)


def compared(task: Task, run: Run) -> list[ComparedExample] | None:
    """Answers the split again with both models; None where the Evaluator did not end well."""
    if not run.evaluation:
        return None
    evaluator = run.stages["Evaluator"]
    (model,) = evaluator.inputs["model"]
    baselines = [
        path_utils.serving_model_path(b.uri) for b in evaluator.inputs.get("baseline_model", [])
    ]
    return compare(
        task.head,
        run.judged_files,
        path_utils.serving_model_path(model.uri),
        *(baselines or [None]),
    )


def render(**facts) -> str:
    """Returns the page. All text is escaped, and only the page's own script runs, known by its hash."""
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
    """Groups examples by which model answered them wrong, without those that both got right."""
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


def _drawn(record: RunRecord) -> Drawn | None:
    """Returns what is drawn of the evaluation; None where the Evaluator did not end well."""
    if not record.places.evaluation:
        return None
    return Drawn(slice_groups(record.slices), *confusion_and_charts(record.places.evaluation))


def _counts(run: Run) -> list[FeatureCount]:
    stage = run.stages.get("StatisticsGen")
    statistics = stage and stage.output("statistics")
    return feature_counts(statistics.uri) if statistics else []


def _anomalies(run: Run) -> list[str]:
    stage = run.stages.get("ExampleValidator")
    return anomalies(stage) if stage and stage.output("anomalies") else []


def _unusable(run: Run) -> list[Unusable]:
    stage = run.stages.get("TargetGate")
    return unusable(stage) if stage else []


def _distances(run: Run) -> list[Distance]:
    stage = run.stages.get("DriftGate")
    return distances(stage) if stage and "statistics" in stage.inputs else []
