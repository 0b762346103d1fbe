"""Files answered by a job of its own, killed in its midst and started again."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from components.serving import versions
from pipeline.cli.main import main
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.full


class Lengths(tf.Module):
    """Answers how long a text is."""

    def __init__(self):
        super().__init__()

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def serving_default(text):
            return {"length": tf.strings.length(text), "text": text}

        self.asked = serving_default


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("model")
    model = Lengths()
    tf.saved_model.save(model, str(folder / "export"), signatures={"serving_default": model.asked})
    versions.push(str(folder / "export"), str(folder / "serving"), {})
    return str(folder / "serving")


@pytest.fixture
def files(tmp_path) -> list[str]:
    """Five of 2,000 rows each, in which the last one is bad."""
    for number in range(5):
        lines = [json.dumps({"text": f"{number}-{row}"}) for row in range(1, 2000)]
        (tmp_path / f"rows{number}.jsonl").write_text("\n".join([*lines, "bad"]) + "\n")
    return [str(tmp_path / f"rows{number}.jsonl") for number in range(5)]


def start(base: str, files: list[str], output: str, *more: str) -> subprocess.Popen:
    command = [
        sys.executable,
        "-m",
        "pipeline.cli",
        "batch",
        base,
        *files,
        "--output",
        output,
        *more,
    ]
    return subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def check_whole(output: pathlib.Path, number: int) -> None:
    lines = (output / f"rows{number}.jsonl-00000-of-00001.jsonl").read_text().splitlines()
    wanted = [
        {"row": row, "length": len(f"{number}-{row}"), "text": f"{number}-{row}"}
        for row in range(1, 2000)
    ]
    assert list(map(json.loads, lines)) == wanted


def test_a_job_that_was_killed_goes_on_and_answers_every_row_once(base, files, tmp_path, capsys):
    output = tmp_path / "answers"
    job = start(base, files, str(output))
    deadline = time.monotonic() + 300
    while not (done := sorted(output.glob("rows*[0-9].jsonl"))):
        assert job.poll() is None and time.monotonic() < deadline, finished(job)
        time.sleep(0.001)
    os.kill(job.pid, signal.SIGKILL)
    finished(job)
    done = sorted(output.glob("rows*[0-9].jsonl"))
    before = {path: path.stat().st_mtime_ns for path in done}
    for path in done:
        check_whole(output, int(path.name[4]))

    # On another engine, which makes no difference.
    code, out, err = finished(start(base, files, str(output), "--beam", "parallel"))
    assert code == 0, err
    assert out.startswith(f"{len(done)} of 5 shards ")
    assert out.count("1,999 examples") == 5 - len(done)
    assert f"{output}/*.errors.jsonl" in err
    for number in range(5):
        check_whole(output, number)
        errors = (output / f"rows{number}.jsonl-00000-of-00001.errors.jsonl").read_text()
        error = json.loads(errors)
        assert (error["file"], error["row"]) == (files[number], 2000)
        assert error["reason"].startswith("no JSON")
    assert before == {path: path.stat().st_mtime_ns for path in done}
    assert not list(output.glob("*.part")) and not list(output.glob(".*.part"))

    for again, code, said in (
        (files, 0, "5 of 5 shards"),
        (files[:2], 2, "another model"),
    ):
        assert main(["batch", base, *again, "--output", str(output)]) == code
        assert said in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jsonl"], r"error: nowhere\.jsonl: no such file"),
        ([str(REPOSITORY / "README.md")] * 2, r"error: Two .*README\.md.*--output"),
        (["--beam", "flonk", "README.md"], "error: .*Beam profile 'flonk'"),
    ],
)
def test_a_job_that_cannot_be_done_is_not_begun(base, tmp_path, arguments, message, capsys):
    assert main(["batch", base, *arguments, "--output", str(tmp_path / "answers")]) == 2
    assert re.match(message, capsys.readouterr().err)
    assert not (tmp_path / "answers").exists()
