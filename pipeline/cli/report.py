"""Writes the page of a run, with the examples that were answered wrong."""

import click

from components.common.stderr_filter import quiet_stderr
from pipeline.cli.options import output_option, runs_task_option
from pipeline.runs.history import read_records
from pipeline.runs.metadata import metadata_file, read_run, run_numbered
from pipeline.runs.record import task_of


@click.command("report")
@output_option
@runs_task_option
@click.option(
    "--run", "number", type=int, help="Number of the run, as `runs` shows it; the newest."
)
def command(output: str, task: str | None, number: int | None) -> None:
    """Writes the page of a run, with the examples that were answered wrong, and prints its path.

    The page at the end of a run has no examples. This one shows those that the candidate answered
    wrong, and those where candidate and baseline differ: both models answer them again.

    \b
    bert-tfx report --run 3
    """
    with quiet_stderr():
        record = run_numbered(read_records(output, task), number)
        run = read_run(metadata_file(output, record.task)[1], record.run_id)

        # It takes seconds to import, so bad arguments are reported before.
        from pipeline.report.page import compared, write_report

        report = write_report(record, run, output, compared(task_of(record), run))
    click.echo(report)
