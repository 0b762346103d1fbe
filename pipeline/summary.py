"""The first lines and the closing table of a run."""

import shlex

from rich import box
from rich.table import Table

from pipeline.config import PipelineConfig
from pipeline.outcome import Outcome
from pipeline.terminal import Terminal


def print_heading(terminal: Terminal, config: PipelineConfig, rows: dict[str, int]) -> None:
    counts = ", ".join(f"{count:,} {split}" for split, count in rows.items())
    terminal.say(
        f"[bold]{config.task.name}[/] with [bold]{config.encoder.handle}[/], {counts} rows; "
        f"the gate judges {config.eval_split}"
    )
    terminal.say(f"  log: {terminal.log_path}", style="dim")


def print_summary(
    terminal: Terminal, config: PipelineConfig, outcome: Outcome, seconds: float
) -> None:
    """Metrics against thresholds and baseline, where things are, what to do next, the verdict."""
    terminal.say()
    terminal.console.print(_metrics_table(config, outcome))
    for metric in outcome.metrics:
        if metric.refused:
            terminal.say(f"  [red]refused:[/] {metric.name} {metric.refused}")
    terminal.say(f"  evaluation   {outcome.evaluation}")
    terminal.say(f"  training     tensorboard --logdir {shlex.quote(outcome.model_run)}")
    minutes, rest = divmod(int(seconds), 60)
    spent = f"{minutes}:{rest:02d} min"
    if outcome.pushed_to:
        text = " ".join(f"{name}='...'" for name in config.task.head.text_features)
        terminal.say(f"  ask it       python -m pipeline.predict {outcome.pushed_to} {text}")
        terminal.say(f"[bold green]pushed[/] {outcome.pushed_to} in {spent}")
    elif outcome.blessed:
        terminal.say(f"[bold red]not pushed[/] though the gate passed, in {spent}; see the log")
    else:
        terminal.say(f"[bold red]refused[/] by the gate, nothing was pushed, in {spent}")


def _metrics_table(config: PipelineConfig, outcome: Outcome) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=None)
    for column in ("metric", "candidate", "baseline", "floor", ""):
        table.add_column(column, justify="left" if column in ("metric", "") else "right")
    for metric in outcome.metrics:
        verdict = (
            "" if metric.floor is None else "[red]refused[/]" if metric.refused else "[green]ok[/]"
        )
        table.add_row(
            metric.name, *map(_number, (metric.candidate, metric.baseline, metric.floor)), verdict
        )
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == int(value) and abs(value) > 1 else f"{value:.4f}"
