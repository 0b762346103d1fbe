"""What `predict` tells before it loads TensorFlow; what it answers is in tests/test_serving.py."""

import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

WITHOUT_TENSORFLOW = (
    "import sys; sys.modules['tensorflow'] = None\n"
    "from pipeline.cli.main import main; sys.exit(main(['predict', *sys.argv[1:]]))"
)


@pytest.mark.parametrize("name", [None, "1", "1/variables", "1.2", "version"])
def test_a_folder_without_a_whole_model_is_told_at_once(tmp_path, name):
    """A version without its saved_model.pb is being copied, or what was left of it."""
    model = tmp_path / "serving"
    if name:
        (model / name).mkdir(parents=True)
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, str(model), "sentence1=a"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2
    assert re.fullmatch(f"error: {model} .*no model.* closing table .*\n", run.stderr)
