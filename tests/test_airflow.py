"""The DAG file: what it reads without Airflow, and the DAG that Airflow makes of it.

`make airflow-demo` installs the Airflow that the second half needs.
"""

import datetime
import json
import pathlib
import re
import shlex
import subprocess

import jinja2
import pytest

import airflow_dag
from components.common.settings import parse_settings
from components.spec.encoder import Encoder
from components.spec.registry import load_task
from pipeline.cli import compile
from pipeline.config import PipelineConfig
from pipeline.orchestrators import graph
from tests.conftest import REPOSITORY

AIRFLOW = REPOSITORY / ".airflow" / "venv" / "bin" / "python"
EDGES = {"First": [], "Second": [], "Trainer": ["First", "Second"], "Pusher": ["Trainer"]}


@pytest.fixture
def dags(tmp_path) -> pathlib.Path:
    """A dags folder with one graph, and no project."""
    encoder = Encoder("my encoder", "/encoder", "0", "/encoder/vocab.txt", True, 16, 128)
    config = PipelineConfig(
        task=load_task("mrpc"), encoder=encoder, data="/data", root="/out put", schema_file=""
    )
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / "mrpc.graph.json").write_text(
        json.dumps(graph.describe(config, EDGES, "0 2 * * *", []))
    )
    (folder / "airflow_dag.py").write_bytes((REPOSITORY / "airflow_dag.py").read_bytes())
    return folder


def render(template: str, **params) -> list[str]:
    """The words that the shell sees of a command."""
    environment = jinja2.Environment()
    environment.filters["quote"] = lambda value: shlex.quote(str(value))
    task = {"try_number": params.pop("try_number", 1)}
    run_id = "manual__2026-01-01T00:00:00+00:00"
    return shlex.split(
        environment.from_string(template).render(run_id=run_id, ti=task, params=params)
    )


def parsed(command: list[str]) -> dict:
    """What `compile airflow` reads of a task's command: exec python -m pipeline.cli ..."""
    return compile.airflow.make_context("airflow", command[6:]).params


def test_the_first_task_compiles_the_run_with_its_parameters(dags):
    file = dags / "mrpc.graph.json"
    read = json.loads(file.read_text())
    given = read["parameters"] | {"data": "it's; rm -rf $HOME", "learning_rate": 3e-5}
    command = render(airflow_dag.compile_command(read, file), **given)
    assert command[:2] == ["exec", read["compile"][0]]
    options = parsed(command)
    assert (options["data"], options["encoder"]) == ("it's; rm -rf $HOME", "my encoder")
    task = load_task("mrpc").override(parse_settings(options["settings"]))
    assert task.hyperparameters.learning_rate == 3e-5
    assert options["same_stages_as"] == str(file)
    assert options["graph"] == "/out put/airflow/manual__2026-01-01T00:00:00+00:00.graph.json"
    assert options["run_id"] == "manual__2026-01-01T00:00:00+00:00"
    again = render(airflow_dag.compile_command(read, file), **given, try_number=2)
    assert parsed(again)["run_id"] == "manual__2026-01-01T00:00:00+00:00~2"


def test_every_stage_reads_the_graph_that_the_first_task_wrote(dags):
    file = dags / "mrpc.graph.json"
    read = json.loads(file.read_text())
    written = parsed(render(airflow_dag.compile_command(read, file), **read["parameters"]))
    command = render(airflow_dag.node_command(read, "Trainer"))
    assert command[2:] == [
        *("-m", "pipeline.orchestrators.run_node", "--node", "Trainer", "--graph", written["graph"])
    ]


def test_graphs_are_found_beside_the_file_or_where_the_environment_says(
    dags, monkeypatch, tmp_path
):
    monkeypatch.setattr(airflow_dag, "__file__", str(dags / "airflow_dag.py"))
    assert airflow_dag.graph_files() == [dags / "mrpc.graph.json"]
    monkeypatch.setenv("BERT_TFX_GRAPH", str(tmp_path / "other.json"))
    with pytest.raises(FileNotFoundError, match=r"other\.json: .*bert-tfx compile"):
        airflow_dag.graph_files()
    (tmp_path / "other.json").touch()
    assert airflow_dag.graph_files() == [tmp_path / "other.json"]
    assert airflow_dag.dag_id(tmp_path / "other.json") == "other"


