"""What tests share: a tiny encoder, and one project in which the whole pipeline has run."""

import ast
import dataclasses
import json
import pathlib
import random
import shutil
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass
class Project:
    """A copy of the source, with the sample prepared for it."""

    root: pathlib.Path
    encoder: str

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        """`python ...` in the copy; `record` is that of the run of the pipeline that it began."""
        before = self._records()
        run = subprocess.run(
            [sys.executable, *arguments], cwd=self.root, capture_output=True, text=True
        )
        (run.record,) = [json.loads(f.read_text()) for f in self._records() - before] or [None]
        return run

    def _records(self) -> set[pathlib.Path]:
        return set(self.root.rglob("runs/*.json"))

    def pipeline(
        self,
        *settings: str,
        data: str = "data",
        output: str = "output",
        more: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess:
        """One run with the tiny encoder, which learns nothing in so few steps, and bounds to match."""
        lenient = (
            "epochs=1",
            "min_accuracy=0.1",
            "min_f1=0",
            "min_auc=0",
            "max_accuracy_drop=1",
            "max_f1_drop=1",
            "max_auc_drop=1",
        )
        sets = [part for setting in (*lenient, *settings) for part in ("--set", setting)]
        return self.run(
            *("local_runner.py", "--task", "mrpc", "--data", data, "--output", output),
            *("--encoder", self.encoder, *sets, *more),
        )

    def versions(self) -> list[pathlib.Path]:
        return sorted((self.root / "output" / "serving" / "mrpc").glob("*"))

    def transformed(self) -> tuple[pathlib.Path, pathlib.Path]:
        """What the first run's Transform left: the graph's folder, and that of the examples."""
        stage = self.root / "output" / "artifacts" / "mrpc" / "Transform"
        graph = min((stage / "transform_graph").iterdir(), key=lambda path: int(path.name))
        return graph, stage / "transformed_examples" / graph.name

    def edit(self, file: str) -> None:
        """Adds a statement to a source file, for which no other one looks."""
        path = self.root / file
        path.write_text(path.read_text() + "\n_EDITED = 1\n")

    def redocument(self, file: str) -> None:
        """Gives a source file another docstring and a comment, so that it does what it did."""
        path = self.root / file
        source = path.read_text()
        docstring = ast.parse(source).body[0]
        lines = source.splitlines(keepends=True)[docstring.end_lineno :]
        path.write_text("".join(['"""Edited."""  # Edited.\n', *lines]))


def stages(run: subprocess.CompletedProcess) -> dict[str, str]:
    """Stage -> `ran` or `cached`, of those that came to their end."""
    return {
        name: "cached" if stage["cached"] else "ran"
        for name, stage in run.record["stages"].items()
        if stage["state"] == "complete"
    }


def pytest_collection_modifyitems(config, items):
    """A test that starts from a run of the pipeline needs one; --shuffle mixes the tests of a module."""
    for item in items:
        if "first_run" in item.fixturenames:
            item.add_marker("run")
    if seed := config.getoption("--shuffle"):
        mixed = random.Random(seed)
        modules = {
            module: mixed.random() for module in sorted({item.module.__name__ for item in items})
        }
        order = {item.nodeid: mixed.random() for item in sorted(items, key=lambda i: i.nodeid)}
        items.sort(key=lambda item: (modules[item.module.__name__], order[item.nodeid]))


def pytest_addoption(parser):
    parser.addoption("--shuffle", metavar="SEED", help="mix the modules, and the tests of each")
    parser.addoption("--long", action="store_true", help="the long forms of the serving tests")


@pytest.fixture(scope="session")
def long_form(request) -> bool:
    """Whether a test that has a long form runs it: more clients, requests, seconds."""
    return request.config.getoption("--long")


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory) -> str:
    from tests.tiny_encoder import write_tiny_encoder

    sample = REPOSITORY / "samples" / "mrpc" / "msr_paraphrase_train.txt"
    words = sorted(set(sample.read_text(encoding="utf-8-sig").lower().split()))
    return write_tiny_encoder(str(tmp_path_factory.mktemp("tiny") / "encoder"), words)


def copy_of_source(root: pathlib.Path) -> pathlib.Path:
    """The folder, with what a run on this machine needs in it."""
    for name in ("components", "pipeline", "schema", "samples"):
        shutil.copytree(REPOSITORY / name, root / name)
    shutil.copy(REPOSITORY / "local_runner.py", root)
    return root


@pytest.fixture(scope="session")
def project(tmp_path_factory, tiny_encoder) -> Project:
    """Before any run."""
    root = copy_of_source(tmp_path_factory.mktemp("project"))
    copy = Project(root, tiny_encoder)
    prepared = copy.run(
        "-m", "pipeline.cli", "prepare", "mrpc", "--source", "samples/mrpc", "--output", "data"
    )
    assert prepared.returncode == 0, prepared.stderr
    return copy


@pytest.fixture(scope="session")
def first_run(project) -> subprocess.CompletedProcess:
    """The run that the end-to-end tests start from."""
    run = project.pipeline()
    assert run.returncode == 0, run.stdout + run.stderr
    return run


@pytest.fixture(scope="session")
def as_the_first_run_left_it(project, first_run, tmp_path_factory) -> pathlib.Path:
    return shutil.copytree(project.root, tmp_path_factory.mktemp("kept") / "root", symlinks=True)


@pytest.fixture
def own_project(project, as_the_first_run_left_it):
    """The project after its first run, for a test that changes it: put back when the test is over.

    Its folder stays the same, since ML Metadata names the files that a run left by their whole path.
    """
    yield project
    shutil.rmtree(project.root)
    shutil.copytree(as_the_first_run_left_it, project.root, symlinks=True)
