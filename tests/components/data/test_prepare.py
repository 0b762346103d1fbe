"""Good examples reach the output folder as a whole; bad ones leave it as it was."""

import dataclasses
import hashlib
import json
import os
import re

import pytest

from components.common.errors import InputError
from components.data import prepare, tfrecords
from components.spec.data_source import DataSource
from components.spec.registry import load_task
from components.spec.task import Task
from tests.conftest import REPOSITORY
from tests.killing import is_killed_at, snapshot
from tests.preparing import (
    assert_refused_without_tensorflow,
    error_of,
    read_examples,
    run_prepare,
    run_python,
    state_of,
    write,
)

SCHEMA = str(REPOSITORY / "schema" / "mrpc.pbtxt")
HEADER = "sentence1\tsentence2\tlabel"
TRAIN = [HEADER, "a\tb\t1", "c\td\t0", "e\tf\t1"]
EVAL = [HEADER, "g\th\t1", "i\tj\t0"]
OFFICIAL_HEADER = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"
OFFICIAL = [
    OFFICIAL_HEADER,
    "1\t1\t2\ta\tb",
    "0\t3\t4\tc\td",
    "1\t5\t6\te\tf",
    "0\t7\t8\tg\th",
]


@pytest.fixture
def own(tmp_path):
    """Command line for a pair of own files, with the output in a folder of its own."""
    write(tmp_path / "train.tsv", TRAIN)
    write(tmp_path / "eval.tsv", EVAL)
    files = [f"--train={tmp_path / 'train.tsv'}", f"--eval={tmp_path / 'eval.tsv'}"]
    return ["mrpc", *files, f"--output={tmp_path / 'data' / 'mrpc'}"]


@pytest.fixture
def vouched(tmp_path):
    """A folder that stands for the official files, with checksums of its own."""
    folder = tmp_path / "official"
    folder.mkdir()
    lines = {"msr_paraphrase_train.txt": OFFICIAL, "mrpc_dev_ids.tsv": ["5\t6", "7\t8"]}
    sums = [f"{write(folder / name, content)}  {name}" for name, content in lines.items()]
    write(folder / "SHA256SUMS", sums)
    return folder


def test_own_files_become_records(tmp_path, own, capsys):
    write(tmp_path / "test.tsv", [HEADER, "k\tl\t0", "é\t\"'\t1"])
    assert run_prepare([*own, f"--test={tmp_path / 'test.tsv'}"]) == 0
    output = tmp_path / "data" / "mrpc"
    assert list(read_examples(output / "test")) == [
        {"sentence1": [b"k"], "sentence2": [b"l"], "label": [0], "idx": [0]},
        {"sentence1": ["é".encode()], "sentence2": [b"\"'"], "label": [1], "idx": [1]},
    ]
    assert tfrecords.check_records(str(output), SCHEMA) == {"train": 3, "eval": 2, "test": 2}
    *table, ready = capsys.readouterr().out.splitlines()
    assert [line.split() for line in table] == [
        ["split", "examples", "label", "0", "label", "1", "files"],
        ["train", "3", "1", "2", "1"],
        ["eval", "2", "1", "1", "1"],
        ["test", "2", "1", "1", "1"],
    ]
    assert re.match(rf"{output} .*ready.* mrpc\b", ready)


def test_official_files_become_records(tmp_path, vouched):
    output = tmp_path / "data"
    assert run_prepare(["mrpc", f"--source={vouched}", f"--output={output}"]) == 0
    summary = json.loads((output / "dataset.json").read_text())
    assert summary["task"] == "mrpc"
    assert {
        name: (split["rows"], split["labels"]) for name, split in summary["splits"].items()
    } == {"train": (2, {"0": 1, "1": 1}), "eval": (2, {"0": 1, "1": 1})}
    for name, file in summary["sources"].items():
        assert file["sha256"] == hashlib.sha256((vouched / name).read_bytes()).hexdigest()
    assert str(tmp_path) not in (output / "dataset.json").read_text()


def test_a_folder_that_version_0_1_wrote_is_up_to_date(tmp_path, own, capsys):
    assert run_prepare(own) == 0
    summary = tmp_path / "data" / "mrpc" / "dataset.json"
    written = json.loads(summary.read_text()) | {"written_by": "components.prepare"}
    summary.write_text(json.dumps(written))
    assert run_prepare(own) == 0
    assert "up to date" in capsys.readouterr().out


