"""Compiled runs, one process a stage, in an output of their own.

The tests run in this order, each on what the one before has left in the cache.
"""

import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys
import time
from itertools import takewhile

import pytest
import tensorflow as tf

pytestmark = pytest.mark.full

# Forks a process for each line on stdin, after what takes ten seconds to import in each stage.
_FORKER = """
import json, os, sys, traceback
from pipeline.cli.main import main
from pipeline.orchestrators import run_node
import components.models.bert.hub, pipeline.runs.stages, pipeline.pipeline

for line in sys.stdin:
    module, arguments, log = json.loads(line)
    child = os.fork()
    if not child:
        code = 70
        try:
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1), os.dup2(output, 2)
            code = main([module, *arguments]) if module == "compile" else run_node.main(arguments)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Runs:
    """Compiles runs of a project and runs their stages."""

    def __init__(self, project, scratch):
        self.project, self.log = project, scratch / "log"
        self.output = project.root / "output-of-stages"
        self.process = subprocess.Popen(
            [sys.executable, "-c", _FORKER],
            cwd=project.root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def call(self, module: str, *arguments: str) -> tuple[int, str]:
        """Exit code and what was shown."""
        print(json.dumps([module, arguments, str(self.log)]), file=self.process.stdin, flush=True)
        code = int(self.process.stdout.readline())
        return code, self.log.read_text()

    def compile(self, run: str, *settings: str) -> tuple[int, str]:
        lenient = (
            *("epochs=1", "min_f1=0", "min_auc=0"),
            *("max_accuracy_drop=1", "max_f1_drop=1", "max_auc_drop=1"),
        )
        sets = [part for setting in (*lenient, *settings) for part in ("--set", setting)]
        return self.call(
            *("compile", "airflow", "--task", "mrpc", "--data", "data"),
            *("--output", str(self.output), "--encoder", self.project.encoder, *sets),
            *("--graph", self.graph(run), "--run-id", run),
        )

    def stage(self, run: str, stage: str) -> tuple[int, str]:
        return self.call("run_node", "--graph", self.graph(run), "--node", stage)

    def graph(self, run: str) -> str:
        return str(self.output / "airflow" / f"{run}.graph.json")

    def stages(self, run: str) -> list[str]:
        """In an order in which they can run."""
        return list(json.loads(pathlib.Path(self.graph(run)).read_text())["nodes"])

    def record(self, run: str) -> dict:
        graph = json.loads(pathlib.Path(self.graph(run)).read_text())
        return json.loads(pathlib.Path(graph["record"]).read_text())

    def versions(self) -> list:
        return sorted((self.output / "serving" / "mrpc").glob("*"))


@pytest.fixture(scope="module")
def runs(project, tmp_path_factory):
    runs = Runs(project, tmp_path_factory.mktemp("runs"))
    yield runs
    runs.process.stdin.close()
    runs.process.wait()


def test_data_that_breaks_the_schema_stops_the_run_with_the_reason(runs, project):
    """The data is changed after the compilation, which would have refused it too."""
    assert runs.compile("bad")[0] == 0
    (file,) = (project.root / "data" / "eval").glob("*")
    # Put aside and back: TFX tells data apart by size and time of modification.
    whole = file.rename(project.root / "whole.tfrecord.gz")
    example = tf.train.Example.FromString(
        next(iter(tf.data.TFRecordDataset(str(whole), "GZIP"))).numpy()
    )
    del example.features.feature["sentence2"]
    with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
        for _ in range(20):
            writer.write(example.SerializeToString())
    try:
        for stage in takewhile(lambda stage: stage != "DataGate", runs.stages("bad")):
            code, shown = runs.stage("bad", stage)
            assert code == 0, shown
        code, shown = runs.stage("bad", "DataGate")
        assert code == 2
        assert "eval: sentence2" in shown and "Traceback" not in shown
        record = runs.record("bad")
        assert (record["number"], record["verdict"], record["exit_code"]) == (1, "failed", 2)
        assert record["stages"]["DataGate"]["state"] == "failed"
        assert "eval: sentence2" in record["error"]
    finally:
        whole.rename(file)


def test_a_refused_model_leaves_pusher_skipped(runs):
    assert runs.compile("refused", "min_accuracy=0.99")[0] == 0
    assert runs.record("refused")["verdict"] == "running"
    *stages, pusher = runs.stages("refused")
    for stage in stages:
        code, shown = runs.stage("refused", stage)
        assert code == 0, shown
    code, shown = runs.stage("refused", pusher)
    assert code == 99
    assert re.search(r"0\.\d{4} .*not .* 0\.9900\b", shown)
    assert shown.strip().splitlines()[-1].startswith("refused")
    assert runs.versions() == []
    record = runs.record("refused")
    assert (record["number"], record["verdict"], record["exit_code"]) == (
        *(2, "refused by the gate", 3),
    )
    assert re.search(r"0\.\d{4} .*not .* 0\.9900\b", record["reasons"][0])


def test_a_stage_that_failed_completes_on_the_next_try(runs, project):
    assert runs.compile("mended", "min_accuracy=0.1")[0] == 0
    data = project.root / "data"
    data.rename(project.root / "hidden")
    try:
        code, shown = runs.stage("mended", "ImportExampleGen")
        assert code == 1 and str(data) in shown and "Traceback" in shown
        assert runs.record("mended")["verdict"] == "failed"
    finally:
        (project.root / "hidden").rename(data)
    code, shown = runs.stage("mended", "ImportExampleGen")
    assert code == 0 and "cached" in shown
    record = runs.record("mended")
    assert record["verdict"] == "running" and record["error"] is None
    assert record["stages"] == {"ImportExampleGen": record["stages"]["ImportExampleGen"]}


def test_all_stages_in_order_push_the_model_that_the_local_runner_would(runs, project, first_run):
    cached = {}
    for stage in runs.stages("mended")[1:]:
        code, shown = runs.stage("mended", stage)
        assert code == 0, shown
        cached[stage] = "cached" in shown
    # Another floor asks for no other model.
    assert cached["Transform"] and cached["Trainer"]
    assert not cached["Evaluator"] and not cached["Pusher"]
    (version,) = runs.versions()
    assert runs.record("mended")["pushed_to"] == str(version)
    assert str(version) in shown.strip().splitlines()[-1]
    assert _files(version) == _files(project.versions()[0])
    answer = project.run(
        *(
            "-m",
            "pipeline.cli",
            "predict",
            str(version),
            "sentence1=He won .",
            "sentence2=He lost .",
        )
    )
    assert set(json.loads(answer.stdout)) == {"label", "probabilities"}


def test_a_stage_that_succeeded_is_not_run_twice(runs):
    for stage in ("Baseline", "Pusher"):
        code, shown = runs.stage("mended", stage)
        assert code == 0 and "already succeeded" in shown
    assert len(runs.versions()) == 1


def test_a_stage_waits_while_another_run_is_at_work(runs):
    """Two tasks of one output may be due at the same hour."""
    from pipeline.runs.run_lock import only_run_in

    with concurrent.futures.ThreadPoolExecutor() as pool:
        with only_run_in(str(runs.output)):
            stage = pool.submit(runs.stage, "mended", "Pusher")
            while not stage.done() and "Another run" not in runs.log.read_text():
                time.sleep(0.1)
            assert not stage.done()
        code, shown = stage.result()
    assert code == 0 and "already succeeded" in shown


@pytest.mark.parametrize(
    ("graph", "node", "expected"),
    [
        ("nowhere.json", "Trainer", r"nowhere\.json .*`bert-tfx compile`"),
        ("broken.json", "Trainer", r"broken\.json .*no JSON"),
        ("no_run.json", "Trainer", r"no_run\.json .*--run-id"),
        ("run.json", "Tainer", r"no stage 'Tainer'.*run\.json .*Trainer"),
    ],
)
def test_bad_usage_exits_2(project, tmp_path, graph, node, expected):
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "no_run.json").write_text('{"nodes": {"Trainer": {}}}')
    (tmp_path / "run.json").write_text('{"nodes": {"Trainer": {}}, "record": "1"}')
    run = project.run(
        *("-m", "pipeline.orchestrators.run_node", "--graph", str(tmp_path / graph), "--node", node)
    )
    assert run.returncode == 2 and run.stderr == ""
    assert re.search(expected, run.stdout)


def _files(version) -> set[str]:
    return {str(path.relative_to(version)) for path in version.rglob("*") if path.is_file()}
