"""Text comes back as it stands in the file, or not at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.common.errors import InputError
from components.data.readers.tsv import read_columns, read_table

LAYOUTS = (("text", "label"), ("Quality", "String"))
FIELD = st.text(st.characters(exclude_characters="\0\t\r\n", exclude_categories=["Cs"]))


def read(path, content):
    path.write_bytes(content)
    return list(read_table(str(path), LAYOUTS))


@settings(max_examples=50, deadline=None)
@given(lines=st.lists(st.tuples(FIELD, FIELD)), end=st.sampled_from(["\n", "\r\n"]))
def test_every_character_but_tab_and_line_end_is_data(tmp_path_factory, lines, end):
    path = tmp_path_factory.mktemp("tabular") / "table.tsv"
    text = end.join("\t".join(line) for line in [("text", "label"), *lines])
    for encoding in ("utf-8", "utf-8-sig"):
        rows = read(path, (text + end).encode(encoding))
        assert [tuple(fields.values()) for _, fields in rows] == lines
        assert [where for where, _ in rows] == [f"{path}:{n + 2}" for n in range(len(lines))]


def test_columns_stand_in_any_order_among_others(tmp_path):
    rows = read(tmp_path / "table.tsv", b'label\tnote\ttext\n1\t"\t"a" b')
    assert rows == [
        (f"{tmp_path / 'table.tsv'}:2", {"label": "1", "note": '"', "text": '"a" b'}),
    ]


def test_a_file_without_header(tmp_path):
    (tmp_path / "ids.tsv").write_bytes(b"1\t2\r\n3\t4\n")
    rows = read_columns(str(tmp_path / "ids.tsv"), ("first", "second"))
    assert [fields for _, fields in rows] == [
        {"first": "1", "second": "2"},
        {"first": "3", "second": "4"},
    ]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", [":1:", "text, label", "tabs"]),
        (b"text,label\na,1\n", [":1:", "text,label", "tabs"]),
        (b"text\tlabel\ttext\na\t1\tb\n", [":1:", "'text'", "twice"]),
        (b"text\tlabel\na\t1\na\n", [":3:", "'label'", "1 of 2"]),
        (b"text\tlabel\n\na\t1\n", [":2:", "'label'", "empty"]),
        (b"text\tlabel\na\tb\t1\n", [":2:", "'label'", "3 columns"]),
        (b"text\tlabel\na\t1\nb\t1\xe9\n", [":3:", "'label'", "byte 4", "0xe9", "UTF-8"]),
        (b"te\xe9t\tlabel\n", [":1:", "'column 1'", "byte 3", "0xe9"]),
        (b"text\tlabel\na\0b\t1\n", [":2:", "'text'", "byte 2", "NUL"]),
        ("text\tlabel\na\t1\n".encode("utf-16"), [":1:", "'column 1'", "0xff", "UTF-8"]),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path, content, parts):
    with pytest.raises(InputError) as error:
        read(tmp_path / "table.tsv", content)
    for part in ["table.tsv", *parts]:
        assert part in str(error.value)
