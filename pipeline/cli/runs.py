"""Lists the runs of a folder: runs --output DIR [--task TASK] [--compare 1 2].

Without --compare a table of all runs; with it, all in which two of them differ.
"""

import hashlib
import pathlib
import sys
import time
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.common.errors import InputError
from components.common.stderr_filter import quiet_stderr
from pipeline.cli.arguments import parser_of_runs
from pipeline.runs.metadata import Run, metadata_file, read_runs, run_numbered


def main(arguments: list[str] | None = None) -> int:
    parser = parser_of_runs("runs", __doc__)
    parser.add_argument("--compare", type=int, nargs=2, metavar="RUN", help="numbers of two runs")
    options = parser.parse_args(arguments)
    try:
        with quiet_stderr():
            _, file = metadata_file(options.output, options.task)
            runs = read_runs(file)
            if options.compare:
                table = _differences(*(run_numbered(runs, number) for number in options.compare))
            else:
                table = _all(runs)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200  # what reads a pipe has no width
    console.print(table)
    return 0


def _all(runs: list[Run]) -> Table:
    thresholds = _names(run.thresholds for run in runs)
    bounds = [name for name in thresholds if not name.endswith(("_drop", "_increase"))]
    judged = [name[4:] for name in bounds if name.startswith(("min_", "max_"))]
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("run", "started", "data", "encoder", *judged, "verdict", "version"):
        right = column == "run" or column in judged
        table.add_column(column, justify="right" if right else "left", no_wrap=column != "data")
    for run in runs:
        metrics = _metrics(run)
        table.add_row(
            str(run.number),
            _started(run),
            escape(_data(run)),
            escape(run.encoder.get("handle", "-")),
            *(_shown(metrics.get(name)) for name in judged),
            _VERDICTS[run.verdict],
            pathlib.Path(run.pushed_to).name if run.pushed_to else "-",
        )
    return table


def _differences(one: Run, other: Run) -> Table:
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


def _facts(run: Run) -> dict[str, Any]:
    return {
        "started": _started(run),
        "data": _data(run),
        "encoder": run.encoder.get("handle"),
        "encoder, sha256": run.encoder.get("sha256", "")[:12],
        **{f"code of {stage}": sha256[:12] for stage, sha256 in run.code.items()},
        **run.settings,
        **_metrics(run),
        "verdict": run.verdict,
        "version": run.pushed_to,
    }


def _metrics(run: Run) -> dict[str, float]:
    """Metric name -> the candidate's value over the whole split."""
    if not run.evaluation:
        return {}
    from pipeline.runs.metric_results import overall  # seconds of imports

    values = overall(run.evaluation, "candidate")
    return {name: value for name, value in values.items() if not name.endswith("_diff")}


def _data(run: Run) -> str:
    """The folder, and a short name for what was in it."""
    if not run.data:
        return "-"
    content = hashlib.sha256((run.data_fingerprint or "").encode()).hexdigest()[:6]
    return f"{pathlib.Path(run.data).name} {content}"


def _started(run: Run) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started))


def _names(tables) -> list[str]:
    """The keys of all, each once, in the order they come."""
    return list(dict.fromkeys(name for table in tables for name in table))


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e3 else f"{value:g}"


_VERDICTS = {
    "pushed": "[green]pushed[/]",
    "refused": "[red]refused[/]",
    "not pushed": "[red]not pushed[/]",
    "not finished": "[yellow]not finished[/]",
}
