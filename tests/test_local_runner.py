"""What the command line refuses, before it writes anything."""

import pathlib
import re

import pytest

from pipeline.cli.main import main
from pipeline.runs.run_lock import only_run_in


@pytest.fixture
def data(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--task", "mrcp"], ["no task 'mrcp'", "Did you mean 'mrpc'"]),
        (["--set", "epoch=3"], ["no setting 'epoch'", "Did you mean 'epochs'"]),
        (["--set", "epochs=three"], ["--set epochs=three", "not a valid int"]),
        (["--set", "epochs"], ["--set epochs", "NAME=VALUE"]),
        (["--set", "max_seq_length=129"], ["max_seq_length is 129", "--set max_seq_length=128"]),
        (["--encoder", "minilm-l7"], ["no encoder 'minilm-l7'", "minilm-l6"]),
        (["--data", "nowhere"], ["nowhere does not exist", "bert-tfx prepare"]),
        ([], ["train", "bert-tfx prepare"]),
        (["--data", "gs://b/mrpc"], ["--data is gs://b/mrpc", "kubeflow_runner.py"]),
        (["--output", "gs://b/out"], ["--output is gs://b/out", "kubeflow_runner.py"]),
        (["--output", "out[2]"], ["--output is out[2]", "Rename the folder"]),
    ],
    ids=[
        *(
            "task",
            "setting",
            "value",
            "no value",
            "max_seq_length",
            "encoder",
            "no data",
            "empty data",
        ),
        *("data elsewhere", "output elsewhere", "pattern"),
    ],
)
def test_bad_usage_exits_2_and_leaves_nothing(
    arguments, expected, tmp_path, data, tiny_encoder, capfd
):
    output = tmp_path / "output"
    defaults = ["--task", "mrpc", "--data", str(data), "--encoder", tiny_encoder]
    code = main(["run", *defaults, "--output", str(output), *arguments])
    shown = capfd.readouterr().out
    assert code == 2
    assert "Traceback" not in shown
    for text in expected:
        assert text in " ".join(shown.split())
    assert not output.exists()


def test_a_fault_exits_1_and_names_the_log(monkeypatch, tmp_path, data, tiny_encoder, capfd):
    def fail(*_):
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr("pipeline.local_run.local_config", fail)
    arguments = ["--task", "mrpc", "--data", str(data), "--encoder", tiny_encoder]
    assert main(["run", *arguments, "--output", str(tmp_path / "output")]) == 1
    shown = capfd.readouterr().out
    assert "fault: RuntimeError: the disk is on fire" in shown and "Traceback" not in shown
    log = re.search(r"The full log is (\S+)\.", shown)[1]
    assert "Traceback" in pathlib.Path(log).read_text()
    pathlib.Path(log).unlink()


def test_two_runs_in_one_output_are_refused(tmp_path):
    from components.common.errors import InputError

    with only_run_in(str(tmp_path)):
        with pytest.raises(InputError, match="Another run is at work"):
            with only_run_in(str(tmp_path)):
                pass
    with only_run_in(str(tmp_path)):
        pass
