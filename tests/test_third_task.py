"""A task of one file and one schema, three classes, goes through the whole pipeline."""

import json
import shutil

import pytest

from tests.conftest import REPOSITORY, Project, copy_of_source, stages

ANIMALS = ("cat", "dog", "horse", "hen", "goose", "goat", "cow", "pig")
PLACES = ("house", "garden", "barn", "field", "yard", "river")


@pytest.fixture(scope="module")
def copy(tiny_encoder, tmp_path_factory) -> Project:
    """The source with the task added, and its data: 96 train and 48 eval rows."""
    root = copy_of_source(tmp_path_factory.mktemp("third"))
    shutil.copy(REPOSITORY / "tests" / "nli_task.py", root / "components" / "tasks" / "nli.py")
    shutil.copy(REPOSITORY / "tests" / "nli_schema.pbtxt", root / "schema" / "nli.pbtxt")
    rows = [
        f"The {animal} is in the {place} .\t{second}\t{label}"
        for animal in ANIMALS
        for place in PLACES
        for label, second in enumerate(
            (
                f"In the {place} there is a {animal} .",
                f"The {animal} has slept well .",
                f"There is no {animal} in the {place} .",
            )
        )
    ]
    for split, some in (("train", rows[:96]), ("eval", rows[96:])):
        lines = ["sentence1\tsentence2\tlabel", *some]
        (root / f"{split}.tsv").write_text("\n".join(lines) + "\n")
    return Project(root, tiny_encoder)


def test_a_task_without_official_files_asks_for_the_users(copy):
    run = copy.run("-m", "pipeline.cli", "prepare", "nli", "--output", "data")
    assert run.returncode == 2
    assert "The task nli has no official files. Pass yours: --train" in run.stderr


def test_a_third_task_is_trained_judged_and_pushed(copy):
    files = ("--train", "train.tsv", "--eval", "eval.tsv")
    prepared = copy.run("-m", "pipeline.cli", "prepare", "nli", *files, "--output", "data")
    assert prepared.returncode == 0, prepared.stderr
    run = copy.run(
        *("local_runner.py", "--task", "nli", "--data", "data", "--output", "output"),
        *("--encoder", copy.encoder, "--set", "accuracy_floor=0", "--set", "epochs=1"),
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Pusher" in stages(run)
    (version,) = (copy.root / "output" / "serving" / "nli").glob("*")
    card = json.loads((version / "assets.extra" / "model_card.json").read_text())
    overall, *by_slice = card["metrics"]
    assert overall["accuracy"]["lower"] < overall["accuracy"]["upper"]
    assert {"label=0", "label=1", "label=2"} <= {metrics["slice"] for metrics in by_slice}


def test_the_model_of_a_third_task_answers_with_one_of_its_classes(copy):
    texts = ("sentence1=The cat is in the barn .", "sentence2=The cat has slept well .")
    run = copy.run("-m", "pipeline.cli", "predict", "output/serving/nli", *texts)
    answer = json.loads(run.stdout)
    assert len(answer["probabilities"]) == 3
    assert answer["label"] == max(range(3), key=answer["probabilities"].__getitem__)
    scored = copy.run("-m", "pipeline.cli", "predict", "output/serving/nli", "--score", "eval.tsv")
    assert json.loads(scored.stdout)["rows"] == 48
