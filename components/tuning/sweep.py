"""Trains with each of several settings on a part of train, and judges it by the loss on the rest.

It never reads the examples that the gate judges by. So the gate's metrics are not those of a model that
was chosen by them.
"""

import json
import pathlib
import statistics
import time

import tensorflow as tf

from components.common.serialization import to_json
from components.devices.precision import choose, refuse_jit_without_gpu, rewritten_to
from components.models.bert.hub import resolve
from components.models.bert.tokenizer import Vocabulary
from components.models.heads.head import build_head
from components.preprocessing.in_memory import examples_of, read_raw
from components.spec.encoder import Encoder
from components.spec.task import Task
from components.training.batching import training_sequences
from components.training.checkpoints import training_key
from components.training.loop import fit
from components.training.trainer import build_model
from components.training.validation import Validation


def sweep(
    tasks: list[Task],
    files: list[str],
    schema: pathlib.Path,
    handle: str,
    code: str,
    finished: pathlib.Path,
) -> list[dict]:
    """Returns the result of each task: read from a file, or else computed by training and added to it.

    Args:
      tasks: the same task with several settings.
      files: gzip-compressed TFRecords of the train split.
      schema: file of the task's schema.
      handle: preset, URL or folder of the encoder that all of them train.
      code: hash of the code that trains; results of other code are not used.
      finished: file with a line of JSON for each result.
    """
    encoder = resolve(handle)
    finished.parent.mkdir(parents=True, exist_ok=True)
    lines = finished.read_text().splitlines() if finished.exists() else []
    known = {result["key"]: result for result in map(json.loads, lines)}
    examples, results = None, []
    for task in tasks:
        settings = (to_json(task.head), to_json(task.hyperparameters), to_json(encoder), code)
        key = training_key(settings, files)
        if key not in known:
            if not examples:
                raw = read_raw(files, str(schema))
                examples = examples_of(raw, task, encoder)
            known[key] = {"key": key, **judged(task, examples, encoder)}
            with open(finished, "a") as file:
                file.write(json.dumps(known[key]) + "\n")
        results.append(known[key])
        print(_line(known[key]), flush=True)
    return results


def judged(task: Task, examples: tf.data.Dataset, encoder: Encoder) -> dict:
    """Trains with the task's settings; returns them, and the loss on the held-out examples."""
    started = time.monotonic()
    hyperparameters = task.hyperparameters
    if hyperparameters.jit_compile:
        refuse_jit_without_gpu()
    vocabulary = Vocabulary(encoder.vocab_file, encoder.lower_case)
    head = build_head(task.head)
    sequences, held_out = (
        training_sequences(examples, head, vocabulary, hyperparameters, part).cache()
        for part in (False, True)
    )
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(hyperparameters.seed)
    model = build_model(head, encoder, hyperparameters)
    validation = Validation(model, head, held_out, hyperparameters)
    precision = choose(hyperparameters.precision)
    with rewritten_to(precision, hyperparameters.jit_compile):
        fit(model, head, sequences, hyperparameters, "", precision)
        loss = validation.look(hyperparameters.epochs)
    return {
        "learning_rate": hyperparameters.learning_rate,
        "epochs": hyperparameters.epochs,
        "seed": hyperparameters.seed,
        "validation_loss": loss,
        "seconds": round(time.monotonic() - started, 1),
    }


def report(results: list[dict]) -> str:
    """Writes a line for each learning rate and number of epochs, the best first, and how to use it."""
    losses: dict[tuple, list[float]] = {}
    for result in results:
        setting = (result["learning_rate"], result["epochs"])
        losses.setdefault(setting, []).append(result["validation_loss"])
    ordered = sorted(losses.items(), key=lambda item: statistics.mean(item[1]))
    lines = ["learning rate  epochs  seeds  loss on held-out examples, mean +- standard deviation"]
    for (rate, epochs), values in ordered:
        deviation = f"{statistics.stdev(values):.4f}" if len(values) > 1 else "-"
        mean = statistics.mean(values)
        lines.append(f"{rate:13.2e}  {epochs:6}  {len(values):5}  {mean:.4f} +- {deviation}")
    (rate, epochs), _ = ordered[0]
    return "\n".join([*lines, f"chosen: --set learning_rate={rate:g} --set epochs={epochs}"])


def _line(result: dict) -> str:
    return "  ".join(f"{name} {value}" for name, value in result.items() if name != "key")
