"""The one arrow of imports: runners -> pipeline -> components -> components/bert."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUNNERS = {"airflow_dag", "kubeflow_runner", "local_runner"}


def imported(path: pathlib.Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def files(folder: str) -> list[pathlib.Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("components", {"pipeline", *RUNNERS}),
        ("pipeline", RUNNERS),
        ("components/bert", {"components.heads", "components.tasks", "components.trainer"}),
    ],
)
def test_imports_go_one_way(folder, forbidden):
    for path in files(folder):
        wrong = {
            name
            for name in imported(path)
            if any(name == f or name.startswith(f"{f}.") for f in forbidden)
        }
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_pipeline_touches_no_tensor():
    for path in files("pipeline"):
        assert not {"tensorflow", "tensorflow_text"} & imported(path), path.name


def test_the_pipeline_knows_no_orchestrator():
    """All that differs between them is in its config."""
    text = (ROOT / "pipeline" / "pipeline.py").read_text().lower()
    for name in ("airflow", "kubeflow", "kfp", "vertex", "dagrunner", "dag_runner", "dataflow"):
        assert name not in text, name


def test_every_task_has_a_schema():
    from components.tasks import task_names

    schemas = {path.stem for path in (ROOT / "schema").glob("*.pbtxt")}
    assert schemas == set(task_names())
