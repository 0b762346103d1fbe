"""Lists the runs of a folder, or compares two of them."""

import hashlib
import pathlib
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.common.stderr_filter import quiet_stderr
from pipeline.cli.options import output_option, runs_task_option
from pipeline.runs.history import read_records
from pipeline.runs.metadata import run_numbered
from pipeline.runs.record import RunRecord, to_json


@click.command("runs")
@output_option
@runs_task_option
@click.option("--compare", type=int, nargs=2, metavar="RUN RUN", help="Numbers of two runs.")
@click.option("--json", "as_json", is_flag=True, help="Prints the records of all runs.")
def command(output: str, task: str | None, compare: tuple[int, int] | None, as_json: bool) -> None:
    """Lists the runs of a folder, or compares two of them.

    It shows a table of all runs; with --compare, a table of all in which two runs differ; with --json, a
    list of the records of all runs, each as in OUTPUT/runs/TASK-NUMBER.json.

    \b
    bert-tfx runs --compare 1 2
    """
    if compare and as_json:
        raise click.UsageError("--compare and --json exclude each other")
    with quiet_stderr():
        runs = read_records(output, task)
        if as_json:
            click.echo(to_json(runs), nl=False)
            return
        table = _differences(*(run_numbered(runs, n) for n in compare)) if compare else _all(runs)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200  # a pipe has no width
    console.print(table)


def _all(runs: list[RunRecord]) -> Table:
    judged = _names([m.name for m in run.metrics if m.bound is not None] for run in runs)
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("run", "started", "data", "encoder", *judged, "verdict", "version"):
        right = column == "run" or column in judged
        table.add_column(column, justify="right" if right else "left", no_wrap=column != "data")
    for run in runs:
        metrics = _metrics(run)
        table.add_row(
            str(run.number),
            run.began,
            escape(_data(run)),
            escape(run.encoder.handle if run.encoder else "-"),
            *(_shown(metrics.get(name)) for name in judged),
            f"[{_COLOURS.get(run.verdict, 'red')}]{_verdict(run)}[/]",
            pathlib.Path(run.pushed_to).name if run.pushed_to else "-",
        )
    return table


def _differences(one: RunRecord, other: RunRecord) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    table.add_column(f"run {one.number}", justify="right", overflow="fold")
    table.add_column(f"run {other.number}", justify="right", overflow="fold")
    facts = [_facts(one), _facts(other)]
    for name in _names(facts):
        values = [_shown(fact.get(name)) for fact in facts]
        if values[0] != values[1]:
            table.add_row(name, *map(escape, values))
    return table


def _facts(run: RunRecord) -> dict[str, Any]:
    return {
        "started": run.began,
        "data": _data(run),
        "encoder": run.encoder and run.encoder.handle,
        "encoder, sha256": run.encoder and run.encoder.sha256[:12],
        **{f"code of {stage}": sha256[:12] for stage, sha256 in run.code.items()},
        **run.settings,
        **_metrics(run),
        "verdict": _verdict(run),
        "version": run.pushed_to,
    }


def _metrics(run: RunRecord) -> dict[str, float]:
    """Returns each metric over the whole split, and the bounds of its interval by TFMA's names."""
    values = {}
    for metric in run.metrics:
        values[metric.name] = metric.candidate
        if metric.interval:
            values[f"{metric.name}_lower"], values[f"{metric.name}_upper"] = metric.interval
    return values


def _data(run: RunRecord) -> str:
    """Returns the folder's name, and a short hash of what was in it."""
    if not run.data.folder:
        return "-"
    content = hashlib.sha256((run.data.fingerprint or "").encode()).hexdigest()[:6]
    return f"{pathlib.Path(run.data.folder).name} {content}"


def _verdict(run: RunRecord) -> str:
    """Returns the verdict; a killed run cannot be told from one that is running."""
    return "not finished" if run.verdict == "running" else run.verdict


def _names(tables) -> list[str]:
    """Returns the keys of all tables, each once, in their order."""
    return list(dict.fromkeys(name for table in tables for name in table))


def _shown(value: Any) -> str:
    if value is None or value == "" or value != value:  # NaN, too
        return "-"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e3 else f"{value:g}"


_COLOURS = {"pushed": "green", "already served": "green", "running": "yellow"}
