"""Every command, with what the user can mend: exit code 2, one line, nothing left behind."""

import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest
import tensorflow as tf

from components.common.errors import mendable
from pipeline.cli.main import summaries
from tests.conftest import REPOSITORY

DATA = ("--task", "mrpc", "--data", "{data}")


def bert_tfx(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def places(project, tmp_path_factory) -> dict[str, str]:
    """A file where a folder should be, a SavedModel of others, one that is damaged, a port in use."""
    folder = tmp_path_factory.mktemp("places")
    (folder / "file").write_text("")
    module = tf.Module()
    module.asked = tf.function(
        lambda x: {"y": x}, input_signature=[tf.TensorSpec([None], tf.int32)]
    )
    tf.saved_model.save(module, str(folder / "foreign"), signatures={"other": module.asked})
    (folder / "damaged").mkdir()
    (folder / "damaged" / "saved_model.pb").write_bytes(b"\x00no model")
    return {
        "data": str(project.root / "data"),
        "encoder": project.encoder,
        **{name: str(folder / name) for name in ("file", "foreign", "damaged")},
    }


@pytest.mark.run  # a process for each
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["prepare", "mrpc", "--source", "samples/mrpc", "--output", "{file}/data"], "{file}"),
        (["run", *DATA, "--encoder", "{encoder}", "--output", "{file}/out"], "{file}"),
        (["run", *DATA, "--encoder", "{damaged}", "--output", "/nowhere"], "{damaged}"),
        (["encoder", "{foreign}"], "{foreign}"),
        (["predict", "{foreign}", "sentence1=a"], "{foreign}"),
        (["predict", "{damaged}", "sentence1=a"], "{damaged}"),
        (["predict", "{foreign}", "--score", "{file}"], "{foreign}"),
        (["batch", "{foreign}", "{file}", "--output", "{file}/out"], "{foreign}"),
        (["serve", "{foreign}"], "{foreign}"),
        (["report", "--output", "{file}"], "{file}"),
        (["runs", "--output", "{file}"], "{file}"),
        (["versions", "list", "--task", "mrpc", "--output", "{file}"], "{file}"),
        (["sweep", *DATA, "--encoder", "{encoder}", "--output", "{file}/out"], "{file}"),
        (["convert", "{foreign}", "{file}/out"], "{foreign}"),
        (
            ["compile", "airflow", *DATA, "--encoder", "{encoder}", "--graph", "{file}/graph.json"],
            "{file}",
        ),
        (
            [
                *("compile", "kfp", *DATA, "--encoder", "{encoder}", "--image", "i:1"),
                *("--root", "/root", "--output", "{file}/p.yaml"),
            ],
            "{file}",
        ),
        (["doctor", "--nonsense"], "--nonsense"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_the_user_can_mend_exits_2(places, arguments, named):
    run = bert_tfx(*(argument.format(**places) for argument in arguments))
    said = (run.stdout + run.stderr).decode()
    assert run.returncode == 2, said
    assert "Traceback" not in said and named.format(**places) in said, said
    assert pathlib.Path(places["file"]).read_bytes() == b""


def test_each_command_has_such_a_test():
    tested = {
        arguments[0]
        for mark in test_what_the_user_can_mend_exits_2.pytestmark
        if mark.name == "parametrize"
        for arguments, _ in mark.args[1]
    }
    assert tested == set(summaries())


def test_a_port_in_use_exits_2(project, first_run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        served = str(project.root / "output" / "serving" / "mrpc")
        run = bert_tfx("serve", served, "--port", port, "--grpc-port", "0")
    assert run.returncode == 2 and port in run.stderr.decode()


@pytest.mark.parametrize("full", [OSError(28, "No space left on device", "/x"), None])
def test_a_full_disk_is_the_users_to_mend(full):
    error = full or tf.errors.ResourceExhaustedError(None, None, "/x; No space left on device")
    assert "/x" in mendable(error) and "No space left" in mendable(error)
    outer = RuntimeError("the stage failed")
    outer.__cause__ = error
    assert "/x" in mendable(outer)
    assert mendable(RuntimeError("another")) is None
    assert mendable(FileNotFoundError(2, "No such file", "/x")) is None


def test_a_folder_for_temporary_files_that_is_not_there_exits_2():
    code = "import os, tempfile; tempfile._candidate_tempdir_list = lambda: ['/nowhere'];"
    code += "from pipeline.cli.main import main; import sys; sys.exit(main(sys.argv[1:]))"
    run = subprocess.run(
        [sys.executable, "-c", code, "run", "--task", "mrpc", "--data", "x"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2 and "TMPDIR" in run.stderr and "Traceback" not in run.stderr


SHOW = """
from pipeline.runs.terminal import Terminal
with Terminal() as terminal:
    terminal.begin_stage("Trainer")
    terminal.end_stage("1 s")
    terminal.say("≥ é [/tmp/…")
"""


@pytest.mark.parametrize(("encoding", "accent"), [("latin-1", b"\xe9"), ("ascii", b"?")])
@pytest.mark.parametrize("kind", ["dumb", "xterm"])
def test_a_terminal_without_utf_8_gets_plain_characters(encoding, accent, kind):
    environment = {"PYTHONIOENCODING": encoding, "TERM": kind, "NO_COLOR": "1", "COLUMNS": "20"}
    run = subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=REPOSITORY,
        capture_output=True,
        env={**os.environ, **environment},
    )
    assert run.returncode == 0, run.stderr
    stage, shown = run.stdout.splitlines()
    assert re.fullmatch(rb" *ok Trainer +1 s", stage)
    assert shown == b">= " + accent + b" [/tmp/..."


@pytest.mark.run
@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["run", "--help"], ["encoder", "{encoder}"], ["run", *DATA, "--encoder", "x"]],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_closed_pipe_ends_quietly(places, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    run = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *(a.format(**places) for a in arguments)],
        cwd=REPOSITORY,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert run.returncode == 141, run.stderr
    assert not re.search("Traceback|Exception|Broken", run.stderr)