@pytest.fixture
def in_airflow(dags, tmp_path):
    """Runs Python where there is Airflow and no TFX, with the DAG as `dag`; stdout as JSON."""
    if not AIRFLOW.exists():
        pytest.skip("no Airflow in .airflow/venv; `make airflow-demo` installs it")

    def run(code: str):
        script = (
            "import json, runpy, sys\n"
            f"dag = runpy.run_path({str(dags / 'airflow_dag.py')!r})['mrpc']\n"
        )
        environment = {"AIRFLOW_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            [str(AIRFLOW), "-c", script + code],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_airflow_makes_the_dag_without_tfx(in_airflow):
    facts = in_airflow("""
import importlib.util
print(json.dumps({
    "tfx": [name for name in ("tfx", "tensorflow", "pipeline") if importlib.util.find_spec(name)],
    "upstream": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks},
    "pools": {task.task_id: task.pool for task in dag.tasks},
    "timeouts": {task.task_id: task.execution_timeout.total_seconds() for task in dag.tasks},
    "skip": [list(task.skip_on_exit_code) for task in dag.tasks],
    "retries": [task.retries for task in dag.tasks],
    "dag": [dag.schedule, dag.catchup, dag.max_active_runs, dag.max_active_tasks],
    "documentation": dag.doc_md,
}))
""")
    assert facts["tfx"] == []
    assert facts["upstream"] == {"compile": []} | {
        node: sorted(before) or ["compile"] for node, before in EDGES.items()
    }
    assert facts["pools"] == dict.fromkeys(["compile", *EDGES], "default_pool") | {"Trainer": "gpu"}
    assert facts["timeouts"]["Trainer"] == datetime.timedelta(days=1).total_seconds()
    assert facts["timeouts"]["Pusher"] == datetime.timedelta(hours=2).total_seconds()
    assert facts["skip"] == [[graph.SKIPPED]] * 5
    assert set(facts["retries"]) == {1}
    assert facts["dag"] == ["0 2 * * *", False, 1, 1]
    assert "airflow pools set gpu 1" in facts["documentation"]


def test_airflow_checks_the_types_of_parameters(in_airflow):
    refused = in_airflow("""
import copy
refused = []
wrong = [("epochs", "3"), ("epochs", 2.5), ("learning_rate", "fast"), ("data", 7)]
for name, value in [*wrong, ("epochs", 3), ("learning_rate", 1)]:
    params = copy.deepcopy(dag.params)
    try:
        params[name] = value
        params.validate()
    except Exception as error:
        refused.append([name, value, type(error).__name__])
print(json.dumps(refused))
""")
    assert [(name, value) for name, value, _ in refused] == [
        *(("epochs", "3"), ("epochs", 2.5), ("learning_rate", "fast"), ("data", 7))
    ]
    assert {kind for *_, kind in refused} == {"ParamValidationError"}


def test_exit_codes_become_states(in_airflow):
    """A skip is none of the failures, and only what may go better is tried again."""
    raised = in_airflow("""
raised = {}
for code in (0, 1, 2, 99):
    task = dag.get_task("Trainer")
    task.cwd, task.bash_command = None, f"exit {code}"
    try:
        task.execute({})
        raised[code] = None
    except Exception as error:
        raised[code] = type(error).__name__
print(json.dumps(raised))
""")
    assert raised == {
        "0": None,
        "1": "AirflowException",
        str(graph.BAD_INPUT): "AirflowFailException",
        str(graph.SKIPPED): "AirflowSkipException",
    }


@pytest.fixture(scope="module")
def run_dag(project, tmp_path_factory):
    """Runs the project's DAG as `airflow dags test` does, and returns the state of each task."""
    if not AIRFLOW.exists():
        pytest.skip("no Airflow in .airflow/venv; `make airflow-demo` installs it")
    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    (home / "dags" / "airflow_dag.py").write_bytes((REPOSITORY / "airflow_dag.py").read_bytes())
    lenient = (
        "epochs=1",
        *("min_accuracy=0.1", "min_f1=0", "min_auc=0"),
        *("max_accuracy_drop=1", "max_f1_drop=1", "max_auc_drop=1"),
    )
    compiled = project.run(
        *(
            "-m",
            "pipeline.cli",
            "compile",
            "airflow",
            "--task",
            "mrpc",
            "--encoder",
            project.encoder,
        ),
        *("--data", "data", "--output", str(home / "output")),
        *("--graph", str(home / "dags" / "mrpc.graph.json")),
        *(part for setting in lenient for part in ("--set", setting)),
    )
    assert compiled.returncode == 0, compiled.stderr
    environment = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "HOME": str(pathlib.Path.home()),
        "PATH": f"{AIRFLOW.parent}:/usr/bin:/bin",
    }

    def airflow(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["airflow", *arguments], cwd=home, env=environment, capture_output=True, text=True
        )

    for preparation in (("db", "migrate"), ("pools", "set", "gpu", "1", "one slot per GPU")):
        done = airflow(*preparation)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(date: str, **parameters) -> tuple[dict[str, str], str]:
        """States, and all that was logged."""
        done = airflow("dags", "test", "mrpc", date, "--conf", json.dumps(parameters))
        listed = airflow("tasks", "states-for-dag-run", "mrpc", date, "--output", "json")
        assert listed.returncode == 0, done.stdout + done.stderr + listed.stderr
        tasks = json.loads(listed.stdout[listed.stdout.index("[") :])
        return {task["task_id"]: task["state"] for task in tasks}, done.stdout + done.stderr

    run.serving = home / "output" / "serving" / "mrpc"
    return run


def test_a_run_that_failed_on_its_data_completes_when_they_are_there(run_dag, project):
    data = project.root / "data"
    aside = data.rename(project.root / "data-aside")
    try:
        states, log = run_dag("2026-01-01")
    finally:
        aside.rename(data)
    assert states.pop("compile") == "failed" and set(states.values()) == {"upstream_failed"}
    assert re.search("data .*not exist.*`bert-tfx prepare mrpc ", log)

    states, log = run_dag("2026-01-01")
    assert set(states.values()) == {"success"}, log
    assert len(list(run_dag.serving.iterdir())) == 1
    assert "pushed " in log


def test_a_refused_model_is_shown_as_skipped_and_not_pushed(run_dag):
    before = list(run_dag.serving.iterdir())
    states, log = run_dag("2026-01-02", min_accuracy=0.99)
    assert states.pop("Pusher") == "skipped" and set(states.values()) == {"success"}, log
    assert re.search(r"0\.\d{4} .*not .* 0\.9900\b", log)
    assert log.count(" cached") > 5
    assert list(run_dag.serving.iterdir()) == before
