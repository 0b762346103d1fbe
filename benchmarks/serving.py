"""Measures the speed of answering against two alternatives: make bench ARGS="serving ...".

Three systems answer the same pairs of sentences with the same fine-tuned weights, strings in,
probabilities out, in turns, each with all cores:

    project        the pushed SavedModel
    huggingface    transformers' pipeline() on PyTorch, float32
    onnxruntime    ONNX Runtime, float32, its graph fused for BERT, behind transformers' fast tokenizer
                   (both installed into .cache/huggingface on first use)

In each round every system answers all examples one by one, then in batches of 32; the order of the
systems changes from round to round. Before that, all must give the same answers within 0.001, except on
one example in a hundred. Ratios are medians of the rounds' own ratios. The results are in
benchmarks/results: serving.json with every round, and serving.md.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile

import numpy as np

from benchmarks.training import HUGGINGFACE, HUGGINGFACE_PYTHON, RESULTS, ROOT, install_huggingface
from benchmarks.worker import Worker
from components.common.errors import InputError
from components.models.bert.convert import to_huggingface
from components.spec.encoder import Encoder

BATCH_SIZES = ("1", "32")
_TOLERANCE = 1e-3


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="a pushed version of MRPC")
    parser.add_argument("--data", required=True, help="prepared data; its eval split is answered")
    parser.add_argument("--examples", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    install_huggingface()
    with tempfile.TemporaryDirectory() as scratch:
        write_examples(options.data, f"{scratch}/examples.json", options.examples)
        write_checkpoint(options.model, scratch)
        rounds = measure(scratch, options.model, options.rounds)
    results = {"ratios": ratios(rounds), "rounds": rounds}
    (RESULTS / "serving.json").write_text(json.dumps(results, indent=1) + "\n")
    (RESULTS / "serving.md").write_text(table(results))
    print(table(results))
    return 0


def write_examples(data: str, file: str, count: int) -> None:
    """Writes the first examples of the eval split: [[first sentence, second sentence], ...]."""
    import tensorflow as tf

    files = sorted(map(str, pathlib.Path(data, "eval").glob("*")))
    examples = []
    for record in tf.data.TFRecordDataset(files, "GZIP").take(count).as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        texts = (feature[name].bytes_list.value[0] for name in ("sentence1", "sentence2"))
        examples.append([text.decode() for text in texts])
    pathlib.Path(file).write_text(json.dumps(examples))


def write_checkpoint(model: str, folder: str) -> None:
    """Writes the weights of a pushed version by PyTorch's names, its vocabulary and its settings."""
    import tensorflow as tf
    import tensorflow_text  # noqa: F401 (registers the model's ops)

    card = pathlib.Path(model, "assets.extra", "model_card.json")
    if not card.is_file() or (facts := json.loads(card.read_text()))["task"] != "mrpc":
        raise InputError(f"{model} is no pushed version of MRPC. Pass one of output/serving/mrpc.")
    weights = {}
    for variable in tf.saved_model.load(model).weights:
        name = variable.name.removesuffix(":0")
        if name.startswith(("dropout", "logits", "layer_normalization")):
            weights[name] = variable.numpy()
        else:
            weights |= to_huggingface(name, variable.numpy())
    np.savez(f"{folder}/weights.npz", **weights)
    encoder = Encoder(**facts["encoder"])
    pathlib.Path(folder, "vocab.txt").write_bytes(pathlib.Path(encoder.vocab_file).read_bytes())
    settings = {
        "max_seq_length": facts["hyperparameters"]["max_seq_length"],
        "lower_case": encoder.lower_case,
    }
    pathlib.Path(folder, "settings.json").write_text(json.dumps(settings))


def measure(scratch: str, model: str, count: int) -> dict[str, dict[str, list[dict]]]:
    """Returns the rounds of each system, by batch size."""
    theirs = [HUGGINGFACE_PYTHON, str(HUGGINGFACE / "serving.py"), "--folder", scratch]
    theirs += ["--threads", str(os.cpu_count())]
    commands = {
        "project": [
            sys.executable,
            "-m",
            "benchmarks.served_model",
            model,
            f"{scratch}/examples.json",
        ],
        "huggingface": [*theirs, "pipeline"],
        "onnxruntime": [*theirs, "onnxruntime"],
    }
    workers = {}
    try:
        for system, command in commands.items():
            workers[system] = Worker(command, f"{scratch}/{system}.log", str(ROOT))
        check_answers({name: worker.ask("answers") for name, worker in workers.items()})
        rounds = {size: {system: [] for system in workers} for size in BATCH_SIZES}
        for size, of_systems in rounds.items():
            for worker in workers.values():  # warms it up
                worker.ask(size)
            for turn in range(count):
                order = list(workers)
                for system in order[turn % len(order) :] + order[: turn % len(order)]:
                    of_systems[system].append(made := workers[system].ask(size))
                    print(size, turn + 1, system, f"{made['seconds']:.2f} s", flush=True)
    finally:
        for worker in workers.values():
            worker.close()
    return rounds


def check_answers(answers: dict[str, dict]) -> None:
    """Raises ValueError where two systems do not run the same model.

    The answers to one example in a hundred may differ: the tokenizers differ by design on a few
    characters (µ, ½), see `components/models/bert/tokenizer.py`.
    """
    ours = np.array(answers["project"]["probabilities"])
    for system, made in answers.items():
        apart = np.abs(ours - np.array(made["probabilities"])).reshape(len(ours), -1).max(axis=1)
        alike = apart < _TOLERANCE
        furthest = apart[alike].max(initial=0)
        print(
            f"{system}: {alike.sum()} of {len(ours)} answers alike, within {furthest:.1e}",
            flush=True,
        )
        if alike.mean() < 0.99:
            raise ValueError(f"{system} gives other answers, up to {apart.max():.2g} apart")


def ratios(rounds: dict) -> dict[str, dict[str, float]]:
    """Returns how many times as fast this project answers, by batch size and other system."""
    return {
        size: {
            other: round(
                statistics.median(
                    theirs["seconds"] / own["seconds"]
                    for own, theirs in zip(of_systems["project"], made)
                ),
                2,
            )
            for other, made in of_systems.items()
            if other != "project"
        }
        for size, of_systems in rounds.items()
    }


def table(results: dict) -> str:
    """Returns the table in Markdown, one line per batch size and system, over all rounds."""
    columns = "batch, system, p50 ms, p95 ms, examples/s, CPU ms per example, memory MB"
    columns += ", project is faster by"
    lines = [f"| {columns.replace(', ', ' | ')} |", "|---" * 8 + "|"]
    for size, of_systems in results["rounds"].items():
        for system, made in of_systems.items():
            taken = np.concatenate([r["latencies_ms"] for r in made])
            p50, p95 = np.percentile(taken, [50, 95])
            ratio = results["ratios"][size].get(system, "")
            cells = [
                *(size, system, f"{p50:.1f}", f"{p95:.1f}"),
                f"{statistics.median(r['rows'] / r['seconds'] for r in made):.1f}",
                f"{1000 * statistics.median(r['cpu_seconds'] / r['rows'] for r in made):.1f}",
                f"{max(r['peak_memory_mb'] for r in made):,.0f}",
                str(ratio),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
