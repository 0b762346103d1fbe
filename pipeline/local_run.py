"""A run of the whole pipeline on this machine, stage by stage."""

import datetime
import time

from components.models.bert.hub import resolve
from components.spec.task import Task
from pipeline.local_config import local_config
from pipeline.pipeline import compile_pipeline
from pipeline.runs.exit_codes import FAULT
from pipeline.runs.record import record_file
from pipeline.runs.run_lock import only_run_in
from pipeline.runs.stages import begin_run, close_run, node_ids, run_stage
from pipeline.runs.summary import print_heading
from pipeline.runs.terminal import Terminal


def run_pipeline(
    task: Task,
    encoder: str,
    data: str,
    output: str,
    beam_args: tuple[str, ...],
    warm_start: bool,
    started: datetime.datetime,
    terminal: Terminal,
    print_record: bool,
) -> int:
    """Runs the pipeline and returns the exit code.

    Args:
      encoder: preset, URL or folder.
      data: folder that `prepare` wrote.
      output: folder for the results of all runs.
      warm_start: see `local_config`.
      started: when the command began, in UTC.
      print_record: whether the record is printed at the end, whatever the end is.

    Raises:
      InputError: encoder, data or settings cannot be used.
      Exception: whatever a stage raises.
    """
    terminal.wait_for(f"encoder {encoder}")
    resolved = resolve(encoder)
    terminal.wait_for(f"checking {data}")
    config, examples = local_config(task, resolved, data, output, beam_args, warm_start)
    with only_run_in(config.root):
        terminal.keep_log(f"{config.root}/logs/{time.strftime('%Y%m%d-%H%M%S')}-{task.name}.log")
        print_heading(terminal, config, examples)
        pipeline = compile_pipeline(config)
        run_id = datetime.datetime.now().isoformat()  # as LocalDagRunner names runs
        record = begin_run(config, examples, pipeline, run_id, started, terminal.log())
        try:
            for node in node_ids(pipeline):
                record = run_stage(record, config, pipeline, node, terminal)
            record = close_run(record, config, terminal)
        finally:
            if print_record:
                file = record_file(config.root, record.task, record.number)
                terminal.print_last(file.read_text())
    return FAULT if record.exit_code is None else record.exit_code
