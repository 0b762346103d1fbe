"""A new user's way: the marked blocks of README and docs, typed in their order into an empty folder."""

import contextlib
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from components.serving.versions import newest
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.full


def blocks(page: str) -> list[str]:
    """The lines of each block that a comment marks, without their indentation."""
    text = (REPOSITORY / page).read_text()
    marked = re.findall(r"<!-- tested -->\n\n((?:    .*\n)+)", text)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in marked]


TABLE, TRAIN, ASK, CURL, LOOK = blocks("README.md")
(BATCH,) = blocks("docs/serving.md")


def typed(block: str) -> list[str]:
    return block.replace("\\\n", " ").splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    """Two files as README shows them, with the sample's pairs."""
    folder = tmp_path_factory.mktemp("user")
    (header, *_) = TABLE.splitlines()
    sample = REPOSITORY / "samples" / "mrpc" / "msr_paraphrase_train.txt"
    rows = [line.split("\t") for line in sample.read_text(encoding="utf-8-sig").splitlines()[1:]]
    lines = ["\t".join((row[3], row[4], row[0])) for row in rows]
    for name, part in (("train.tsv", lines[:300]), ("dev.tsv", lines[300:])):
        (folder / name).write_text("\n".join([header, *part]) + "\n")
    return folder


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """What `source .venv/bin/activate` leaves behind."""
    path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path}


@pytest.fixture(scope="module")
def shell(folder, environment):
    def run(line: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            line, shell=True, cwd=folder, env=environment, capture_output=True, text=True
        )

    return run


@pytest.fixture(scope="module")
def trained(shell, folder) -> str:
    """The pushed version, after the block that prepares and trains."""
    for line in typed(TRAIN):
        run = shell(line)
        assert run.returncode == 0, run.stdout + run.stderr
    return newest(str(folder / "output" / "mine" / "serving" / "mrpc"))


def test_the_shown_table_is_what_prepare_reads(shell, folder):
    (folder / "shown.tsv").write_text(TABLE)
    run = shell("bert-tfx prepare mrpc --train train.tsv --eval shown.tsv --output shown")
    assert run.returncode == 0, run.stderr


def test_own_pairs_become_a_model_that_learned(trained, folder):
    (record,) = (folder / "output" / "mine" / "runs").glob("*.json")
    metrics = {m["name"]: m["candidate"] for m in json.loads(record.read_text())["metrics"]}
    assert pathlib.Path(trained, "saved_model.pb").is_file()
    assert metrics["accuracy"] > 0.6


def test_the_model_is_asked_on_the_command_line_and_over_rest(
    trained, shell, folder, environment, tmp_path
):
    predict, serve = typed(ASK)
    asked = shell(predict)
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    (_, address, flag, body) = shlex.split(typed(CURL)[0])
    assert flag == "-d"
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(
            shlex.split(serve, comments=True), cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        served = _post(f"http://{address}", body, server)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)
    (prediction,) = served["predictions"]
    assert prediction["label"] == answer["label"]
    assert prediction["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-4)


def _post(url: str, body: str, server: subprocess.Popen) -> dict:
    """The answer, as soon as there is a server that gives one."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            return json.load(urllib.request.urlopen(url, data=body.encode()))
        time.sleep(0.5)
    raise AssertionError(f"no answer from {url}; the server's exit code is {server.poll()}")


def test_the_run_is_looked_at(trained, shell):
    report, runs = [shell(line) for line in typed(LOOK)]
    assert report.returncode == 0 and pathlib.Path(report.stdout.strip()).is_file()
    assert runs.returncode == 0 and pathlib.Path(trained).name in runs.stdout


def test_files_of_examples_are_answered(trained, shell, folder):
    for number in range(2):
        example = {"sentence1": f"He won {number} .", "sentence2": "He won ."}
        (folder / f"examples-{number}.jsonl").write_text(json.dumps(example) + "\n")
    run = shell(typed(BATCH)[0])
    assert run.returncode == 0, run.stderr
    written = "".join(file.read_text() for file in (folder / "answers").glob("*.jsonl"))
    assert written.count("probabilities") == 2