def test_without_files_the_cache_is_looked_into(tmp_path, vouched, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked = []
    monkeypatch.setattr(
        prepare.download, "download", lambda files, folder: asked.append((files, folder))
    )
    folder = tmp_path / "cache" / "bert-tfx-pipeline" / "data" / "mrpc"
    folder.parent.mkdir(parents=True)
    os.rename(vouched, folder)
    assert run_prepare(["mrpc", f"--output={tmp_path / 'data'}"]) == 0
    assert asked == [(load_task("mrpc").data.files, str(folder))]


def test_examples_are_spread_over_files(tmp_path, own, monkeypatch):
    monkeypatch.setattr(tfrecords, "_EXAMPLES_A_FILE", 2)
    assert run_prepare(own) == 0
    folder = tmp_path / "data" / "mrpc" / "train"
    assert sorted(path.name for path in folder.iterdir()) == [
        "data-00000-of-00002.tfrecord.gz",
        "data-00001-of-00002.tfrecord.gz",
    ]
    assert [row["idx"] for row in read_examples(folder)] == [[0], [1], [2]]


def test_the_same_files_are_not_written_again(tmp_path, own, capsys):
    output = tmp_path / "data" / "mrpc"
    assert run_prepare(own) == 0
    before, contents = state_of(output), snapshot(output)
    (tmp_path / "train.tsv").rename(tmp_path / "renamed.tsv")
    own[1] = f"--train={tmp_path / 'renamed.tsv'}"
    assert run_prepare(own) == 0
    assert state_of(output) == before
    assert "up to date" in capsys.readouterr().out
    (output / "dataset.json").rename(tmp_path / "dataset.json")
    for split in ("train", "eval"):
        (output / split).rename(tmp_path / split)
    assert run_prepare(own) == 0
    del contents["dataset.json"]  # It names renamed.tsv now.
    assert contents.items() < snapshot(output).items()


@pytest.mark.parametrize("change", ["source", "format", "missing", "truncated", "stray"])
def test_what_changed_is_written_again(tmp_path, own, monkeypatch, change):
    output = tmp_path / "data" / "mrpc"
    assert run_prepare(own) == 0
    before, expected = state_of(output), snapshot(output)
    (record_file,) = (output / "train").iterdir()
    if change == "source":
        write(tmp_path / "train.tsv", [*TRAIN, "k\tl\t0"])
    elif change == "format":
        monkeypatch.setattr(prepare, "_FORMAT", prepare._FORMAT + 1)
    elif change == "missing":
        record_file.unlink()
    elif change == "truncated":
        record_file.write_bytes(record_file.read_bytes()[:-1])
    else:
        (output / "train" / ".DS_Store").write_text("")
    assert run_prepare(own) == 0
    assert state_of(output)[str(output)] != before[str(output)]
    if change in ("source", "format"):
        assert snapshot(output) != expected
    else:
        assert snapshot(output) == expected
    assert os.listdir(output.parent) == ["mrpc"]


@pytest.mark.parametrize(
    ("split", "lines", "parts"),
    [
        ("train", None, ["--train", "no such file"]),
        ("eval", None, ["--eval", "no such file"]),
        ("train", [], [":1:", "header", "sentence1"]),
        ("train", [HEADER], ["train split", "no examples"]),
        ("eval", [HEADER], ["eval split", "no examples"]),
        ("train", [*TRAIN, "k\tl"], [":5:", "'label'", "2 of 3"]),
        ("eval", [*EVAL, "k\t \t1"], [":4:", "'sentence2'", "empty"]),
        ("eval", [*EVAL, "k\tl\tyes"], [":4:", "'label'", "'yes'"]),
        ("train", [HEADER, "a\tb\t1", "c\td\t1"], [":2 ", "'label'", "always 1", "another class"]),
        ("eval", [HEADER, "g\th\t0"], [":2 ", "'label'", "always 0", "another class"]),
        ("eval", [*EVAL, "f\te\t0", "a\tb\t1"], [":4:", "train.tsv:4", "2 do not", "Remove"]),
        ("test", [*EVAL, "c\td\t0"], [":4:", "train.tsv:3", "1 do not", "Remove"]),
    ],
)
def test_bad_own_files_are_refused(tmp_path, own, capsys, split, lines, parts):
    path = tmp_path / f"{split}.tsv"
    if lines is None:
        path.unlink()
    else:
        write(path, lines)
    arguments = [*own, f"--test={path}"] if split == "test" else own
    error = error_of(capsys, arguments)
    for part in [f"{split}.tsv", *parts]:
        assert part in error
    assert snapshot(tmp_path / "data") == {}


def test_bad_official_files_are_refused(tmp_path, vouched, capsys):
    arguments = ["mrpc", f"--source={vouched}", f"--output={tmp_path / 'data'}"]
    (vouched / "SHA256SUMS").unlink()
    error = error_of(capsys, arguments)
    for part in ("msr_paraphrase_train.txt", "1,047,044", "truncated", "Fetch"):
        assert part in error
    assert not (tmp_path / "data").exists()


def test_bad_examples_leave_the_data_of_before(tmp_path, own, capsys):
    assert run_prepare(own) == 0
    before = snapshot(tmp_path / "data")
    capsys.readouterr()
    write(tmp_path / "train.tsv", [*TRAIN, "k\tl\t2"])
    assert "train.tsv:5: field 'label'" in error_of(capsys, own)
    assert snapshot(tmp_path / "data") == before
    assert os.listdir(tmp_path / "data") == ["mrpc"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("mrpc", "a file", "/mrpc is a file"),
        ("mrpc/notes.txt", "mine", "holds notes.txt"),
        ("mrpc/train/mine.txt", "mine", "holds train"),
        ("mrpc/dataset.json", "{}", "/mrpc/dataset.json .*not written"),
        ("mrpc/dataset.json", "[1", "/mrpc/dataset.json .*not written"),
    ],
)
def test_what_is_not_ours_is_never_replaced(tmp_path, own, capsys, name, content, problem):
    path = tmp_path / "data" / name
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert re.search(f"{problem}.* another --output", error_of(capsys, own))
    assert snapshot(tmp_path / "data") == {name: content.encode()}


