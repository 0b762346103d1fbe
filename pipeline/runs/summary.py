"""The first lines and the closing table of a run."""

import math
import pathlib
import shlex

from rich import box
from rich.markup import escape
from rich.table import Table

from components.evaluation.intervals import Interval
from components.evaluation.paired import LEAST_EXAMPLES
from pipeline.command_line import command_line
from pipeline.config import PipelineConfig
from pipeline.runs.record import Measured, RunRecord, task_of
from pipeline.runs.terminal import Terminal


def print_heading(terminal: Terminal, config: PipelineConfig, examples: dict[str, int]) -> None:
    """Shows task, encoder, the number of examples in each split, and the log."""
    counts = ", ".join(f"{count:,} {split}" for split, count in examples.items())
    terminal.say(
        f"[bold]{config.task.name}[/] with [bold]{escape(config.encoder.handle)}[/], {counts} examples; "
        f"the gate judges {config.eval_split}"
    )
    terminal.say(f"  log: {escape(terminal.log())}", style="dim")


def print_summary(terminal: Terminal, record: RunRecord) -> None:
    """Shows the metrics with bounds and baseline, where the results are, and the verdict."""
    terminal.say()
    terminal.console.print(_metrics_table(record))
    if judged := [m for m in record.metrics if m.change and m.bound is not None]:
        terminal.console.print(_changes_table(record, judged))
    for metric in record.metrics:
        if metric.refused:
            terminal.say(f"  [red]refused:[/] {metric.name} {escape(metric.refused)}")
    for line in _slices_refused(record):
        terminal.say(f"  {line}")
    if weakest := _weakest(record):
        terminal.say(f"  weakest      {escape(weakest)}")
    if record.verdict == "refused by ServingCheck":
        terminal.say(f"  [red]refused:[/] {escape('; '.join(record.reasons))}")
    if record.serving:
        terminal.say(f"  serving      {escape(record.serving)}")
    terminal.say(
        f"  report       {escape(record.places.report or 'none could be made, see the log')}"
    )
    terminal.say(f"  evaluation   {escape(str(record.places.evaluation))}")
    logs = escape(shlex.quote(str(record.places.model_run)))
    terminal.say(f"  training     tensorboard --logdir {logs}")
    minutes, rest = divmod(int(record.seconds or 0), 60)
    spent = f"{minutes}:{rest:02d} min"
    if record.pushed_to:
        texts = (f"{name}=..." for name in task_of(record).head.text_features)
        terminal.say(f"  ask it       {escape(command_line('predict', record.pushed_to, *texts))}")
        served = str(pathlib.Path(record.pushed_to).parent)
        terminal.say(f"  serve it     {escape(command_line('serve', served))}")
        terminal.say(f"[bold green]{record.verdict}[/] {escape(record.pushed_to)} in {spent}")
    else:
        who = record.verdict.removeprefix("refused ")
        terminal.say(f"[bold red]refused[/] {who}, nothing was pushed, in {spent}")


def _metrics_table(record: RunRecord) -> Table:
    columns = ("candidate", _interval_of(record), "baseline", "bound")
    table = _table("metric", *columns, "")
    for metric in record.metrics:
        verdict = "[red]refused[/]" if metric.refused else "[green]ok[/]"
        table.add_row(
            metric.name,
            _number(metric.candidate),
            _range(metric.interval, ""),
            _number(metric.baseline),
            _bound(metric),
            "" if metric.bound is None else verdict,
        )
    return table


def _changes_table(record: RunRecord, judged: list[Measured]) -> Table:
    table = _table("on the same examples", "change", _interval_of(record), "against the baseline")
    for metric in judged:
        if change := metric.change:
            value, interval = _number(change.value, "+"), _range(change.interval, "+")
            table.add_row(metric.name, value, interval, change.verdict)
    return table


def _slices_refused(record: RunRecord) -> list[str]:
    """Returns a line for each bound of a slice that was not met, or was not judged."""
    lines = []
    for s in record.slices:
        for metric in s.metrics:
            what = f"{metric.name} where {s.slice} is {s.value}"
            if metric.refused:
                lines.append(f"[red]refused:[/] {escape(what)} {escape(metric.refused)}")
            elif metric.bound is not None and not s.is_judged:
                few = f"of {s.examples} examples; {LEAST_EXAMPLES} are enough"
                lines.append(f"not judged:  {escape(what)}, {few}")
    return lines


def _weakest(record: RunRecord) -> str | None:
    """Describes the slice with enough examples in which the first metric of the gate is worst."""
    known = [s for s in record.slices if s.is_judged and not s.metrics[0].is_unknown]
    if not known:
        return None
    sign = 1 if known[0].metrics[0].higher_is_better else -1
    weakest = min(known, key=lambda s: sign * s.metrics[0].candidate)
    metric = weakest.metrics[0]
    return (
        f"{metric.name} {metric.candidate:.4f} ({_range(metric.interval, '')}) on the "
        f"{weakest.examples} examples where {weakest.slice} is {weakest.value}"
    )


def _table(first: str, *others: str) -> Table:
    """Returns an empty table, whose columns but the first and the last hold numbers."""
    table = Table(box=box.SIMPLE_HEAD, title=None)
    table.add_column(first)
    for column in others[:-1]:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column(others[-1])
    return table


def _interval_of(record: RunRecord) -> str:
    return f"{record.confidence:.0%} interval"


def _range(interval: Interval | None, sign: str) -> str:
    if not interval or not interval.is_known:
        return "-"
    return " .. ".join(f"{bound:{sign}.4f}" for bound in interval)


def _bound(metric: Measured) -> str:
    """Returns the bound with its direction."""
    if metric.bound is None:
        return "-"
    return f"{'≥' if metric.higher_is_better else '≤'} {_number(metric.bound)}"


def _number(value: float | None, sign: str = "") -> str:
    if value is None or math.isnan(value):
        return "-"
    return f"{value:,.0f}" if value.is_integer() and abs(value) > 1 else f"{value:{sign}.4f}"
