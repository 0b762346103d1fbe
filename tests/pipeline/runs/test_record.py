"""The record of a run: its file, its numbers, what becomes of it when the writer is killed."""

import dataclasses
import datetime
import json
import math

import pytest

from components.common.errors import InputError
from components.evaluation.intervals import ANYTHING, UNKNOWN, Interval
from components.spec.registry import load_task
from pipeline.runs.record import (
    Change,
    Data,
    EncoderName,
    Measured,
    RunRecord,
    Sliced,
    StageRecord,
    from_json,
    read_record,
    record_file,
    save,
    task_of,
    to_json,
    write_atomic,
)
from tests.killing import is_killed_at

RECORD = RunRecord(
    task="mrpc",
    number=3,
    run_id="2026-01-01T00:00:00",
    started=datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
    ended=datetime.datetime(2026, 1, 1, 0, 1, 30, tzinfo=datetime.timezone.utc),
    data=Data("data", "of the files", {"train": 300, "eval": 100}),
    encoder=EncoderName("minilm-l6", "abc"),
    settings=load_task("mrpc").settings(),
    eval_split="eval",
    stages={"Trainer": StageRecord("complete", 45.6), "Pusher": StageRecord("complete", 0.1, True)},
    metrics=[
        Measured("f1", 0.5, Interval(0.4, 0.6), 0.4, Change(0.1, Interval(0.0, 0.2)), 0.3, None),
    ],
    slices=[
        Sliced("words", "40-54", 31, [Measured("f1", 0.1, None, None, None, 0.2, "No.")], True)
    ],
)


def test_a_record_is_read_as_it_was_written(tmp_path):
    assert save(RECORD, str(tmp_path)) == RECORD
    file = record_file(str(tmp_path), "mrpc", 3)
    assert file == tmp_path / "runs" / "mrpc-3.json"
    assert read_record(file) == RECORD
    assert RECORD.seconds == 90 and [m.refused for _, m in RECORD.slices_refused()] == ["No."]


def test_what_is_no_number_is_null():
    untold = Measured("f1", math.nan, UNKNOWN, math.nan, Change(math.nan, ANYTHING), 0.1, None)
    settings = {**RECORD.settings, "max_latency_ms": math.inf}
    record = dataclasses.replace(RECORD, metrics=[untold], settings=settings)

    def refuse(constant: str):
        raise AssertionError(f"{constant} is no JSON")

    written = json.loads(to_json(record), parse_constant=refuse)
    unknown = {"lower": None, "upper": None}
    (metric,) = written["metrics"]
    assert metric["candidate"] is None and metric["baseline"] is None
    assert metric["interval"] == unknown
    assert metric["change"] == {"value": None, "interval": unknown, "higher_is_better": True}
    assert written["settings"]["max_latency_ms"] is None

    (read,) = from_json(to_json(record)).metrics
    assert math.isnan(read.candidate) and read.is_unknown and read.change.verdict == "unknown"


def test_the_settings_make_the_task_of_the_run():
    task = load_task("mrpc").override({"epochs": "7", "slice_bounds": "f1:words:55+:0.5"})
    record = dataclasses.replace(RECORD, settings=task.settings() | {"gone": 1})
    assert task_of(from_json(to_json(record))).settings() == task.settings()


def test_a_field_that_a_later_version_adds_is_passed_by():
    later = json.loads(to_json(RECORD)) | {"carbon": 1}
    later["stages"]["Trainer"]["watts"] = 2
    assert from_json(json.dumps(later)) == RECORD


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "Invalid JSON"), ('{"schema_version": 1}', "task"), (None, "newer version")],
    ids=["cut off", "not a record", "newer"],
)
def test_what_cannot_be_read_says_which_file(tmp_path, text, said):
    file = tmp_path / "mrpc-3.json"
    file.write_text(text or to_json(dataclasses.replace(RECORD, schema_version=99)))
    with pytest.raises(InputError, match=said) as raised:
        read_record(file)
    assert str(file) in str(raised.value)


def test_a_writer_that_is_killed_leaves_the_old_text_or_the_new_one(tmp_path):
    file = tmp_path / "runs" / "mrpc-3.json"
    write_atomic(file, "old")
    seen, moment = [], 0
    while is_killed_at(lambda: write_atomic(file, "new" * 10_000), moment):
        seen.append(file.read_text())
        moment += 1
    assert seen and set(seen) <= {"old", "new" * 10_000} and file.read_text() == "new" * 10_000
