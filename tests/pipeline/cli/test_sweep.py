"""Settings chosen on held-out train examples."""

import json
import re
import statistics

import pytest

from pipeline.cli.main import main
from tests.conftest import REPOSITORY


@pytest.fixture
def run_sweep(project, tiny_encoder, tmp_path, monkeypatch, capsys):
    """A sweep over one and two epochs of the sample: the results in its file, and what it printed."""
    monkeypatch.chdir(REPOSITORY)

    def run(*arguments: str) -> tuple[list[dict], str]:
        grid = ("--learning-rates", "1e-3", "--epochs", "1,2", "--set", "batch_size=64")
        where = ("--data", str(project.root / "data"), "--output", str(tmp_path))
        assert (
            main(["sweep", "--task", "mrpc", *where, "--encoder", tiny_encoder, *grid, *arguments])
            == 0
        )
        lines = (tmp_path / "mrpc.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines], capsys.readouterr().out

    return run


@pytest.mark.run
def test_a_sweep_goes_on_where_it_was_and_chooses_the_lowest_mean(project, run_sweep):
    """The evaluation split is away all the while."""
    evaluated = project.root / "data" / "eval"
    evaluated.rename(project.root / "eval")
    try:
        first, _ = run_sweep("--seeds", "0")
        results, printed = run_sweep("--seeds", "0,1")
    finally:
        (project.root / "eval").rename(evaluated)
    assert results[:2] == first
    assert [(r["seed"], r["epochs"]) for r in results] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    losses = {n: [r["validation_loss"] for r in results if r["epochs"] == n] for n in (1, 2)}
    best = min(losses, key=lambda n: statistics.mean(losses[n]))
    for values in losses.values():
        assert values[0] != values[1]
        line = f"{statistics.mean(values):.4f} +- {statistics.stdev(values):.4f}"
        assert line in printed
    assert printed.endswith(f"chosen: --set learning_rate=0.001 --set epochs={best}\n")


def test_a_sweep_refuses_what_cannot_be_trained_with(capsys, tmp_path):
    assert main(["sweep", "--task", "mrpc", "--data", str(tmp_path), "--epochs", "0"]) == 2
    assert re.search(r"epochs \w+ 0\b.*--set epochs=", capsys.readouterr().err)
    assert main(["sweep", "--task", "mrpc", "--data", str(tmp_path)]) == 2
    assert re.search(f"{tmp_path}/train .*`bert-tfx prepare`", capsys.readouterr().err)
