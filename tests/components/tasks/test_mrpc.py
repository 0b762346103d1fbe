"""The examples of MRPC, from the official files and from the user's own."""

import hashlib
import os
import pathlib

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.common.errors import InputError
from components.data.readers.reader import key_of, reader_of
from components.spec.registry import load_task

ROOT = pathlib.Path(__file__).parents[3]
TASK = load_task("mrpc")
READER = reader_of(TASK.data)
DATA = pathlib.Path(os.environ.get("BERT_TFX_DATA", ROOT.parent / "shared" / "data")) / "mrpc"
HEADER = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"
LINES = [
    '1\t10\t11\tHe said " no " .\t" No , " he said .',
    "0\t12\t13\t Two  spaces\tand one at the end ",
    "1\t11\t10\tThe ids of line 2 , swapped .\tThat is another pair .",
]


def write(path, lines, end="\n", encoding="utf-8"):
    path.write_bytes("".join(line + end for line in lines).encode(encoding))
    return str(path)


def rows_of(path):
    return [row for _, row in READER.read_file(path, TASK.head)]


def test_text_is_left_as_it_stands(tmp_path):
    assert rows_of(write(tmp_path / "own.tsv", [HEADER, *LINES])) == [
        {
            "sentence1": 'He said " no " .',
            "sentence2": '" No , " he said .',
            "label": 1,
            "idx": 0,
        },
        {"sentence1": " Two  spaces", "sentence2": "and one at the end ", "label": 0, "idx": 1},
        {
            "sentence1": "The ids of line 2 , swapped .",
            "sentence2": "That is another pair .",
            "label": 1,
            "idx": 2,
        },
    ]


def test_byte_order_mark_and_crlf_change_nothing(tmp_path):
    plain = rows_of(write(tmp_path / "plain.tsv", [HEADER, *LINES]))
    assert rows_of(write(tmp_path / "own.tsv", [HEADER, *LINES], "\r\n", "utf-8-sig")) == plain


@pytest.mark.parametrize(
    ("lines", "idx"),
    [
        (["label\tsentence2\tsentence1", "1\tb\ta", "0\td\tc"], [0, 1]),
        (["idx\tlabel\tsentence2\tsentence1", "7\t1\tb\ta", "3\t0\td\tc"], [7, 3]),
    ],
)
def test_plain_columns(tmp_path, lines, idx):
    assert rows_of(write(tmp_path / "own.tsv", lines)) == [
        {"sentence1": "a", "sentence2": "b", "label": 1, "idx": idx[0]},
        {"sentence1": "c", "sentence2": "d", "label": 0, "idx": idx[1]},
    ]


PLAIN = "sentence1\tsentence2\tlabel\tidx"


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        (["Quality\t#1 String\t#2 String", "1\ta\tb"], [":1:", "#1 ID"]),
        ([HEADER, LINES[0], "1\t20\t21\t \tb"], [":3:", "'#1 String'", "empty", "delete"]),
        ([HEADER, "1\t20\t21\ta\t"], [":2:", "'#2 String'", "empty", "delete"]),
        ([HEADER, LINES[0], LINES[1], "2\t20\t21\ta\tb"], [":4:", "'Quality'", "'2'", "0 to 1"]),
        ([HEADER, LINES[0], LINES[1], LINES[0]], [":4:", "'#1 ID, #2 ID'", "10, 11", ":2"]),
        ([HEADER, "1\t20\t21\ta"], [":2:", "'#2 String'", "4 of 5"]),
        ([PLAIN, "a\tb\t-1\t0"], [":2:", "'label'", "'-1'"]),
        ([PLAIN, "a\tb\t1 \t0"], [":2:", "'label'", "'1 '"]),
        ([PLAIN, "a\tb\t1\t0", "c\t\t0\t1"], [":3:", "'sentence2'", "empty"]),
        ([PLAIN, "a\tb\t1\tx"], [":2:", "'idx'", "'x'", "whole number"]),
        ([PLAIN, f"a\tb\t1\t{2**63}"], [":2:", "'idx'", str(2**63 - 1)]),
        ([PLAIN, "a\tb\t1\t5", "c\td\t0\t05"], [":3:", "'idx'", "5 ", ":2"]),
    ],
)
def test_a_bad_line_is_named(tmp_path, lines, parts):
    path = write(tmp_path / "own.tsv", lines)
    with pytest.raises(InputError) as error:
        rows_of(path)
    for part in [path, *parts]:
        assert part in str(error.value)


