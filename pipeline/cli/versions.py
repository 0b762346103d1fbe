"""Lists, rolls back or prunes the served versions of a model."""

import pathlib

import click
from rich import box
from rich.console import Console
from rich.table import Table

from components.common.errors import InputError
from components.common.stderr_filter import quiet_stderr
from components.serving import versions
from components.spec.registry import load_task
from pipeline.cli.options import output_option, task_option


@click.command("versions")
@click.argument("action", type=click.Choice(["list", "rollback", "prune"]))
@task_option
@output_option
@click.option("--keep", type=int, default=2, show_default=True, help="How many prune keeps.")
def command(action: str, task: str, output: str, keep: int) -> None:
    """Lists, rolls back or prunes the served versions of a model.

    list shows the versions with their metrics, data, run and time; the last one is served. rollback
    serves the previous model again, as a new version; the withdrawn version is kept. prune removes all
    but the newest versions.

    \b
    bert-tfx versions rollback --task mrpc
    """
    with quiet_stderr():  # TensorFlow, which reads object stores, logs much at its start
        spec = load_task(task)
        base = f"{output.rstrip('/')}/serving/{spec.name}"
        if not versions.newest(base):
            raise InputError(f"{base} holds no version. Pass the --output of the runs.")
        if action == "list":
            Console(highlight=False).print(_table(base, list(spec.thresholds)))
        elif action == "rollback":
            target, version = versions.rollback(base)
            click.echo(f"{base}/{version} is served now: the model of version {target}")
        else:
            removed = versions.prune(base, keep)
            click.echo(f"removed: {', '.join(map(str, removed)) or 'nothing'}")


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
