"""The rules of the layout, read from the tree itself; docs/architecture.md tells why they are so."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

import components
from components.spec.registry import task_names
from pipeline.cli.main import summaries

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUNNERS = ("airflow_dag", "kubeflow_runner", "local_runner")
# The rooms from the top down, as the package's own docstring lists them.
ROOMS = re.findall(r"^    (\w+)  +\S", components.__doc__, re.MULTILINE)
LARGEST_ROOM = 12


def modules(folder: str) -> list[pathlib.Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


def imported(path: pathlib.Path) -> set[str]:
    """All that a module imports, inside of functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def tops(path: pathlib.Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


def rooms_of(path: pathlib.Path) -> set[str]:
    """The rooms of `components` that a module imports from."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("components.")}


def test_every_room_is_in_the_list():
    rooms = {
        path.name for path in (ROOT / "components").iterdir() if (path / "__init__.py").exists()
    }
    assert set(ROOMS) == rooms and len(ROOMS) == len(rooms)


@pytest.mark.parametrize("place", range(len(ROOMS)), ids=ROOMS)
def test_a_room_imports_only_from_those_above_it(place):
    for path in modules(f"components/{ROOMS[place]}"):
        below = (rooms_of(path) & set(ROOMS)) - set(ROOMS[: place + 1])
        assert not below, f"{path.relative_to(ROOT)} imports from {below}"


def test_tasks_are_loaded_by_name_alone():
    for folder in ("components", "pipeline", "benchmarks"):
        for path in modules(folder):
            assert "tasks" not in rooms_of(path), path.relative_to(ROOT)


def test_components_know_no_pipeline_and_the_pipeline_no_runner():
    for path in modules("components"):
        assert not tops(path) & {"pipeline", *RUNNERS}, path.relative_to(ROOT)
    for path in modules("pipeline"):
        assert not tops(path) & set(RUNNERS), path.relative_to(ROOT)


def test_pipeline_touches_no_tensor():
    for path in modules("pipeline"):
        assert not tops(path) & {"tensorflow", "tensorflow_text"}, path.relative_to(ROOT)


def test_imports_stand_at_the_top():
    """But for the few of what takes seconds to import, each with its reason beside it."""
    hidden = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for top in ("components", "pipeline")
        for path in modules(top)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom) and node.col_offset
    ]
    assert len(hidden) < 15, hidden


@pytest.mark.parametrize("top", ["components", "pipeline"])
def test_no_room_is_crowded_and_each_says_what_lives_in_it(top):
    for package in {path.parent for path in modules(top)}:
        docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text()))
        assert docstring and len(docstring) > 40, package.relative_to(ROOT)
        count = len([path for path in package.glob("*.py") if path.stem != "__init__"])
        assert count <= LARGEST_ROOM or package.name == "cli", f"{package}: {count} modules"


def test_the_pipeline_knows_no_orchestrator():
    """All that differs between them is in its config."""
    text = (ROOT / "pipeline" / "pipeline.py").read_text().lower()
    for name in ("airflow", "kubeflow", "kfp", "vertex", "dagrunner", "dag_runner", "dataflow"):
        assert name not in text, name


def test_every_task_has_a_schema():
    schemas = {path.stem for path in (ROOT / "schema").glob("*.pbtxt")}
    assert schemas == set(task_names())


@pytest.mark.parametrize(
    "module",
    [
        *("local_runner", "kubeflow_runner", "airflow_dag", "pipeline.orchestrators.run_node"),
        *(f"pipeline.cli.{name}" for name in summaries() if name not in ("convert", "encoder")),
    ],
)
def test_bad_arguments_are_told_before_tensorflow_is_imported(module):
    script = f"import sys, {module}; sys.exit('tensorflow' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT)
    assert run.returncode == 0


def test_every_task_is_read_where_tensorflow_cannot_be_imported():
    script = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from components.spec.registry import load_task, task_names\n"
        "for name in task_names(): load_task(name)\n"
        "heavy = ('tensorflow', 'tfx', 'apache_beam')\n"
        "found = [name for name in sys.modules if name.startswith(heavy)]\n"
        "assert found == ['tensorflow'], found"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
