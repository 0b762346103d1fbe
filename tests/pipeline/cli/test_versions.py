import json
import pathlib
import re

import pytest

from components.serving import versions
from pipeline.cli.main import main


@pytest.fixture
def pushed(tmp_path, monkeypatch) -> list[int]:
    """Three versions of mrpc with cards; their accuracies are 0.1, 0.2 and 0.3."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    numbers = []
    for tenths in (1, 2, 3):
        model = tmp_path / f"model-{tenths}"
        (model / "assets.extra").mkdir(parents=True)
        (model / "saved_model.pb").write_text("graph")
        card = {
            "metrics": [{"slice": "overall", "accuracy": {"value": tenths / 10}}],
            "data": {
                "folder": f"/data/{tenths}",
                "sources": {"f": {"sha256": "_abc"[tenths] * 64}},
            },
        }
        (model / "assets.extra" / "model_card.json").write_text(json.dumps(card))
        record = {"run": f"run {tenths}"}
        numbers.append(versions.push(str(model), "output/serving/mrpc", record))
    return numbers


def rows(capsys) -> list[list[str]]:
    """The lines of the table that begin with a version's number."""
    lines = capsys.readouterr().out.splitlines()
    return [line.split() for line in lines if line.split() and line.split()[0].isdigit()]


def test_list_tells_of_each_version(pushed, capsys):
    assert main(["versions", "list", "--task", "mrpc"]) == 0
    shown = rows(capsys)
    assert [row[0] for row in shown] == list(map(str, pushed))
    assert shown[1][2:] == ["0.2000", "-", "-", "2", "run", "2"]


def test_rollback_serves_the_version_before_and_records_it(pushed, capsys):
    assert main(["versions", "rollback", "--task", "mrpc"]) == 0
    said = capsys.readouterr().out
    newest = versions.versions("output/serving/mrpc")[-1]
    assert newest > pushed[-1]
    assert re.search(rf"serving/mrpc/{newest} .*\b{pushed[1]}\b", said)
    main(["versions", "list", "--task", "mrpc"])
    shown = capsys.readouterr().out
    assert f"model of {pushed[1]}" in shown and f"instead of {pushed[2]}" in shown
    card = pathlib.Path("output/serving/mrpc", str(newest), versions.CARD)
    assert json.loads(card.read_text())["metrics"][0]["accuracy"]["value"] == 0.2


def test_prune_keeps_the_newest(pushed, capsys):
    assert main(["versions", "prune", "--task", "mrpc", "--keep", "1"]) == 0
    assert capsys.readouterr().out == f"removed: {pushed[0]}, {pushed[1]}\n"
    assert versions.versions("output/serving/mrpc") == pushed[2:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "--task", "squad"], "serving/squad .*no version.*--output"),
        (["rollback", "--task", "mrcp"], "no task 'mrcp'"),
        (["prune", "--task", "mrpc", "--keep", "0"], r"keep \w+ 0\b.* 1\b"),
    ],
)
def test_what_cannot_be_done_is_told(pushed, capsys, arguments, message):
    assert main(["versions", *arguments]) == 2
    assert re.search(message, capsys.readouterr().err)
