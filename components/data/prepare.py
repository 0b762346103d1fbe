"""Writes official files or the user's own as TFRecords of tf.Examples, one folder a split.

Everything is checked before anything is written. The output folder changes as a whole or not at all. A
second run over the same files writes nothing, so that results computed from the folder stay valid.
"""

import collections
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components.common import files
from components.common.cache import cache_directory
from components.common.errors import InputError
from components.common.locks import locked
from components.common.progress import Counter
from components.common.stderr_filter import quiet_stderr
from components.data import download
from components.data.readers.reader import has_alignment, key_of, reader_of
from components.spec.data_source import SPLITS, LocatedExample
from components.spec.task import Task

SUMMARY_NAME = "dataset.json"
# Raise it with every change to what is written for the same source files.
_FORMAT = 1
_WRITTEN_BY = "prepare"
_WRITTEN_BY_EARLIER = ("components.prepare",)

Splits = Mapping[str, list[LocatedExample]]


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the examples to prepare come from.

    Attributes:
      files: role (the split, or the name of an official file) -> {"name", "sha256"}.
      read: reads the examples of every split.
      is_published: whether the bytes are the published ones, which the user cannot mend.
    """

    files: Mapping[str, Mapping[str, str]]
    read: Callable[[], Splits]
    is_published: bool


def own_files(task: Task, paths: Mapping[str, str | None]) -> Source:
    """Returns the user's own files as a source, one a split; leaves out a split without a path.

    Raises:
      InputError: a file does not exist.
    """
    reader = reader_of(task.data)
    given = {split: path for split, path in paths.items() if path}
    for split, path in given.items():
        if not os.path.isfile(path):
            raise InputError(f"--{split} {path}: there is no such file.")
    return Source(
        files={
            split: {"name": os.path.basename(path), "sha256": files.file_sha256(path)}
            for split, path in given.items()
        },
        read=lambda: {
            split: list(reader.read_file(path, task.head)) for split, path in given.items()
        },
        is_published=False,
    )


def official_files(task: Task, folder: str | None) -> Source:
    """Returns the official files in the folder as a source; without one, downloads them to the cache.

    Raises:
      InputError: the task has none, or a file is missing or is not the published one.
    """
    if not task.data.files:
        raise InputError(
            f"The task {task.name} has no official files. Pass yours: --train FILE --eval FILE."
        )
    if not folder:
        folder = str(cache_directory() / "data" / task.name)
        download.download(task.data.files, folder)
    reader = reader_of(task.data)
    hashes = download.verify(task.data.files, folder)
    return Source(
        files={name: {"name": name, "sha256": sha256} for name, sha256 in hashes.items()},
        read=lambda: reader.read_official(folder, task.data, task.head),
        is_published=not download.is_vouched_for(folder),
    )


def prepare(task: Task, source: Source, output: str, drop_misaligned: bool = False) -> None:
    """Writes the examples of `source` to the folder `output`, unless they are there already.

    Args:
      drop_misaligned: whether to leave out examples whose answer is not where they say, instead
        of refusing them.

    Raises:
      InputError: the examples cannot be used, or the folder holds something else.
    """
    target = os.path.realpath(output)
    with locked(os.path.dirname(target)):
        files.recover(target)
        summary = _read_summary(target)
        up_to_date = _is_up_to_date(target, summary, task, source, drop_misaligned)
        if not summary or not up_to_date:
            read = source.read()
            splits = _aligned(read, task, drop_misaligned)
            _check(splits, task, source)
            dropped = {
                split: len(examples) - len(splits[split]) for split, examples in read.items()
            }
            summary = _replace(target, splits, dropped, task, source)
    _print_table(summary)
    print(f"{output} {'is up to date' if up_to_date else 'is ready'} for the task {task.name}.")


def _read_summary(output: str) -> dict[str, Any] | None:
    """Reads `dataset.json` in a folder that was prepared; returns None where there is none yet.

    Raises:
      InputError: the folder holds something that this command did not write.
    """
    if not os.path.lexists(output):
        return None
    if not os.path.isdir(output):
        raise InputError(f"{output} is a file. Choose another --output.")
    names = set(os.listdir(output))
    if not names:
        return None
    foreign = sorted(names - {*SPLITS, SUMMARY_NAME})
    if foreign or SUMMARY_NAME not in names:
        raise InputError(
            f"{output} would be replaced as a whole, but holds {(foreign or sorted(names))[0]}, "
            "which this command did not write. Choose another --output, or empty it."
        )
    try:
        with open(os.path.join(output, SUMMARY_NAME), encoding="utf-8") as file:
            summary = json.load(file)
        if summary["written_by"] in (_WRITTEN_BY, *_WRITTEN_BY_EARLIER):
            return summary
    except (ValueError, TypeError, LookupError):
        pass
    raise InputError(
        f"{output}/{SUMMARY_NAME} was not written by this command. Choose another --output."
    )


def _is_up_to_date(
    output: str, summary: dict[str, Any] | None, task: Task, source: Source, drop_misaligned: bool
) -> bool:
    """Whether the folder holds what would be written: of the same source bytes, and unchanged."""
    if not summary or (summary["format"], summary["task"]) != (_FORMAT, task.name):
        return False
    if not drop_misaligned and any(s.get("dropped") for s in summary["splits"].values()):
        return False
    if _hashes(summary["sources"]) != _hashes(source.files):
        return False
    return all(
        _contents(os.path.join(output, split)) == summary["splits"].get(split, {}).get("files", {})
        for split in SPLITS
    )


def _hashes(files: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {role: file["sha256"] for role, file in files.items()}


def _contents(folder: str) -> dict[str, str]:
    """Returns file -> SHA-256."""
    if not os.path.isdir(folder):
        return {}
    return {entry.name: files.file_sha256(entry.path) for entry in os.scandir(folder)}


def _aligned(splits: Splits, task: Task, drop: bool) -> Splits:
    """Returns the examples whose answers stand where they say; drops or refuses the others."""
    reader = reader_of(task.data)
    if not has_alignment(reader):
        return splits
    problems = {
        split: {
            where: problem
            for where, example in examples
            if (problem := reader.misalignment(example))
        }
        for split, examples in splits.items()
    }
    misaligned = [found for split in problems.values() for found in split.items()]
    if not misaligned:
        return splits
    where, problem = misaligned[0]
    total = sum(len(examples) for examples in splits.values())
    count = f"{len(misaligned):,} of {total:,} examples have an answer that is not where they say"
    if not drop:
        raise InputError(
            f"{where}: {problem}. {count}. Mend them, or leave them out by --drop-misaligned."
        )
    print(f"warning: {count}; they are left out. The first: {where}: {problem}.", file=sys.stderr)
    return {
        split: [(where, example) for where, example in examples if where not in problems[split]]
        for split, examples in splits.items()
    }


def _check(splits: Splits, task: Task, source: Source) -> None:
    """Checks what every task needs: examples, two classes, and no train example in another split."""
    label = task.head.class_feature
    for split, examples in splits.items():
        if not examples:
            file = source.files.get(split, {}).get("name") or ", ".join(source.files)
            raise InputError(f"The {split} split has no examples. Add some to {file}.")
        if label and len(_count(examples, label)) < 2:
            where, example = examples[0]
            raise InputError(
                f"{where} and all examples after it: field {label!r}: always {example[label]}. "
                f"The {split} split needs examples of another class too."
            )
    trained_on = {key_of(example, task.head): where for where, example in splits["train"]}
    overlap = [
        (where, trained_on[key_of(example, task.head)])
        for split, examples in splits.items()
        if split != "train"
        for where, example in examples
        if key_of(example, task.head) in trained_on
    ]
    if overlap and source.is_published:
        print(f"warning: {_describe(overlap)} They were published so.", file=sys.stderr)
    elif overlap:
        raise InputError(f"{_describe(overlap)} Remove them from one of the two.")


def _describe(overlap: Sequence[tuple[str, str]]) -> str:
    where, trained_on = overlap[0]
    return (
        f"{where}: the same example as {trained_on}. Examples to train on and to evaluate on must "
        f"differ; {len(overlap):,} do not."
    )


def _count(examples: Sequence[LocatedExample], feature: str) -> dict[str, int]:
    counts = collections.Counter(example[feature] for _, example in examples)
    return {str(value): counts[value] for value in sorted(counts)}


def _replace(
    output: str, splits: Splits, dropped: Mapping[str, int], task: Task, source: Source
) -> dict[str, Any]:
    """Writes a new folder, puts it in the old one's place, and returns the summary.

    Args:
      dropped: split -> number of its examples that are left out.
    """
    example_count = sum(len(examples) for examples in splits.values())
    summary: dict[str, Any] = {
        "written_by": _WRITTEN_BY,
        "format": _FORMAT,
        "task": task.name,
        "sources": source.files,
        "splits": {},
    }
    with quiet_stderr():
        # TensorFlow takes seconds, and most errors are found without it.
        from components.data.tfrecords import write_records
    counter = Counter("Writing", "examples", example_count)
    with files.replacing(output) as folder, counter:
        for split, examples in splits.items():
            split_folder = os.path.join(folder, split)
            write_records(split_folder, [example for _, example in examples], counter.add)
            summary["splits"][split] = {
                "rows": len(examples),
                "labels": _count(examples, label) if (label := task.head.class_feature) else {},
                "files": _contents(split_folder),
                **({"dropped": dropped[split]} if dropped[split] else {}),
            }
        counter.say()
        with open(os.path.join(folder, SUMMARY_NAME), "w", encoding="utf-8") as file:
            json.dump(summary, file, indent=2, sort_keys=True)
            file.write("\n")
    return summary


def _print_table(summary: Mapping[str, Any]) -> None:
    splits = summary["splits"]
    labels = sorted({label for split in splits.values() for label in split["labels"]})
    has_dropped = any(split.get("dropped") for split in splits.values())
    table = [
        ["split", "examples", *(f"label {label}" for label in labels), "files"]
        + ["dropped"] * has_dropped
    ]
    for name in SPLITS:
        if name in splits:
            counts = [splits[name]["labels"].get(label, 0) for label in labels]
            numbers = [splits[name]["rows"], *counts, len(splits[name]["files"])]
            numbers += [splits[name].get("dropped", 0)] * has_dropped
            table.append([name, *(f"{number:,}" for number in numbers)])
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for name, *numbers in table:
        cells = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
        print("  ".join([name.ljust(widths[0]), *cells]))
