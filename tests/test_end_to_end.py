"""The whole pipeline on the sample, with an encoder so small that minutes suffice."""

import json
import os
import pathlib
import re
import shutil

import pytest
import tensorflow as tf

from tests.conftest import stages

STAGES = (
    *("ImportExampleGen", "ImportSchemaGen", "StatisticsGen", "ExampleValidator", "DataGate"),
    *("Transform", "TokenStatistics", "LastStatistics", "DriftGate"),
    *("Trainer", "Baseline", "Evaluator", "ServingCheck", "Pusher"),
)
# What looks into ML Metadata, or at what is served, is never cached.
LOOKING = {"LastStatistics", "Baseline", "Pusher"}


def test_first_run_runs_every_stage_and_pushes(project, first_run):
    assert stages(first_run) == dict.fromkeys(STAGES, "ran")
    (version,) = project.versions()
    assert (version / "saved_model.pb").is_file()
    last_line = first_run.stdout.strip().splitlines()[-1]
    assert last_line.startswith("pushed") and str(version) in last_line


def test_terminal_shows_no_framework_logs(first_run):
    assert first_run.stderr == ""
    assert not re.search(r"WARNING|INFO|Traceback|tensorflow/", first_run.stdout)


def test_an_identical_run_repeats_nothing(own_project):
    run = own_project.pipeline(more=("--json",))
    assert run.returncode == 0
    assert json.loads(run.stdout) == run.record and "✓" in run.stderr
    assert run.record["verdict"] == "already served" and run.record["exit_code"] == 0
    expected = {name: "ran" if name in LOOKING else "cached" for name in STAGES}
    assert stages(run) == expected
    assert len(own_project.versions()) == 1


def test_the_pushed_version_carries_its_card_and_warmup(project, first_run):
    extra = project.versions()[0] / "assets.extra"
    assert (extra / "tf_serving_warmup_requests").stat().st_size > 0
    card = json.loads((extra / "model_card.json").read_text())
    accuracy = card["metrics"][0]["accuracy"]
    assert (
        f"accuracy {accuracy['value']:.4f} {accuracy['lower']:.4f} .. {accuracy['upper']:.4f}"
        in (" ".join(first_run.stdout.split()))
    )
    assert card["data"]["splits"]["train"]["rows"] == 300
    assert card["hyperparameters"]["epochs"] == 1
    assert card["encoder"]["handle"] == project.encoder
    # The Trainer's own output, which the Evaluator judged, stays as it was.
    assert not pathlib.Path(card["model"], "Format-Serving", "assets.extra").exists()
    assert f"| overall | accuracy | {accuracy['value']:.4f} |" in (
        (extra / "model_card.md").read_text()
    )


def test_the_list_of_models_shows_what_is_served(project, first_run):
    (version,) = project.versions()
    shown = project.run("-m", "pipeline.cli", "versions", "list", "--task", "mrpc")
    assert shown.returncode == 0 and shown.stderr == ""
    assert version.name in shown.stdout and "served" in shown.stdout
    nothing = project.run("-m", "pipeline.cli", "versions", "rollback", "--task", "mrpc")
    assert nothing.returncode == 2 and "nothing that was served before" in nothing.stderr


def test_a_model_beyond_a_limit_of_serving_is_not_pushed(own_project):
    run = own_project.pipeline("max_latency_ms=0.001")
    assert run.returncode == 3
    assert run.stdout.strip().splitlines()[-1].startswith("refused by ServingCheck")
    assert re.search(r"refused: one example takes [\d.]+ ms .*more than max_latency_ms", run.stdout)
    assert run.record["verdict"] == "refused by ServingCheck" and run.record["exit_code"] == 3
    assert "max_latency_ms" in run.record["reasons"][0]
    assert len(own_project.versions()) == 1
    ran = {name for name, note in stages(run).items() if note == "ran"}
    assert ran == LOOKING | {"ServingCheck", "Pusher"}


def test_a_slice_that_the_gate_refuses_refuses_the_model(own_project):
    """The untrained model answers one label to every example, so it is wrong on the other label's."""
    bounds = "accuracy:label:0:0.9,accuracy:label:1:0.9,accuracy:words:55+:1"
    run = own_project.pipeline(f"slice_bounds={bounds}")
    assert run.returncode == 3
    assert re.search(r"refused: accuracy where label is \d 0\.\d+ is not at or above", run.stdout)
    assert re.search(r"not judged: +accuracy where words is 55\+, of \d+ examples", run.stdout)
    ran = {name for name, note in stages(run).items() if note == "ran"}
    assert ran == LOOKING | {"Evaluator", "ServingCheck", "Pusher"}
    page = pathlib.Path(re.search(r"^ *report +(\S+)$", run.stdout, re.MULTILINE)[1]).read_text()
    assert re.search(r"<b>accuracy</b> where label is \d: 0\.\d+ is not at or above", page)
    assert "too few for ≥ 1.0000" in page and f"<td>{bounds}.0</tr>" in page


