"""Measures the speed of training against two alternatives: make bench ARGS="training mrpc=DIR".

Four systems train the same encoder on the same examples, in turns, one epoch per round:

    project        as the Trainer does it, in the precision that `auto` chooses here
    float32        the same in float32
    article        Keras fit on hub.KerasLayer, every sequence padded to max_seq_length, float32
    huggingface    transformers and PyTorch, sequences grouped by length, bfloat16 where there is
                   (installed into .cache/huggingface on first use)

The order changes from round to round. Ratios are medians of the rounds' own ratios of CPU seconds per
sequence, which other processes on the machine disturb less than the clock. The results are in
benchmarks/results: training.json with every round, training.md and training.svg.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from benchmarks.places import RESULTS, ROOT, prepared_sample
from benchmarks.worker import Worker
from components.common.serialization import to_json
from components.devices.precision import choose
from components.models.bert.hub import resolve
from components.models.bert.presets import DEFAULT_ENCODER, PRESETS, fetch_checkpoint
from components.spec.registry import load_task, task_names

HUGGINGFACE = ROOT / "benchmarks" / "huggingface"
# Tokens in a round, if all examples had the greatest length: a few batches, so that a round is over
# before the machine's speed changes.
_TOKENS = 65_536
# Tokens in a batch, for all systems: 32 windows of 384 take the article's recipe over 10 GB.
_TOKENS_A_BATCH = 6_144


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "data", nargs="*", metavar="TASK=DIR", help="prepared data of a task; else each sample"
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    install_huggingface()
    results = {}
    for task, data in chosen(options.data).items():
        with tempfile.TemporaryDirectory() as scratch:
            draw_examples(
                data or prepared_sample(task), pathlib.Path(scratch), examples_a_round(task)
            )
            rounds = measure(task, scratch, options.rounds)
        results[task] = {**ratios(rounds), **rounds}
        keep(results)
    print((RESULTS / "training.md").read_text())
    return 0


def chosen(assignments: list[str]) -> dict[str, str]:
    """Returns the tasks that are measured, each with its folder of data: "" for the sample.

    Raises:
      SystemExit: an argument is not TASK=DIR, or there is no such task.
    """
    if not assignments:
        return {path.name: "" for path in sorted((ROOT / "samples").iterdir())}
    found = dict(assignment.partition("=")[::2] for assignment in assignments)
    for task, folder in found.items():
        if task not in task_names() or not folder:
            sys.exit(f"error: {task}={folder}: write TASK=DIR; the tasks are {task_names()}.")
    return found


def examples_a_round(task: str) -> int:
    """Returns how many examples of the task are trained on in a round."""
    return _TOKENS // load_task(task).hyperparameters.max_seq_length


def batch_size(task: str) -> int:
    """Returns how many sequences are in a batch, for all systems."""
    hyperparameters = load_task(task).hyperparameters
    fitting = _TOKENS_A_BATCH // hyperparameters.max_seq_length
    return min(fitting, hyperparameters.batch_size)


def install_huggingface() -> None:
    """Installs a virtual environment in .cache/huggingface, and the checkpoint beside it."""
    requirements, ready = HUGGINGFACE / "requirements.txt", _CACHE / "ready"
    if ready.is_file() and ready.read_text() == requirements.read_text():
        return
    shutil.rmtree(_CACHE, ignore_errors=True)  # what an interrupted installation has left
    subprocess.run(["python3.11", "-m", "venv", "--clear", str(_CACHE / "venv")], check=True)
    install = [HUGGINGFACE_PYTHON, "-m", "pip", "install", "--quiet", "-r", requirements]
    subprocess.run(install, check=True)
    checkpoint = fetch_checkpoint(PRESETS[DEFAULT_ENCODER], _CACHE)
    checkpoint.rename(_CHECKPOINT)
    ready.write_text(requirements.read_text())


_CACHE = ROOT / ".cache" / "huggingface"
HUGGINGFACE_PYTHON, _CHECKPOINT = str(_CACHE / "venv" / "bin" / "python"), _CACHE / "minilm-l6"


def draw_examples(data: str, folder: pathlib.Path, count: int) -> None:
    """Writes `count` examples of the train split, evenly spread, for both environments."""
    import tensorflow as tf

    from components.data.examples import values_by_name

    files = sorted(map(str, pathlib.Path(data, "train").glob("*")))
    records = list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())
    drawn = records[:: max(1, len(records) // count)][:count]
    with tf.io.TFRecordWriter(str(folder / "examples.tfrecord.gz"), "GZIP") as writer:
        for record in drawn:
            writer.write(record)
    with open(folder / "examples.jsonl", "w") as file:
        for record in drawn:
            print(json.dumps(values_by_name(record), default=bytes.decode), file=file)


def commands(task: str, folder: str) -> dict[str, list[str]]:
    """Returns the command of each system's worker, for the examples in a folder."""
    batches = ["--task", task, "--batch-size", str(batch_size(task))]
    ours = [sys.executable, "-m", "benchmarks.tensorflow_systems", *batches]
    ours += ["--schema", f"schema/{task}.pbtxt", "--records", f"{folder}/examples.tfrecord.gz"]
    ours += ["--encoder", to_json(resolve(DEFAULT_ENCODER))]
    theirs = [
        HUGGINGFACE_PYTHON,
        str(HUGGINGFACE / "speed.py"),
        *batches,
        "--examples",
        f"{folder}/examples.jsonl",
    ]
    theirs += ["--checkpoint", str(_CHECKPOINT), "--threads", str(os.cpu_count())]
    theirs += ["--bf16"] if choose("auto") == "bfloat16" else []
    return {
        "project": [*ours, "project", "--precision", "auto"],
        "float32": [*ours, "project"],
        "article": [*ours, "article"],
        "huggingface": theirs,
    }


