"""MRPC as SentEval and GLUE publish it: tab-separated pairs, and the ids of GLUE's dev split."""

import os
from collections.abc import Iterator, Sequence

from components.common.errors import InputError
from components.data.readers.tsv import bad_field, read_columns, read_table, text, whole_number
from components.spec.data_source import DataSource, LocatedExample
from components.spec.heads import HeadConfig

# Columns: the two sentences, the label, and what tells an example from the others of its file.
_GLUE = ("#1 String", "#2 String", "Quality", "#1 ID", "#2 ID")
_PLAIN = ("sentence1", "sentence2", "label")
_WITHOUT_LABELS = (
    "GLUE's test.tsv has no labels; the same examples with theirs are in msr_paraphrase_test.txt."
)


def read_official(
    folder: str, source: DataSource, head: HeadConfig
) -> dict[str, list[LocatedExample]]:
    """Reads the official files: train, dev ids, test; the dev ids name the eval split's examples."""
    train_path, dev_path, test_path = (os.path.join(folder, file.name) for file in source.files)
    examples = dict(_read(train_path))
    dev_ids = set()
    for where, fields in read_columns(dev_path, _GLUE[3:]):
        ids = tuple(fields.values())
        if ids not in examples or ids in dev_ids:
            problem = "has come before" if ids in dev_ids else f"is not in {train_path}"
            raise _bad_ids(where, _GLUE[3:], ids, problem)
        dev_ids.add(ids)
    splits = {
        "train": [located for ids, located in examples.items() if ids not in dev_ids],
        "eval": [located for ids, located in examples.items() if ids in dev_ids],
    }
    if os.path.exists(test_path):
        splits["test"] = list(read_file(test_path, head))
    return {
        split: [(where, {**example, "idx": idx}) for idx, (where, example) in enumerate(located)]
        for split, located in splits.items()
    }


def read_file(path: str, head: HeadConfig) -> Iterator[LocatedExample]:
    """Reads a file in GLUE's layout, or with columns sentence1, sentence2, label and idx.

    Without a column idx, examples are numbered from 0. The columns are MRPC's, whatever the head.
    """
    del head
    for _, located in _read(path):
        yield located


def _read(path: str) -> Iterator[tuple[tuple, LocatedExample]]:
    """Yields ids and example; the ids are the pair of sentence ids in GLUE's layout, else idx."""
    seen: dict[tuple, str] = {}
    for number, line in enumerate(read_table(path, (_GLUE, _PLAIN), _WITHOUT_LABELS)):
        where, fields = line
        is_glue = all(name in fields for name in _GLUE)
        first, second, label = _GLUE[:3] if is_glue else _PLAIN
        example = {
            "sentence1": text(line, first),
            "sentence2": text(line, second),
            "label": whole_number(line, label, limit=2),
            "idx": number if is_glue or "idx" not in fields else whole_number(line, "idx", 2**63),
        }
        id_names = _GLUE[3:] if is_glue else ("idx",)
        ids = tuple(fields[name] for name in id_names) if is_glue else (example["idx"],)
        if ids in seen:
            raise _bad_ids(where, id_names, ids, f"stands at {seen[ids]} too")
        seen[ids] = where
        yield ids, (where, example)


def _bad_ids(where: str, names: Sequence[str], ids: tuple, problem: str) -> InputError:
    value = ", ".join(map(str, ids))
    return bad_field(
        where, ", ".join(names), f"{value} {problem}", "Mend the ids or delete the line."
    )
