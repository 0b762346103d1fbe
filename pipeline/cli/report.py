"""Writes the page of a run, with the examples that were answered wrong.

The page at the end of a run has no examples. This one shows those that the candidate answered wrong,
and those where candidate and baseline differ: both models answer them again. `runs` numbers the runs.
"""

import sys

from components.common.errors import InputError
from components.common.stderr_filter import quiet_stderr
from pipeline.cli.arguments import parser_of_runs
from pipeline.runs.exit_codes import BAD_INPUT
from pipeline.runs.history import read_records
from pipeline.runs.metadata import metadata_file, read_run, run_numbered
from pipeline.runs.record import task_of


def main(arguments: list[str] | None = None) -> int:
    """Writes the page, prints its path, and returns the exit code."""
    parser = parser_of_runs("report", __doc__)
    parser.add_argument(
        "--run", type=int, metavar="NUMBER", help="number of the run; the newest without it"
    )
    options = parser.parse_args(arguments)
    try:
        with quiet_stderr():
            record = run_numbered(read_records(options.output, options.task), options.run)
            _, file = metadata_file(options.output, record.task)
            run = read_run(file, record.run_id)

            # These imports take seconds, so bad arguments are reported before them.
            from pipeline.report.page import compared, write_report

            report = write_report(record, run, options.output, compared(task_of(record), run))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    print(report)
    return 0