def test_dev_ids_split_the_official_file(tmp_path):
    write(tmp_path / "msr_paraphrase_train.txt", [HEADER, *LINES], encoding="utf-8-sig")
    write(tmp_path / "mrpc_dev_ids.tsv", ["10\t11"])
    write(tmp_path / "msr_paraphrase_test.txt", [HEADER, LINES[2]])
    splits = READER.read_official(str(tmp_path), TASK.data, TASK.head)
    numbered = {
        split: [(where.rpartition(":")[2], row["sentence1"], row["idx"]) for where, row in rows]
        for split, rows in splits.items()
    }
    assert numbered == {
        "train": [("3", " Two  spaces", 0), ("4", "The ids of line 2 , swapped .", 1)],
        "eval": [("2", 'He said " no " .', 0)],
        "test": [("2", "The ids of line 2 , swapped .", 0)],
    }


@pytest.mark.parametrize(
    ("dev_ids", "parts"),
    [
        (["10\t11", "98\t99"], [":2:", "'#1 ID, #2 ID'", "98, 99", "not in"]),
        (["10\t11", "12\t13", "10\t11"], [":3:", "'#1 ID, #2 ID'", "10, 11", "before"]),
        (["10 11"], [":1:", "'#2 ID'", "1 of 2"]),
    ],
)
def test_a_bad_dev_id_is_named(tmp_path, dev_ids, parts):
    write(tmp_path / "msr_paraphrase_train.txt", [HEADER, *LINES])
    path = write(tmp_path / "mrpc_dev_ids.tsv", dev_ids)
    with pytest.raises(InputError) as error:
        READER.read_official(str(tmp_path), TASK.data, TASK.head)
    for part in [path, *parts]:
        assert part in str(error.value)


def test_a_pair_is_the_same_in_either_order():
    one, other = {"sentence1": "a", "sentence2": "b"}, {"sentence1": "b", "sentence2": "a"}
    assert key_of(one, TASK.head) == key_of(other, TASK.head)


def test_examples_have_the_features_of_the_schema(tmp_path):
    schema = text_format.Parse((ROOT / "schema/mrpc.pbtxt").read_text(), schema_pb2.Schema())
    (row,) = rows_of(write(tmp_path / "own.tsv", [HEADER, LINES[0]]))
    types = {schema_pb2.BYTES: str, schema_pb2.INT: int}
    features = {f.name: types[f.type] for f in schema.feature if not f.lifecycle_stage}
    assert features == {k: type(v) for k, v in row.items()}


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA}; BERT_TFX_DATA names it")
def test_the_published_files():
    splits = READER.read_official(str(DATA), TASK.data, TASK.head)
    counts = {
        split: (len(rows), sum(row["label"] for _, row in rows)) for split, rows in splits.items()
    }
    assert counts["train"] == (3_668, 2_474)
    assert counts["eval"] == (408, 279)
    for file in TASK.data.files[:2]:
        content = (DATA / file.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)


def test_glues_test_file_has_no_labels_which_is_told(tmp_path):
    path = write(
        tmp_path / "test.tsv", ["index\t#1 ID\t#2 ID\t#1 String\t#2 String", "0\t1\t2\ta\tb"]
    )
    with pytest.raises(InputError, match=r"test\.tsv:1: .*'Quality'.*msr_paraphrase_test\.txt"):
        rows_of(path)
