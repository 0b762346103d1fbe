import json
import re

import pytest

from components.models.bert.hub import resolve
from components.spec.registry import load_task
from pipeline.cli.main import main
from pipeline.local_config import local_config
from pipeline.orchestrators.graph import config_from_json, config_to_json, read_graph


@pytest.fixture
def arguments(project, tmp_path):
    return [
        *("compile", "airflow", "--task", "mrpc", "--data", str(project.root / "data")),
        *("--output", str(tmp_path / "output"), "--encoder", project.encoder),
        *("--graph", str(tmp_path / "mrpc.graph.json")),
    ]


def test_the_graph_has_every_stage_with_what_comes_before_it(arguments, tmp_path):
    assert main([*arguments, "--set", "epochs=2", "--schedule", "0 2 * * *"]) == 0
    graph = read_graph(str(tmp_path / "mrpc.graph.json"))
    nodes = graph["nodes"]
    assert nodes["ImportExampleGen"]["upstream"] == []
    assert {"ImportExampleGen", "DataGate"} <= set(nodes["Transform"]["upstream"])
    assert {"Trainer", "Baseline"} <= set(nodes["Evaluator"]["upstream"])
    for position, (node, facts) in enumerate(nodes.items()):
        assert set(facts["upstream"]) <= set(list(nodes)[:position]), f"{node} is out of order"
    assert [node for node, facts in nodes.items() if facts["pool"] == "gpu"] == ["Trainer"]
    assert graph["schedule"] == "0 2 * * *"
    assert graph["parameters"]["epochs"] == 2
    assert set(graph["parameters"]) == {"data", "encoder", *load_task("mrpc").settings()}
    assert not {"run_id", "ir"} & set(graph)


def test_a_model_server_is_asked_before_the_serving_check(arguments, tmp_path):
    assert main([*arguments, "--set", "model_server=2.16.1"]) == 0
    nodes = read_graph(str(tmp_path / "mrpc.graph.json"))["nodes"]
    assert {"ImportExampleGen", "Trainer"} <= set(nodes["InfraValidator"]["upstream"])
    assert "InfraValidator" in nodes["ServingCheck"]["upstream"]


def test_other_stages_than_the_dag_has_are_refused(arguments, tmp_path, capsys):
    dag, run = tmp_path / "mrpc.graph.json", tmp_path / "run.graph.json"
    assert main(arguments) == 0
    of_a_run = [*arguments[:-1], str(run), "--run-id", "one", "--same-stages-as", str(dag)]
    assert main(of_a_run) == 0
    assert json.loads((tmp_path / "run.ir.json").read_text())["nodes"]
    run.unlink()

    graph = json.loads(dag.read_text())
    graph["nodes"]["Transform"]["upstream"].remove("DataGate")
    dag.write_text(json.dumps(graph))
    assert main(of_a_run) == 2
    assert re.search(f"stages.*{dag}.*`bert-tfx compile`", capsys.readouterr().err)
    assert not run.exists()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--task", "mrcp"], "'mrcp'.*mean 'mrpc'"),
        (["--set", "epoch=3"], "epoch=3: .*mean 'epochs'"),
        (["--set", "epochs"], "--set epochs: .*NAME=VALUE"),
        (["--data", "nowhere"], "nowhere .*not exist.*`bert-tfx prepare mrpc "),
    ],
)
def test_bad_usage_exits_2_and_leaves_nothing(arguments, tmp_path, more, expected, capsys):
    assert main([*arguments, *more]) == 2
    assert re.search(expected, capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_survives_json(project, tmp_path):
    task, data = load_task("mrpc"), str(project.root / "data")
    config, _ = local_config(task, resolve(project.encoder), data, str(tmp_path))
    assert config_from_json(json.loads(json.dumps(config_to_json(config)))) == config
