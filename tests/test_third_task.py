"""Tasks of one file and one schema each go through everything: classes of pairs, and of one sentence."""

import dataclasses
import json
import pathlib
import re
import shutil

import pytest

from tests.conftest import REPOSITORY, Project, copy_of_source, stages

pytestmark = pytest.mark.full

ANIMALS = ("cat", "dog", "horse", "hen", "goose", "goat", "cow", "pig")
PLACES = ("house", "garden", "barn", "field", "yard", "river")


@dataclasses.dataclass(frozen=True)
class Added:
    """A task that is added to the source.

    Attributes:
      columns: of its files.
      examples: fields of each, 144 or 96 of them; the first two thirds are trained on.
      classes: how many there are.
      settings: that let a model through that has learned nothing.
    """

    columns: tuple[str, ...]
    examples: list[tuple[str, ...]]
    classes: int
    settings: tuple[str, ...]


def nli() -> Added:
    """The label stands as a class's name."""
    examples = [
        (f"The {animal} is in the {place} .", *second)
        for animal in ANIMALS
        for place in PLACES
        for second in (
            (f"In the {place} there is a {animal} .", "entailment"),
            (f"The {animal} has slept well .", "neutral"),
            (f"There is no {animal} in the {place} .", "contradiction"),
        )
    ]
    settings = ("min_accuracy=0", "max_loss=99")
    return Added(("premise", "hypothesis", "label"), examples, 3, settings)


def reviews() -> Added:
    """The label stands as a class's position."""
    examples = [
        (f"The {animal} of the {place} was {word} .", label)
        for animal in ANIMALS
        for place in PLACES
        for word, label in (("awful", "0"), ("lovely", "1"))
    ]
    return Added(("review", "opinion"), examples, 2, ("min_accuracy=0", "min_f1=0"))


ADDED = {"nli": nli(), "reviews": reviews()}


@pytest.fixture(scope="module")
def copy(tiny_encoder, tmp_path_factory) -> Project:
    """The source with both tasks added, and their data."""
    root = copy_of_source(tmp_path_factory.mktemp("third"))
    shutil.copytree(REPOSITORY / "benchmarks", root / "benchmarks")
    for name, added in ADDED.items():
        tests = REPOSITORY / "tests"
        shutil.copy(tests / f"{name}_task.py", root / "components" / "tasks" / f"{name}.py")
        shutil.copy(tests / f"{name}_schema.pbtxt", root / "schema" / f"{name}.pbtxt")
        lines = ["\t".join(fields) for fields in added.examples]
        cut = len(lines) * 2 // 3
        for split, some in (("train", lines[:cut]), ("eval", lines[cut:])):
            text = "\n".join(["\t".join(added.columns), *some]) + "\n"
            (root / f"{name}-{split}.tsv").write_text(text)
    return Project(root, tiny_encoder)


@pytest.fixture(scope="module", params=ADDED)
def name(request, copy) -> str:
    """A task that has been prepared and has run."""
    name = request.param
    files = ("--train", f"{name}-train.tsv", "--eval", f"{name}-eval.tsv")
    prepared = copy.run("-m", "pipeline.cli", "prepare", name, *files, "--output", f"data-{name}")
    assert prepared.returncode == 0, prepared.stderr
    # So few examples differ in length from split to split.
    settings = (*ADDED[name].settings, "epochs=1", "drift=accept")
    run = copy.run(
        *("local_runner.py", "--task", name, "--data", f"data-{name}", "--output", "output"),
        *("--encoder", copy.encoder, *(part for s in settings for part in ("--set", s))),
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Pusher" in stages(run)
    return name


def test_a_task_without_official_files_asks_for_the_users(copy):
    run = copy.run("-m", "pipeline.cli", "prepare", "nli", "--output", "data")
    assert run.returncode == 2
    assert re.search("nli .*no official .*--train FILE --eval FILE", run.stderr)


def test_it_is_judged_with_intervals_and_by_its_classes(copy, name):
    (version,) = (copy.root / "output" / "serving" / name).glob("*")
    card = json.loads((version / "assets.extra" / "model_card.json").read_text())
    overall, *by_slice = card["metrics"]
    assert overall["accuracy"]["lower"] < overall["accuracy"]["upper"]
    label = ADDED[name].columns[-1]
    slices = {f"{label}={number}" for number in range(ADDED[name].classes)}
    assert slices <= {metrics["slice"] for metrics in by_slice}


def test_its_tokens_are_watched_for_drift(copy, name):
    """Nothing in its schema says so."""
    report = copy.run("-m", "pipeline.cli", "report", "--output", "output", "--task", name)
    assert report.returncode == 0, report.stderr
    page = pathlib.Path(report.stdout.strip()).read_text()
    for text in ADDED[name].columns[:-1]:
        assert f"{text}_n_tokens" in page and f"{text}_n_unknown_tokens" in page
    assert "Wrong" in page  # the examples that were answered wrong


def test_it_is_asked_and_scored(copy, name):
    added = ADDED[name]
    texts = [f"{column}=The cat is in the barn ." for column in added.columns[:-1]]
    run = copy.run("-m", "pipeline.cli", "predict", f"output/serving/{name}", *texts)
    answer = json.loads(run.stdout)
    assert len(answer["probabilities"]) == added.classes
    assert answer["label"] == max(range(added.classes), key=answer["probabilities"].__getitem__)
    scored = copy.run(
        *("-m", "pipeline.cli", "predict", f"output/serving/{name}"),
        *("--score", f"{name}-eval.tsv"),
    )
    assert json.loads(scored.stdout)["examples"] == len(added.examples) // 3


def test_it_is_in_the_benchmarks_list(copy, name):
    """The bench measures what it is given data of, in a batch of its own size."""
    script = (
        "import sys; from benchmarks.training import batch_size, chosen, examples_a_round\n"
        "for task, data in chosen(sys.argv[1:]).items():\n"
        "    print(task, data, batch_size(task), examples_a_round(task))"
    )
    run = copy.run("-c", script, f"{name}=data-{name}")
    assert run.returncode == 0, run.stderr
    assert run.stdout == f"{name} data-{name} 32 512\n"
