"""The door itself; what each command does is tested beside what does the work."""

import json
import os
import re
import shlex
import subprocess
import sys

import click
import pytest

from components.serving import versions
from pipeline.cli.main import commands, main, summaries
from pipeline.command_line import command_line
from tests.conftest import REPOSITORY

COMMANDS = list(summaries())


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a command line loads."""
    script = (
        "import json, sys; from pipeline.cli.main import main; main(sys.argv[1:])\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    command = [sys.executable, "-c", script, *arguments]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_door_loads_no_command(option):
    heavy = {"tensorflow", "tfx", "apache_beam", "rich", "pydantic"}
    loaded = loaded_by(option)
    assert not loaded & heavy
    assert not [name for name in COMMANDS if f"pipeline.cli.{name}" in loaded]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_tells_an_example(name, capsys):
    assert main([name, "--help"]) == 0
    assert f"\n  bert-tfx {name}" in capsys.readouterr().out
    group = commands.get_command(click.Context(commands), name)
    for below in getattr(group, "commands", {}):
        assert main([name, below, "--help"]) == 0
        assert f"\n  bert-tfx {name} {below} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (["perpare"], "'prepare'"),
        (["run", "--taks", "mrpc"], "--task"),
        (["versions", "lst", "--task", "mrpc"], "list"),
        (["runs", "--compare", "1"], "--compare"),
        (["predict", "model"], "--file"),
    ],
)
def test_a_wrong_word_exits_2_and_is_answered_with_the_right_one(arguments, nearest, capsys):
    assert main(arguments) == 2
    assert nearest in capsys.readouterr().err


def test_the_installed_command_works_from_any_folder(tmp_path):
    installed = os.path.join(sys.prefix, "bin", "bert-tfx")
    run = subprocess.run([installed, "runs"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 2 and re.search("output .*no run.*--output", run.stderr)


@pytest.mark.parametrize("name", ["a b", "it's", "[x]", "back\\slash", "Zürich ☂"])
def test_a_path_is_taken_and_printed_as_it_is(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    model = tmp_path / name / "model"
    model.mkdir(parents=True)
    (model / "saved_model.pb").touch()
    (model / "variables").mkdir()
    output = f"~/{name}/output"
    versions.push(str(model), os.path.expanduser(f"{output}/serving/mrpc"), {})
    assert main(["versions", "list", "--task", "mrpc", "--output", output]) == 0
    assert "served" in capsys.readouterr().out
    words = ["versions", "list", "--output", f"{tmp_path}/{name}"]
    assert shlex.split(command_line(*words))[-4:] == words


def test_ctrl_c_says_how_to_go_on(monkeypatch, capsys, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.cli.prepare.prepare", stop)
    source = str(REPOSITORY / "samples" / "mrpc")
    command = ["prepare", "mrpc", "--source", source, "--output", str(tmp_path / "data")]
    assert main(command) == 130
    assert "Repeat" in capsys.readouterr().err
