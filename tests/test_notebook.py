"""docs/evaluation.ipynb, from top to bottom on a real run."""

import base64
import html
import json
import re

import nbformat
import pytest
from nbclient import NotebookClient

from pipeline.runs.metadata import metadata_file, read_runs
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.full

NOTEBOOK = REPOSITORY / "docs" / "evaluation.ipynb"


@pytest.fixture(scope="module")
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_is_kept_without_outputs(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None


@pytest.fixture(scope="module")
def outputs(notebook, project, first_run) -> list[dict]:
    """What the executed cells show, each as MIME type -> text."""
    executed = nbformat.from_dict(json.loads(json.dumps(notebook)))
    (parameters,) = (c for c in executed.cells if "parameters" in c.metadata.get("tags", ()))
    assert 'OUTPUT = "../output"' in parameters.source
    parameters.source = parameters.source.replace("../output", str(project.root / "output"))
    folder = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(executed, timeout=600, kernel_name="python3", resources=folder).execute()
    return [
        output.get("data", {"text/plain": output.get("text", "")})
        for cell in executed.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]


def test_the_notebook_shows_the_run_in_tfmas_own_views(outputs, project):
    views = [o["text/html"] for o in outputs if "data-view" in o.get("text/html", "")]
    kinds = [re.search(r'data-view="([\w-]+)"', view)[1] for view in views]
    assert kinds == ["tfma-nb-slicing-metrics", "tfma-nb-plot", "tfma-nb-time-series"]
    slices, _, series = (_facts(view) for view in views)
    assert {row["slice"] for row in slices} == {"label:0", "label:1"}
    runs = read_runs(metadata_file(str(project.root / "output"), "mrpc")[1])
    pushed = {run.evaluation for run in runs if run.pushed_to}
    assert pushed and len(series) == len(pushed)


def test_the_notebook_shows_statistics_schema_and_anomalies(outputs):
    shown = [text for output in outputs for text in output.values()]
    assert any("all examples" in text and "accuracy_upper" in text for text in shown)
    assert sum("facets-overview" in text for text in shown) == 2
    assert any("'sentence1'" in text and "'label'" in text for text in shown)
    assert sum("No anomalies found" in text for text in shown) == 2


def _facts(view: str) -> list:
    """What the view's element is given."""

    encoded = re.search(r'atob\("([\w+/=]+)"\)', html.unescape(view))[1]
    return json.loads(base64.b64decode(encoded))["data"]