def measure(task: str, folder: str, count: int) -> dict[str, dict[str, list[dict]]]:
    """Returns the rounds of each system, by kind of round."""
    workers = {}
    try:
        for system, command in commands(task, folder).items():
            workers[system] = Worker(command, f"{folder}/{system}.log", str(ROOT))
        rounds = {
            kind: {system: [] for system in workers} for kind in ("train", "tokenize", "peak")
        }
        for kind, of_systems in rounds.items():
            for worker in workers.values():  # traces, compiles, fills caches
                worker.ask(kind)
            for turn in range(count):
                order = list(workers)
                for system in order[turn % len(order) :] + order[: turn % len(order)]:
                    of_systems[system].append(workers[system].ask(kind))
                    print(task, kind, turn + 1, system, _short(of_systems[system][-1]), flush=True)
    finally:
        for worker in workers.values():
            worker.close()
    return rounds


def _short(made: dict) -> str:
    return f"{made['seconds']:.2f} s, {made['cpu_seconds']:.2f} CPU s"


def ratios(rounds: dict) -> dict[str, float]:
    """Returns how many times as fast this project trains, in CPU seconds: medians over the rounds."""
    ours = rounds["train"]["project"]
    return {
        f"ratio_vs_{other}": round(
            statistics.median(
                (theirs["cpu_seconds"] / theirs["rows"]) / (own["cpu_seconds"] / own["rows"])
                for own, theirs in zip(ours, rounds["train"][other])
            ),
            2,
        )
        for other in ("float32", "article", "huggingface")
    }


def keep(results: dict) -> None:
    """Writes the results, the table and the plot."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "training.json").write_text(json.dumps(results, indent=1) + "\n")
    (RESULTS / "training.md").write_text(table(results))
    plot = [HUGGINGFACE_PYTHON, str(HUGGINGFACE / "plot.py"), str(RESULTS / "training.json")]
    subprocess.run([*plot, str(RESULTS / "training.svg")], check=True)


def table(results: dict) -> str:
    """Returns the table in Markdown: medians over the rounds, with the range of the rates."""
    columns = (
        "task, system, precision, sequences/s, CPU ms per sequence, tokens/s, padding, of peak"
    )
    columns += ", memory MB"
    lines = [f"| {columns.replace(', ', ' | ')} |", "|---" * 9 + "|"]
    for task, result in results.items():
        for system, made in result["train"].items():
            top = statistics.median(r["flops_per_second"] for r in result["peak"][system])
            lines.append(f"| {task} | {system} | {_line(made, top)} |")
    return "\n".join(lines) + "\n"


def _line(made: list[dict], peak: float) -> str:
    first = made[0]
    rates = [r["rows"] / r["seconds"] for r in made]
    return " | ".join(
        [
            first["precision"],
            f"{statistics.median(rates):.1f} ({min(rates):.1f}-{max(rates):.1f})",
            f"{1000 * statistics.median(r['cpu_seconds'] / r['rows'] for r in made):.1f}",
            f"{statistics.median(r['tokens'] / r['seconds'] for r in made):,.0f}",
            f"{first['padding_fraction']:.1%}",
            f"{statistics.median(r['flops'] / r['seconds'] for r in made) / peak:.0%}",
            f"{max(r['peak_memory_mb'] for r in made):,.0f}",
        ]
    )
