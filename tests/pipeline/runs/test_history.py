"""The runs of an output: with their records, without them, and killed."""

import dataclasses
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from pipeline.cli.main import main
from pipeline.runs.history import read_records, record_of
from pipeline.runs.metadata import metadata_file, read_runs, run_ids
from pipeline.runs.record import from_json, read_record, record_file, to_json


@pytest.fixture
def without_records(project, first_run, tmp_path):
    """What an output is where the version before made it."""
    (tmp_path / "metadata").mkdir()  # of one task: other tests may have run SQuAD there
    shutil.copy(project.root / "output" / "metadata" / "mrpc.sqlite", tmp_path / "metadata")
    return str(tmp_path)


def test_the_record_says_what_ml_metadata_says(project, first_run):
    output = str(project.root / "output")
    run = read_runs(metadata_file(output, "mrpc")[1])[0]
    written = read_record(record_file(output, "mrpc", 1))
    told = record_of("mrpc", run)
    assert written.stages.keys() == told.stages.keys() and len(written.metrics) > 3
    ours, theirs = (json.loads(to_json(record)) for record in (written, told))
    differ = {name for name in ours if ours[name] != theirs[name]}
    assert differ <= {"started", "ended", "data", "settings", "stages", "places"}
    assert written.data == dataclasses.replace(told.data, examples={"train": 300, "eval": 100})
    assert written.settings == written.settings | told.settings
    assert written.places.model_run == told.places.model_run
    assert written.error is None and written.ended > written.started


def test_runs_of_the_version_before_are_listed(project, first_run, without_records, capsys):
    assert main(["runs", "--output", without_records]) == 0
    shown = capsys.readouterr().out
    assert re.search(rf"pushed +{project.versions()[0].name}", shown)
    assert main(["runs", "--output", without_records, "--compare", "1", "1"]) == 0
    report = project.run("-m", "pipeline.cli", "report", "--output", without_records, "--run", "1")
    assert report.returncode == 0, report.stderr
    assert report.stdout.strip().endswith("reports/mrpc-1.html")


def test_all_records_are_one_json_document(project, first_run, without_records, capsys):
    assert main(["runs", "--output", str(project.root / "output"), "--task", "mrpc", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert from_json(json.dumps(first)) == from_json(json.dumps(first_run.record))
    assert main(["runs", "--output", without_records, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["verdict"] == "pushed"


def test_a_run_is_numbered_before_its_first_stage(without_records):
    from tfx.proto.orchestration import pipeline_pb2

    from pipeline.runs.stages import register_run

    def register(run_id: str) -> int:
        pipeline = pipeline_pb2.Pipeline()
        pipeline.runtime_spec.pipeline_run_id.field_value.string_value = run_id
        contexts = pipeline.nodes.add().pipeline_node.contexts
        for kind, name in (("pipeline", "mrpc"), ("pipeline_run", run_id)):
            context = contexts.contexts.add()
            context.type.name, context.name.field_value.string_value = kind, name
        return register_run(metadata_file(without_records, None)[1], pipeline)

    before = len(run_ids(metadata_file(without_records, None)[1]))
    assert [register("a"), register("b"), register("a")] == [before + n for n in (1, 2, 1)]
    *_, record, _ = read_records(without_records, None)
    assert (record.run_id, record.verdict, record.stages) == ("a", "running", {})


@pytest.mark.full
def test_a_killed_run_leaves_a_record_that_says_running(project, tmp_path):
    command = ["local_runner.py", "--task", "mrpc", "--data", "data", "--set", "epochs=1"]
    command += ["--encoder", project.encoder, "--output", str(tmp_path)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run = subprocess.Popen([sys.executable, *command], cwd=project.root, **quiet)
    file = record_file(str(tmp_path), "mrpc", 1)
    while not file.exists() or "Transform" not in read_record(file).stages:
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    record = read_record(file)
    assert (record.verdict, record.exit_code, record.ended) == ("running", None, None)
    assert record.stages["StatisticsGen"].state == "complete"
    assert record.stopped_in == "Transform"

    def shown() -> str:
        listed = project.run("-m", "pipeline.cli", "runs", "--output", str(tmp_path))
        assert listed.returncode == 0, listed.stderr
        return listed.stdout

    assert "not finished" in shown()
    page = project.run("-m", "pipeline.cli", "report", "--output", str(tmp_path))
    assert page.returncode == 0, page.stderr
    file.unlink()
    assert "not finished" in shown()


WRITES = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")  # so that pages are written before the end
database.execute("BEGIN IMMEDIATE")
database.execute("UPDATE Context SET name = name || hex(zeroblob(9000))")
database.execute("CREATE TABLE more AS SELECT * FROM Artifact, Execution")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_killed_while_metadata_was_written_is_read(without_records):
    task, file = metadata_file(without_records, None)
    before = run_ids(file)
    killed = subprocess.run([sys.executable, "-c", WRITES, file])
    assert killed.returncode == -signal.SIGKILL and pathlib.Path(f"{file}-journal").exists()
    assert run_ids(file) == before
    assert [record.verdict for record in read_records(without_records, task)]


def test_metadata_without_a_run_is_no_fault(tmp_path, capsys):
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "mrpc.sqlite").touch()  # a run was killed at its very start
    assert main(["runs", "--output", str(tmp_path)]) == 2
    (tmp_path / "metadata" / "mrpc.sqlite").write_text("no database" * 100)
    assert main(["runs", "--output", str(tmp_path)]) == 2
    assert "mrpc.sqlite" in capsys.readouterr().err
