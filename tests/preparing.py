"""What the tests of `prepare` share."""

import hashlib
import pathlib
import subprocess
import sys

import tensorflow as tf

from components.data.examples import values_by_name
from pipeline.cli.main import main
from tests.conftest import REPOSITORY


def write(path, lines):
    content = "".join(line + "\n" for line in lines)
    path.write_text(content, encoding="utf-8")
    return hashlib.sha256(content.encode()).hexdigest()


def read_examples(folder):
    """Feature name -> values, of each record in the folder."""
    files = sorted(str(path) for path in pathlib.Path(folder).iterdir())
    for serialized in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        yield values_by_name(serialized)


def run_prepare(arguments) -> int:
    return main(["prepare", *arguments])


def error_of(capsys, arguments):
    assert run_prepare(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    return error


def state_of(folder):
    paths = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def run_python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )


def assert_refused_without_tensorflow(arguments, where):
    """where: how the error begins."""
    script = (
        "import sys; from pipeline.cli.main import main; code = main(['prepare', *sys.argv[1:]]);"
        "assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    run = run_python("-c", script, *arguments)
    assert run.returncode == 2
    assert run.stderr.startswith(f"error: {where}")
    assert "Traceback" not in run.stderr
