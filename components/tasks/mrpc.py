"""MRPC: do two sentences say the same? (Dolan and Brockett, 2005; GLUE's train and dev split.)"""

import os
from collections.abc import Iterator, Sequence

from components.common.errors import InputError
from components.data.readers.tsv import bad_field, read_columns, read_table, text, whole_number
from components.evaluation.metrics.sequence_classification import (
    of_two_classes,
    plots_of_two_classes,
)
from components.models.heads.sequence_classification import PairClassification
from components.spec.task import (
    Card,
    DataFormat,
    Hyperparameters,
    LocatedRow,
    OfficialFile,
    Row,
    Task,
    Threshold,
)

_SENTEVAL = "https://dl.fbaipublicfiles.com/senteval/senteval_data"
_TRAIN = OfficialFile(
    name="msr_paraphrase_train.txt",
    url=f"{_SENTEVAL}/msr_paraphrase_train.txt",
    size=1_047_044,
    sha256="60a9b09084528f0673eedee2b69cb941920f0b8cd0eeccefc464a98768457f89",
)
_DEV_IDS = OfficialFile(
    name="mrpc_dev_ids.tsv",
    url="https://dl.fbaipublicfiles.com/glue/data/mrpc_dev_ids.tsv",
    size=6_222,
    sha256="971d7767d81b997fd9060ade0ec23c4fc31cbb226a55d1bd4a1bac474eb81dc7",
)
_TEST = OfficialFile(
    name="msr_paraphrase_test.txt",
    url=f"{_SENTEVAL}/msr_paraphrase_test.txt",
    size=441_275,
    sha256="a04e271090879aaba6423d65b94950c089298587d9c084bf9cd7439bd785f784",
    optional=True,
)
# Columns: the two sentences, the label, and what tells a row from the others of its file.
_GLUE = ("#1 String", "#2 String", "Quality", "#1 ID", "#2 ID")
_PLAIN = ("sentence1", "sentence2", "label")


def read_official(folder: str) -> dict[str, list[LocatedRow]]:
    """The rows of the official files; those that the dev ids name are the eval split."""
    train_path, dev_path, test_path = (
        os.path.join(folder, file.name) for file in (_TRAIN, _DEV_IDS, _TEST)
    )
    rows = dict(_read(train_path))
    dev_ids = set()
    for where, fields in read_columns(dev_path, _GLUE[3:]):
        ids = tuple(fields.values())
        if ids not in rows or ids in dev_ids:
            problem = "has come before" if ids in dev_ids else f"is not in {train_path}"
            raise _bad_ids(where, _GLUE[3:], ids, problem)
        dev_ids.add(ids)
    splits = {
        "train": [row for ids, row in rows.items() if ids not in dev_ids],
        "eval": [row for ids, row in rows.items() if ids in dev_ids],
    }
    if os.path.exists(test_path):
        splits["test"] = list(read_file(test_path))
    return {
        split: [(where, {**row, "idx": idx}) for idx, (where, row) in enumerate(located)]
        for split, located in splits.items()
    }


def read_file(path: str) -> Iterator[LocatedRow]:
    """The rows of a file in GLUE's layout, or with columns sentence1, sentence2, label and idx.

    Without a column idx, rows are numbered from 0.
    """
    for _, located_row in _read(path):
        yield located_row


def _read(path: str) -> Iterator[tuple[tuple, LocatedRow]]:
    """(ids, row): the pair of sentence ids in GLUE's layout, idx otherwise."""
    seen: dict[tuple, str] = {}
    for number, line in enumerate(read_table(path, (_GLUE, _PLAIN))):
        where, fields = line
        is_glue = all(name in fields for name in _GLUE)
        first, second, label = _GLUE[:3] if is_glue else _PLAIN
        row = {
            "sentence1": text(line, first),
            "sentence2": text(line, second),
            "label": whole_number(line, label, limit=2),
            "idx": number if is_glue or "idx" not in fields else whole_number(line, "idx", 2**63),
        }
        id_names = _GLUE[3:] if is_glue else ("idx",)
        ids = tuple(fields[name] for name in id_names) if is_glue else (row["idx"],)
        if ids in seen:
            raise _bad_ids(where, id_names, ids, f"stands at {seen[ids]} too")
        seen[ids] = where
        yield ids, (where, row)


def _bad_ids(where: str, names: Sequence[str], ids: tuple, problem: str) -> InputError:
    value = ", ".join(map(str, ids))
    return bad_field(
        where, ", ".join(names), f"{value} {problem}", "Mend the ids or delete the line."
    )


def _sentence_pair(row: Row) -> tuple:
    return tuple(sorted((row["sentence1"], row["sentence2"])))


TASK = Task(
    name="mrpc",
    data=DataFormat(
        files=(_TRAIN, _DEV_IDS, _TEST),
        read_official=read_official,
        read_file=read_file,
        key=_sentence_pair,
        label="label",
    ),
    head=PairClassification(
        text_features=("sentence1", "sentence2"), label_feature="label", num_labels=2
    ),
    metrics=of_two_classes(),
    plots=plots_of_two_classes(),
    # AUC beside them: of three trainings with a tenth of the labels flipped, one lost in AUC alone.
    thresholds={
        "accuracy": Threshold(floor=0.75),
        "f1": Threshold(floor=0.83),
        "auc": Threshold(floor=0.80),
    },
    slices=("label", "words", "overlap", "negation", "numbers"),
    hyperparameters=Hyperparameters(epochs=3, learning_rate=1e-4, head_learning_rate=5e-4),
    card=Card(
        description="Says whether two sentences mean the same (label 1) or not (label 0).",
        limits=(
            "English news sentences of 2001 to 2004; not tried on other text.",
            "What goes beyond max_length word pieces is cut off, the longer sentence first.",
            "The probabilities are not calibrated.",
        ),
        data_licence="MRPC: Microsoft Research's licence, which rules commercial use out.",
    ),
)
