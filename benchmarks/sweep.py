"""Learning rates, epochs and seeds, tried on the train split alone: make sweep TASK=mrpc DATA=DIR

Every combination is trained on the train split but for `--share` of its examples, and judged by its
loss on those after the last epoch. What the gate judges by is never read, so that its figure stays
the figure of a model that was not chosen by it. The learning rate is the encoder's; the head's is
swept with --set head_learning_rate=.

Finished trainings stand in OUTPUT/TASK.jsonl, one a line; a sweep that is started again takes those up
whose data, encoder, settings and code are the same. Prints mean and standard deviation over the seeds.
"""

import argparse
import contextlib
import glob
import itertools
import json
import logging
import pathlib
import statistics
import sys
import time
from collections.abc import Iterator

import components  # noqa: F401 (chooses legacy Keras, before TensorFlow is imported)

# isort: split
import tensorflow as tf
from rich.console import Console

from benchmarks.tensorflow_systems import examples_of, read_raw
from components.batches import training_rows
from components.bert.hub import Encoder, resolve
from components.bert.precision import choose, refuse_xla_without_gpu, rewritten_to
from components.bert.presets import DEFAULT_ENCODER
from components.bert.tokenizer import Vocabulary
from components.checkpoints import training_key
from components.errors import InputError
from components.fit import fit
from components.settings import parse_settings
from components.tasks import load_task
from components.tasks.base import Task
from components.trainer import build_model
from components.validation import Validation
from components.values import dump
from pipeline.fingerprint import code_sha256


def main(arguments: list[str]) -> int:
    options = _parse(arguments)
    try:
        tasks = combinations(options)
        files = sorted(glob.glob(f"{options.data}/train/*"))
        if not files:
            raise InputError(
                f"{options.data}/train holds no file. Pass what components.prepare wrote."
            )
        encoder = resolve(options.encoder)
        finished = pathlib.Path(options.output, f"{options.task}.jsonl")
        with _progress_on_terminal():
            results = sweep(tasks, files, encoder, finished)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(report(results))
    return 0


@contextlib.contextmanager
def _progress_on_terminal() -> Iterator[None]:
    """Shows below the finished trainings what the one that runs said last."""
    logger, handler = logging.getLogger("progress"), logging.Handler()
    logger.setLevel(logging.INFO)
    with Console(stderr=True).status("reading the data") as status:
        handler.emit = lambda record: status.update(record.getMessage())
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks sweep",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--task", default="mrpc")
    parser.add_argument("--data", required=True, help="what components.prepare wrote")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER)
    parser.add_argument("--learning-rates", nargs="+", default=["5e-5", "1e-4", "2e-4"])
    parser.add_argument("--epochs", nargs="+", default=["2", "3", "4"])
    parser.add_argument("--seeds", nargs="+", default=["0", "1", "2"])
    parser.add_argument("--share", default="0.2", help="of the train split, held out to judge by")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--output", default="output/sweep")
    return parser.parse_args(arguments)


def combinations(options: argparse.Namespace) -> list[Task]:
    """The task with each combination of the settings; a seed's come one after the other.

    Raises:
      InputError: a setting that cannot be trained with.
    """
    task = load_task(options.task)
    every = itertools.product(options.seeds, options.learning_rates, options.epochs)
    fixed = parse_settings(options.set) | {"validation_share": options.share}
    return [
        task.override(fixed | {"seed": seed, "learning_rate": rate, "epochs": epochs})
        for seed, rate, epochs in every
    ]


def sweep(
    tasks: list[Task], files: list[str], encoder: Encoder, finished: pathlib.Path
) -> list[dict]:
    """The result of each task, from the file where it stands there, else trained and added to it."""
    finished.parent.mkdir(parents=True, exist_ok=True)
    lines = finished.read_text().splitlines() if finished.exists() else []
    known = {result["key"]: result for result in map(json.loads, lines)}
    code = code_sha256("components.trainer", type(tasks[0].head).__module__)
    examples, results = None, []
    for task in tasks:
        settings = (dump(task.head), dump(task.hyperparameters), encoder.to_json(), code)
        key = training_key(settings, files)
        if key not in known:
            if not examples:
                raw = read_raw(files, f"schema/{task.name}.pbtxt")
                examples = examples_of(raw, task, encoder)
            known[key] = {"key": key, **judged(task, examples, encoder)}
            with open(finished, "a") as file:
                file.write(json.dumps(known[key]) + "\n")
        results.append(known[key])
        print(_line(known[key]), flush=True)
    return results


def judged(task: Task, examples: tf.data.Dataset, encoder: Encoder) -> dict:
    """Trains with the task's settings; what they were, and the loss on what was held out."""
    started = time.monotonic()
    hyperparameters = task.hyperparameters
    if hyperparameters.xla:
        refuse_xla_without_gpu()
    vocabulary = Vocabulary(encoder.vocab_file, encoder.lower_case)
    rows, held_out = (
        training_rows(examples, task.head, vocabulary, hyperparameters, part).cache()
        for part in (False, True)
    )
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(hyperparameters.seed)
    model = build_model(task.head, encoder, hyperparameters)
    validation = Validation(model, task.head, held_out, hyperparameters)
    precision = choose(hyperparameters.precision)
    with rewritten_to(precision, hyperparameters.xla):
        fit(model, task.head, rows, hyperparameters, "", precision)
        loss = validation.look(hyperparameters.epochs)
    return {
        "learning_rate": hyperparameters.learning_rate,
        "epochs": hyperparameters.epochs,
        "seed": hyperparameters.seed,
        "validation_loss": loss,
        "seconds": round(time.monotonic() - started, 1),
    }


def report(results: list[dict]) -> str:
    """A line for each learning rate and number of epochs, the best first, and how to train with it."""
    losses: dict[tuple, list[float]] = {}
    for result in results:
        setting = (result["learning_rate"], result["epochs"])
        losses.setdefault(setting, []).append(result["validation_loss"])
    ordered = sorted(losses.items(), key=lambda item: statistics.mean(item[1]))
    lines = ["learning rate  epochs  seeds  loss on held-out rows, mean +- standard deviation"]
    for (rate, epochs), values in ordered:
        deviation = f"{statistics.stdev(values):.4f}" if len(values) > 1 else "-"
        mean = statistics.mean(values)
        lines.append(f"{rate:13.2e}  {epochs:6}  {len(values):5}  {mean:.4f} +- {deviation}")
    (rate, epochs), _ = ordered[0]
    return "\n".join([*lines, f"chosen: --set learning_rate={rate:g} --set epochs={epochs}"])


def _line(result: dict) -> str:
    return "  ".join(f"{name} {value}" for name, value in result.items() if name != "key")
