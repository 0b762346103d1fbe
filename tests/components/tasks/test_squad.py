"""The examples of SQuAD, from the official files and from the user's own."""

import json
import pathlib

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.common.errors import InputError
from components.data.readers.reader import key_of, reader_of
from components.spec.registry import load_task

ROOT = pathlib.Path(__file__).parents[3]
TASK = load_task("squad")
READER = reader_of(TASK.data)


def write(path, *questions, context="It is old."):
    qas = [
        {"id": name, "question": text, "answers": [{"text": "old", "answer_start": 6}]}
        for name, text in questions
    ]
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": context, "qas": qas}]}]}))


def test_the_dev_file_is_the_eval_split(tmp_path):
    write(tmp_path / "train-v1.1.json", ("q1", "How is it?"), ("q2", "What is it?"))
    write(tmp_path / "dev-v1.1.json", ("q3", "How is that?"))
    splits = READER.read_official(str(tmp_path), TASK.data, TASK.head)
    assert {
        split: [(where, row["id"]) for where, row in rows] for split, rows in splits.items()
    } == {
        "train": [
            (f"{tmp_path}/train-v1.1.json: question q1", "q1"),
            (f"{tmp_path}/train-v1.1.json: question q2", "q2"),
        ],
        "eval": [(f"{tmp_path}/dev-v1.1.json: question q3", "q3")],
    }


def test_the_same_question_on_the_same_context_is_the_same_example():
    row = {"id": "q1", "title": "A", "question": "How?", "context": "Old.", "answer_text": ["Old"]}

    def key(row):
        return key_of(row, TASK.head)

    assert key(row) == key(row | {"id": "q2", "title": "B", "answer_text": ["Old."]})
    assert key(row) != key(row | {"context": "Old!"})
    assert key(row) != key(row | {"question": "How!"})


def test_examples_have_the_features_of_the_schema(tmp_path):
    schema = text_format.Parse((ROOT / "schema/squad.pbtxt").read_text(), schema_pb2.Schema())
    write(tmp_path / "own.json", ("q1", "How is it?"))
    ((_, row),) = READER.read_file(str(tmp_path / "own.json"), TASK.head)
    kinds = {str: schema_pb2.BYTES, int: schema_pb2.INT}
    found = {}
    for name, value in row.items():
        item = value[0] if isinstance(value, list) else value
        found[name] = (kinds[type(item)], isinstance(value, list))
    features = [feature for feature in schema.feature if not feature.lifecycle_stage]
    assert found == {f.name: (f.type, f.HasField("value_count")) for f in features}
    assert all(f.presence.min_fraction == 1.0 for f in features)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_question_length", "0"),
        ("max_answer_length", "0"),
        ("stride", "-1"),
        ("seed", "4294967296"),
    ],
)
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(InputError, match=rf"{setting} \w+ {value}\b.*--set {setting}="):
        TASK.override({setting: value})


@pytest.mark.parametrize("setting", ["stride", "max_answer_length", "min_exact_match"])
def test_settings_of_spans_can_be_set(setting):
    assert TASK.override({setting: "1"}).settings()[setting] == 1
    with pytest.raises(InputError, match=setting):
        TASK.override({setting: "much"})
