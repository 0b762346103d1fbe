"""Reads tab-separated text as it is: a quotation mark is data, and white space stays as it stands.

As a reader, it reads the columns that a classification's head names.
"""

import codecs
import re
from collections.abc import Iterator, Sequence

from components.common.errors import InputError
from components.spec.data_source import LocatedExample
from components.spec.heads import HeadConfig, SequenceClassification

# Where a line stands ("train.tsv:17"), and its fields by column name.
Line = tuple[str, dict[str, str]]


def read_file(path: str, head: HeadConfig) -> Iterator[LocatedExample]:
    """Reads a file with a column for each text and one for the label, a class's name or position.

    Raises:
      InputError: at the first line that is not what it should be.
    """
    if not isinstance(head, SequenceClassification):
        raise InputError(f"{path}: a table has no answers of the kind {head.kind}.")
    names = head.text_features
    for line in read_table(path, [(*names, head.label_feature)]):
        example = {name: text(line, name) for name in names}
        yield line[0], {**example, head.label_feature: _class_id(line, head)}


def _class_id(line: Line, head: SequenceClassification) -> int:
    value = line[1][head.label_feature]
    if value in head.classes:
        return head.classes.index(value)
    return whole_number(line, head.label_feature, limit=len(head.classes))


def read_table(
    path: str, layouts: Sequence[Sequence[str]], without_labels: str = ""
) -> Iterator[Line]:
    """Reads the lines of a file that begins with a header.

    Args:
      path: UTF-8, with or without byte order mark; lines end in LF or CRLF.
      layouts: the possible headers. The columns may stand in any order, and among others.
      without_labels: what to say of a published file in which only the column of the label is missing.

    Raises:
      InputError: at the first line that is not what it should be.
    """
    lines = _read_lines(path)
    where, header = next(lines, (f"{path}:1", b""))
    columns = _decode(where, header, ()).split("\t")
    if not any(set(layout) <= set(columns) for layout in layouts):
        expected = " or ".join(", ".join(layout) for layout in layouts)
        raise InputError(
            f"{where}: the header is {', '.join(columns)[:100]!r}, expected are the columns "
            f"{expected}. {_remedy(columns, layouts, without_labels)}"
        )
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise bad_field(where, twice, "the column stands twice in the header", "Delete one.")
    for where, line in lines:
        yield where, _split(where, line, columns)


def _remedy(columns: list[str], layouts: Sequence[Sequence[str]], without_labels: str) -> str:
    missing = [[name for name in layout if name not in columns] for layout in layouts]
    nearest = min(missing, key=len)
    if len(nearest) > 1 or len(columns) == 1:
        return "Name the columns in the first line, separated by tabs."
    remedy = (
        f"Only {nearest[0]!r} is missing: name it in the first line, or take a file that has it."
    )
    return f"{remedy} {without_labels}".rstrip()


def read_columns(path: str, columns: Sequence[str]) -> Iterator[Line]:
    """Reads the lines of a file without a header; see `read_table`."""
    for where, line in _read_lines(path):
        yield where, _split(where, line, columns)


def text(line: Line, field: str) -> str:
    """Returns the field as it stands; it must hold more than white space, else InputError."""
    where, fields = line
    if not fields[field].strip():
        raise bad_field(where, field, "empty", "Write the text or delete the line.")
    return fields[field]


def whole_number(line: Line, field: str, limit: int) -> int:
    """Returns the field as a number, 0 <= number < limit, else raises InputError."""
    where, fields = line
    if not re.fullmatch("[0-9]{1,19}", fields[field]) or int(fields[field]) >= limit:
        problem = f"{fields[field]!r} is not a whole number from 0 to {limit - 1}"
        raise bad_field(where, field, problem, "Write one or delete the line.")
    return int(fields[field])


def bad_field(where: str, field: str, problem: str, remedy: str) -> InputError:
    """Returns the error for one field of one line."""
    return InputError(f"{where}: field {field!r}: {problem}. {remedy}")


def _read_lines(path: str) -> Iterator[tuple[str, bytes]]:
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            yield f"{path}:{number}", line.removesuffix(b"\n").removesuffix(b"\r")


def _split(where: str, line: bytes, columns: Sequence[str]) -> dict[str, str]:
    fields = _decode(where, line, columns).split("\t")
    if len(fields) < len(columns):
        raise bad_field(
            where,
            columns[len(fields)],
            f"missing, the line has {len(fields)} of {len(columns)} columns",
            "Separate the columns by one tab each; delete a line that is empty.",
        )
    if len(fields) > len(columns):
        raise bad_field(
            where,
            columns[-1],
            f"followed by another, the line has {len(fields)} columns instead of {len(columns)}",
            "Replace tabs inside a field by spaces.",
        )
    return dict(zip(columns, fields, strict=True))


def _decode(where: str, line: bytes, columns: Sequence[str]) -> str:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = f"byte {error.start + 1} of the line, 0x{line[error.start]:02x}, is not UTF-8"
        raise _bad_byte(where, line, error.start, columns, problem) from None
    if "\0" in text:
        position = line.index(b"\0")
        problem = f"byte {position + 1} of the line is NUL"
        raise _bad_byte(where, line, position, columns, problem)
    return text


def _bad_byte(
    where: str, line: bytes, position: int, columns: Sequence[str], problem: str
) -> InputError:
    column = line.count(b"\t", 0, position)
    field = columns[column] if column < len(columns) else f"column {column + 1}"
    return bad_field(where, field, problem, "Save the file as UTF-8 text.")
