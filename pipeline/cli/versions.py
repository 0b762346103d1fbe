"""Lists, rolls back or prunes the served versions of a task's model.

  list      show the versions with their metrics, data, run and time; the last one is served
  rollback  serve the previous model again, as a new version; the withdrawn version is kept
  prune     remove all but the newest versions

Exit codes: 0 done; 2 bad input or usage.
"""

import argparse
import pathlib
import sys

from rich import box
from rich.console import Console
from rich.table import Table

from components.common.errors import InputError
from components.common.stderr_filter import quiet_stderr
from components.serving import versions
from components.spec.registry import load_task, task_names
from components.spec.task import Task
from pipeline.runs.exit_codes import BAD_INPUT


def main(arguments: list[str] | None = None) -> int:
    """Lists, rolls back or prunes, and returns the exit code."""
    options = _parse(arguments)
    try:
        with quiet_stderr():  # TensorFlow, which reads object stores, logs much at its start
            _act(options, load_task(options.task))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.cli versions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=["list", "rollback", "prune"])
    parser.add_argument("--task", required=True, help=f"one of: {', '.join(task_names())}")
    parser.add_argument("--output", default="output", help="folder with the results of all runs")
    parser.add_argument("--keep", type=int, default=2, help="how many versions prune keeps (2)")
    return parser.parse_args(arguments)


def _act(options: argparse.Namespace, task: Task) -> None:
    base = f"{options.output.rstrip('/')}/serving/{task.name}"
    if not versions.newest(base):
        raise InputError(f"{base} holds no version. Pass the --output of the runs.")
    if options.action == "list":
        Console(highlight=False).print(_table(base, list(task.thresholds)))
    elif options.action == "rollback":
        target, version = versions.rollback(base)
        print(f"{base}/{version} is served now: the model of version {target}")
    else:
        removed = versions.prune(base, options.keep)
        print(f"removed: {', '.join(map(str, removed)) or 'nothing'}")


def _table(base: str, metrics: list[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("version", "pushed (UTC)", *metrics, "data", "run"):
        table.add_column(column, overflow="fold", no_wrap=column != "run")
    numbers = versions.versions(base)
    for version in numbers:
        record = versions.read(f"{base}/{version}/{versions.RECORD}")
        card = versions.read(f"{base}/{version}/{versions.CARD}")
        overall: dict = next(iter(card.get("metrics", [])), {})
        came = record.get("pushed_at", "-").replace("T", "\n")[:16]
        if "rollback_to" in record:
            came += f"\nmodel of {record['rollback_to']}\ninstead of {record['withdrawn']}"
        table.add_row(
            f"{version}\nserved" if version == numbers[-1] else str(version),
            came,
            *(f"{overall[name]['value']:.4f}" if name in overall else "-" for name in metrics),
            _data(card.get("data", {})),
            record.get("run") or "-",
        )
    return table


def _data(data: dict) -> str:
    """Returns the folder's name and the start of each source's checksum, whole in the model card."""
    sources = [source["sha256"][:8] for source in data.get("sources", {}).values()]
    return "\n".join([pathlib.PurePath(data.get("folder", "-")).name, *sources])