def test_a_file_added_to_prepared_data_is_not_lost(tmp_path, own, capsys):
    assert run_prepare(own) == 0
    (tmp_path / "data" / "mrpc" / "notes.txt").write_text("mine")
    capsys.readouterr()
    assert "holds notes.txt" in error_of(capsys, own)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["mrpc"],
        ["mrpc", "--output=data", "--train=train.tsv"],
        ["mrpc", "--output=data", "--test=test.tsv"],
        ["mrpc", "--output=data", "--source=.", "--train=train.tsv", "--eval=eval.tsv"],
    ],
)
def test_a_wrong_command_line_is_exit_code_2(arguments, capsys):
    assert run_prepare(arguments) == 2
    assert "Usage:" in capsys.readouterr().err


def test_an_unknown_task_is_answered_with_the_nearest(tmp_path, capsys):
    assert "'mrpc'" in error_of(capsys, ["mrcp", f"--output={tmp_path / 'data'}"])


def test_kill_leaves_the_old_or_the_new(tmp_path, own):
    output = tmp_path / "data" / "mrpc"
    write(tmp_path / "train.tsv", [*TRAIN, "k\tl\t0"])
    assert run_prepare(own) == 0
    new = snapshot(output)
    old, left_behind = None, []
    is_killed = True
    while is_killed:
        write(tmp_path / "train.tsv", TRAIN)
        assert run_prepare(own) == 0
        old = old or snapshot(output)
        assert snapshot(output) == old
        assert os.listdir(output.parent) == ["mrpc"]
        write(tmp_path / "train.tsv", [*TRAIN, "k\tl\t0"])
        is_killed = is_killed_at(lambda: run_prepare(own), moment=len(left_behind))
        left_behind.append(snapshot(output))
    assert all(left in (old, new) for left in left_behind)
    assert left_behind[0] == old
    assert left_behind[-2] == new


ANSWERED = {"question": "q", "answers": ["a", b"b"], "starts": [1, 2], "scores": [0.5]}
UNANSWERED = {"question": "q", "context": "d", "answers": [], "starts": []}


def toy_source(*examples: dict, is_published: bool) -> prepare.Source:
    """One example of train and one of eval."""
    located = [(f"page {n}", example) for n, example in enumerate(examples, 1)]
    splits = {"train": located[:1], "eval": located[1:]}
    return prepare.Source(files={}, read=lambda: splits, is_published=is_published)


def toy_task() -> Task:
    """Questions whose answers stand nowhere."""
    return dataclasses.replace(load_task("squad"), name="toy", data=DataSource(reader="tsv"))


def test_a_task_without_classes_and_with_lists(tmp_path, capsys):
    source = toy_source(ANSWERED | {"context": "c"}, UNANSWERED, is_published=True)
    prepare.prepare(toy_task(), source, str(tmp_path / "data"))
    assert list(read_examples(tmp_path / "data" / "train")) == [
        {
            **{"question": [b"q"], "context": [b"c"]},
            **{"answers": [b"a", b"b"], "starts": [1, 2], "scores": [0.5]},
        }
    ]
    assert capsys.readouterr().out.splitlines()[0].split() == ["split", "examples", "files"]


def test_published_overlap_is_a_warning(tmp_path, capsys):
    same = (ANSWERED | {"context": "d"}, UNANSWERED)
    source = toy_source(*same, is_published=True)
    prepare.prepare(toy_task(), source, str(tmp_path / "data"))
    error = capsys.readouterr().err
    assert re.search(r"warning: page 2\b.*same.* page 1\b.* 1 do not", error)
    own = toy_source(*same, is_published=False)
    with pytest.raises(InputError, match=r"page 2\b.*same.* page 1\b"):
        prepare.prepare(toy_task(), own, str(tmp_path / "more"))


def test_a_task_without_answers_in_the_text_has_none_to_drop(tmp_path, own, capsys):
    error = error_of(capsys, [*own, "--drop-misaligned"])
    for part in ("--drop-misaligned", "mrpc", "Leave"):
        assert part in error
    assert snapshot(tmp_path / "data") == {}


def test_the_command(own):
    run = run_python("-m", "pipeline.cli", "prepare", *own)
    assert run.returncode == 0 and re.fullmatch(r".* 5 examples\b.*\n", run.stderr)
    assert "ready" in run.stdout


def test_bad_data_is_refused_before_tensorflow_is_imported(tmp_path, own):
    write(tmp_path / "eval.tsv", [*EVAL, "a\tb\t1"])
    assert_refused_without_tensorflow(own, f"{tmp_path}/eval.tsv:4: ")