def test_a_refused_model_passes_a_lower_bound_and_the_one_before_comes_back(own_project, first_run):
    refused = own_project.pipeline("learning_rate=2e-4", "min_accuracy=0.99")
    assert refused.returncode == 3
    assert "refused" in refused.stdout.strip().splitlines()[-1]
    assert re.search(r"refused: accuracy 0\.\d+", refused.stdout)
    assert refused.record["verdict"] == "refused by the gate" and refused.record["exit_code"] == 3
    (reason,) = refused.record["reasons"]
    assert re.match(r"accuracy 0\.\d+ is not at or above 0\.9900", reason)
    assert len(own_project.versions()) == 1
    assert stages(refused)["Transform"] == "cached" and stages(refused)["Trainer"] == "ran"

    # With the usual bound the same model is pushed, without training. The first one is its baseline.
    passed = own_project.pipeline("learning_rate=2e-4")
    assert passed.returncode == 0
    assert stages(passed)["Trainer"] == "cached" and stages(passed)["Pusher"] == "ran"
    assert len(own_project.versions()) == 2
    metrics = r"0\.\d+ +0\.\d+ \.\. [01]\.\d+ +0\.\d+ +≥ 0\.1000 +ok"
    assert re.search(rf"accuracy +{metrics}", passed.stdout)
    change = r"[+-]\d\.\d+ +[+-]\d\.\d+ \.\. [+-]\d\.\d+ +(better|worse|same within noise)"
    assert re.search(rf"accuracy +{change}", passed.stdout)

    # The first model is not what is served any more: it is judged anew, though its stages are cached.
    back = own_project.pipeline()
    assert back.returncode == 0
    assert stages(back)["Trainer"] == "cached" and stages(back)["Evaluator"] == "ran"
    first, _, third = own_project.versions()
    index = "variables/variables.index"
    assert (third / index).read_bytes() == (first / index).read_bytes()
    assert str(third) in back.stdout.strip().splitlines()[-1]
    # The second was not clearly better than the first, which is still the anchor.
    (first_loss,) = re.findall(r"^ *loss +(\d\.\d+)", first_run.stdout, re.MULTILINE)
    assert re.search(rf"loss +\d\.\d+ +\d\.\d+ \.\. \d\.\d+ +{first_loss}", back.stdout)

    shutil.rmtree(third)
    again = own_project.pipeline()
    assert again.returncode == 0 and stages(again)["Evaluator"] == "cached"
    assert str(own_project.versions()[-1]) in again.stdout.strip().splitlines()[-1]
    assert len(own_project.versions()) == 3


def test_editing_what_only_people_read_repeats_nothing(own_project):
    before = own_project.versions()
    own_project.redocument("components/training/trainer.py")
    run = own_project.pipeline()
    assert run.returncode == 0
    assert {name for name, note in stages(run).items() if note == "ran"} == LOOKING
    assert own_project.versions() == before


def test_editing_the_trainer_does_not_run_transform(own_project):
    own_project.edit("components/training/trainer.py")
    run = own_project.pipeline()
    assert {name for name, note in stages(run).items() if note == "ran"} == LOOKING | {
        *("Trainer", "Evaluator", "ServingCheck", "Pusher")
    }


def test_other_data_runs_all_that_depends_on_it(own_project):
    train = own_project.root / "samples" / "mrpc" / "msr_paraphrase_train.txt"
    header, *rows = train.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    for split, part in (("train", rows[:200]), ("eval", rows[200:300])):
        (own_project.root / f"{split}.tsv").write_text(header + "".join(part))
    prepared = own_project.run(
        *("-m", "pipeline.cli", "prepare", "mrpc", "--train", "train.tsv", "--eval", "eval.tsv"),
        *("--output", "other"),
    )
    assert prepared.returncode == 0, prepared.stderr
    ran = stages(own_project.pipeline(data="other"))
    assert ran == dict.fromkeys(STAGES, "ran") | {"ImportSchemaGen": "cached"}


@pytest.mark.full
def test_other_data_of_the_same_size_and_time_is_not_taken_for_the_same(own_project):
    """As a restored backup may be: the times of its files do not tell."""
    folder = own_project.root / "data" / "train"
    (packed,) = folder.iterdir()
    records = list(tf.data.TFRecordDataset(str(packed), "GZIP").as_numpy_iterator())
    packed.unlink()
    file = folder / "data-00000-of-00001.tfrecord"
    for examples in (records, [*records[1:], records[0]]):
        with tf.io.TFRecordWriter(str(file)) as writer:
            for example in examples:
                writer.write(example)
        os.utime(file, (1e9, 1e9))
        ran = stages(own_project.pipeline())
        assert ran["ImportExampleGen"] == "ran" and ran["Transform"] == "ran"


def test_data_that_has_drifted_is_refused_before_it_is_trained_on(own_project):
    """Each sentence is said twice: the tokens are the same, the lengths are not."""
    train = own_project.root / "samples" / "mrpc" / "msr_paraphrase_train.txt"
    header, *rows = train.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    cells = [row.split("\t") for row in rows]
    rows = ["\t".join([*row[:3], f"{row[3]} {row[3]}", *row[4:]]) for row in cells]
    for split, part in (("train", rows[:300]), ("eval", rows[300:])):
        (own_project.root / f"{split}.tsv").write_text(header + "".join(part))
    prepared = own_project.run(
        *("-m", "pipeline.cli", "prepare", "mrpc", "--train", "train.tsv", "--eval", "eval.tsv"),
        *("--output", "drifted"),
    )
    assert prepared.returncode == 0, prepared.stderr
    run = own_project.pipeline(data="drifted")
    assert run.returncode == 2 and "Trainer" not in stages(run)
    assert run.record["verdict"] == "failed" and run.record["exit_code"] == 2
    assert run.record["stages"]["DriftGate"]["state"] == "failed"
    assert "--set drift=accept" in run.record["error"]
    assert re.search(
        r"train: sentence1_n_tokens: Jensen-Shannon divergence 0\.\d+ from the last", run.stdout
    )
    assert "label" not in run.stdout and "--set drift=accept" in run.stdout
    report = own_project.run("-m", "pipeline.cli", "report", "--output", "output", "--task", "mrpc")
    page = pathlib.Path(report.stdout.strip()).read_text()
    assert re.search(r"<b>sentence1_n_tokens</b> of train: Jensen-Shannon divergence 0\.\d+", page)
