"""Puts the page together, and writes it."""

import base64
import dataclasses
import hashlib
import logging
import pathlib
from collections.abc import Sequence

import jinja2

from components.data.drift_gate import Distance
from components.evaluation.tensorboard import write_evaluation
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
from pipeline.runs.metadata import read_run
from pipeline.runs.results import RunRecord, write_atomic
from pipeline.runs.run import Run

_FOLDER = pathlib.Path(__file__).parent
_ROWS_SHOWN = 300


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What is drawn of an evaluation; its figures are in the record."""

    slices: list[SliceGroup]
    confusion: Confusion | None
    charts: list[Chart]


@dataclasses.dataclass(frozen=True)
class RowGroup:
    """rows: those shown, the ones that the candidate is surest of first, of `count` in all."""

    title: str
    rows: list
    count: int


def report_at_end(record: RunRecord, config: PipelineConfig) -> str | None:
    """Path of the page of a run that has just ended, whose evaluation TensorBoard gets as well.

    None where no page can be made, and the log says why: what was pushed is pushed all the same.
    """
    try:
        run = read_run(config.metadata_file, record.run_id)
        metrics = {metric.name: metric.candidate for metric in record.metrics}
        head, files = config.task.head, run.judged_files
        write_evaluation(run.model_run, run.evaluation, metrics, head, files)
        return write_report(record, run, config.root)
    except Exception:
        logging.exception("no report")
        return None


def write_report(record: RunRecord, run: Run, output: str, compared: Sequence | None = None) -> str:
    """Writes `OUTPUT/reports/TASK-NUMBER.html` and returns its path.

    Args:
      run: where the stages of the record's run have left what they made.
      compared: ComparedRow of every row of the evaluated split; None leaves them out.
    """
    page = render(
        record=record,
        started=f"{record.started.astimezone():%Y-%m-%d %H:%M}",
        evaluation=_drawn(record),
        row_groups=None if compared is None else row_groups(compared),
        curves=training_charts(run.model_run) if run.model_run else [],
        counts=_counts(run),
        anomalies=_anomalies(run),
        distances=_distances(run),
    )
    file = pathlib.Path(output, "reports", f"{record.task}-{record.number}.html").absolute()
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


def row_groups(compared: Sequence) -> list[RowGroup]:
    """Of rows that the candidate and the baseline answered; those that both got right are left out."""
    wrong = [row for row in compared if not row.candidate.right]
    if not any(row.baseline for row in compared):
        return [_group("Wrong", wrong)]
    won = [row for row in compared if row.candidate.right and not row.baseline.right]
    return [
        _group("Lost: the baseline was right", [row for row in wrong if row.baseline.right]),
        _group("Won: the baseline was wrong", won),
        _group("Wrong in both", [row for row in wrong if not row.baseline.right]),
    ]


def _group(title: str, rows: list) -> RowGroup:
    surest = sorted(rows, key=lambda row: -row.candidate.confidence)
    return RowGroup(title, surest[:_ROWS_SHOWN], len(rows))


def _drawn(record: RunRecord) -> Drawn | None:
    """None where the run did not come so far."""
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


def _distances(run: Run) -> list[Distance]:
    stage = run.stages.get("DriftGate")
    return distances(stage) if stage and "statistics" in stage.inputs else []
