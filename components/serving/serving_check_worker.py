"""Loads a SavedModel as a server would and asks it.

    python -I serving_check_worker.py ORDER.json REPORT.json

It is run as a file, in a process of its own, and imports nothing of this project: what it can serve, a
model server can. The order:

    {"model": folder, "examples": [TFRecord files], "warmup": file to write, "evaluated": [name of an
     output, {SHA-256 of a serialized row: what the Evaluator was answered there}]}

The report: {"load_s", "latency_ms": {"p50", "p95"} of one row, "memory_mb": the process's peak with the
model in it, "example": a row and its answer, "problems": [what is wrong with the answers]}
"""

import contextlib
import hashlib
import itertools
import json
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 (registers the model's ops)
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

_ROWS = 64
_EDGES = {
    "an empty text": b"",
    "10,000 words": b"word " * 10_000,
    "emoji": "🙂👩‍🚀🇨🇭".encode(),
    "invalid UTF-8": b"\xff\xfe broken \xe4",
}
# As many rows are timed one by one as fit in here, and never fewer than 5.
_TIMING_SECONDS = 3.0
# Both signatures run the same graph on the same batch; float32 may differ by the order of sums.
_TOLERANCE = 1e-4
# The Evaluator may have run on other processors.
_EVALUATED_TOLERANCE = 1e-3

Rows = dict[str, list[bytes]]


def main(order_file: str, report_file: str) -> None:
    with open(order_file) as file:
        order = json.load(file)
    started = time.perf_counter()
    model = tf.saved_model.load(order["model"])
    load_s = time.perf_counter() - started
    text = model.signatures["serving_default"]
    examples = model.signatures["serve_examples"]
    output, answers = order["evaluated"]
    rows, keys = real_rows(order["examples"], answers, sorted(text.structured_input_signature[1]))

    first = {name: values[:1] for name, values in rows.items()}
    problems = []
    for what, batch in {f"{_ROWS} rows": rows, "one row": first, **edge_batches(rows)}.items():
        problems += [f"{what}: {problem}" for problem in compare(text, examples, batch)]
    if not problems:
        evaluated = [answers[key] for key in keys]
        problems = compare_evaluated(ask(text, rows)[output], evaluated, rows)
    survive_wrong_requests(text, examples, rows)
    report = {
        "load_s": load_s,
        "latency_ms": latency(text, rows),
        "memory_mb": peak_memory_mb(),
        "example": {"inputs": plain(first), "outputs": plain(ask(text, first))},
        "problems": problems,
    }
    write_warmup(order["warmup"], rows)
    with open(report_file, "w") as file:
        json.dump(report, file)


def real_rows(files: list[str], keys: Iterable[str], names: list[str]) -> tuple[Rows, list[str]]:
    """The rows of the files with these keys, each with its key; repeated where they are not 64."""
    wanted, found = set(keys), {}
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        key = hashlib.sha256(record).hexdigest()
        if key in wanted:
            found[key] = tf.train.Example.FromString(record).features.feature
    if not wanted or len(found) < len(wanted):
        raise ValueError(f"{len(found)} of the {len(wanted)} evaluated rows are in the split")
    chosen = list(itertools.islice(itertools.cycle(found), _ROWS))
    rows = {name: [found[key][name].bytes_list.value[0] for key in chosen] for name in names}
    return rows, chosen


def edge_batches(rows: Rows) -> dict[str, Rows]:
    """What is odd -> a row that has it in every text, and one for each text that alone has it."""
    batches = {}
    for what, edge in _EDGES.items():
        # What is long is slow: once is enough.
        alone = [] if len(edge) > 1000 else list(rows)
        batches[what] = {
            name: [edge, *(edge if name == odd else rows[name][0] for odd in alone)]
            for name in rows
        }
    return batches


def ask(signature, rows: Mapping[str, Any]) -> dict[str, np.ndarray]:
    outputs = signature(**{name: tf.constant(values) for name, values in rows.items()})
    return {name: value.numpy() for name, value in outputs.items()}


def compare(text, examples, rows: Rows) -> list[str]:
    """What is wrong with the answers of the two signatures to the same rows."""
    try:
        ours, theirs = ask(text, rows), ask(examples, {"examples": serialized(rows)})
    except tf.errors.OpError as error:
        return [f"{type(error).__name__}: {error.message[:300]}"]
    if set(ours) != set(theirs):
        return [f"serving_default answers {sorted(ours)}, serve_examples {sorted(theirs)}"]
    count = len(next(iter(rows.values())))
    problems = []
    for name, value in sorted(ours.items()):
        other = theirs[name]
        if value.shape[:1] != (count,) or value.shape != other.shape:
            problems.append(f"{name} has shapes {value.shape} and {other.shape} for {count} rows")
        elif value.dtype.kind != "f":
            if not np.array_equal(value, other):
                problems.append(f"the two signatures give other values of {name}")
        elif not (np.isfinite(value).all() and np.isfinite(other).all()):
            problems.append(f"{name} is not finite")
        elif not np.allclose(value, other, atol=_TOLERANCE):
            apart = np.abs(value - other).max()
            problems.append(f"the two signatures give {name} that lie {apart:.2g} apart")
    return problems


def compare_evaluated(given: np.ndarray, evaluated: list, rows: Rows) -> list[str]:
    """The first row whose answer is not what the Evaluator was answered, and how many there are."""

    def differs(value, other) -> bool:
        if isinstance(other, str):
            return value.decode(errors="surrogateescape") != other
        return not np.allclose(value, other, atol=_EVALUATED_TOLERANCE)

    wrong = [place for place, pair in enumerate(zip(given, evaluated)) if differs(*pair)]
    if not wrong:
        return []
    first = wrong[0]
    row = {name: values[first].decode(errors="replace") for name, values in rows.items()}
    answer = given[first] if isinstance(given[first], bytes) else given[first].tolist()
    return [
        f"{len(wrong)} of {len(evaluated)} rows are not answered as the Evaluator was: to {row} it was "
        f"{evaluated[first]}, here it is {answer}"
    ]


def survive_wrong_requests(text, examples, rows: Rows) -> None:
    """Each is an error of whoever sent it; one that ends this process would end a server too."""
    unequal = {name: values[: 1 + place] for place, (name, values) in enumerate(rows.items())}
    scalars = {name: values[0] for name, values in rows.items()}
    wrongs: list[tuple[Any, dict[str, Any]]] = [
        (text, unequal),
        (text, scalars),
        (examples, {"examples": serialized(rows)[0]}),
    ]
    for signature, wrong in wrongs:
        with contextlib.suppress(tf.errors.OpError):
            ask(signature, wrong)


def serialized(rows: Rows) -> list[bytes]:
    """The rows as tf.Examples."""
    return [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                    for name, value in zip(rows, values)
                }
            )
        ).SerializeToString()
        for values in zip(*rows.values())
    ]


def latency(text, rows: Rows) -> dict[str, float]:
    """Milliseconds from one row to its answer; the batches before have warmed the model up."""
    seconds: list[float] = []
    while len(seconds) < 5 or (len(seconds) < _ROWS and sum(seconds) < _TIMING_SECONDS):
        row = {name: values[len(seconds) : len(seconds) + 1] for name, values in rows.items()}
        started = time.perf_counter()
        ask(text, row)
        seconds.append(time.perf_counter() - started)
    p50, p95 = np.percentile(np.array(seconds) * 1000, [50, 95])
    return {"p50": float(p50), "p95": float(p95)}


def peak_memory_mb() -> float:
    """Of this program (1 MB is 1e6 bytes); getrusage would tell of the process that started it too."""
    with open("/proc/self/status") as file:
        (line,) = [line for line in file if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024 / 1e6


def write_warmup(path: str, rows: Rows) -> None:
    """Requests that TensorFlow Serving replays before it lets a version answer: 1 and 8 rows each."""
    with tf.io.TFRecordWriter(path) as writer:
        for count in (1, 8):
            some = {name: values[:count] for name, values in rows.items()}
            by_signature = {
                "serving_default": some,
                "serve_examples": {"examples": serialized(some)},
            }
            for signature, inputs in by_signature.items():
                request = predict_pb2.PredictRequest()
                request.model_spec.signature_name = signature
                for name, values in inputs.items():
                    request.inputs[name].CopyFrom(tf.make_tensor_proto(values, tf.string))
                log = prediction_log_pb2.PredictionLog(
                    predict_log=prediction_log_pb2.PredictLog(request=request)
                )
                writer.write(log.SerializeToString())


def plain(values: dict) -> dict:
    """The first row as what JSON holds."""

    def of(value):
        if isinstance(value, bytes):
            return value.decode(errors="replace")
        return value.tolist() if isinstance(value, np.generic) else value

    first = {name: value[0] for name, value in sorted(values.items())}
    return {
        name: [of(item) for item in value] if isinstance(value, np.ndarray) else of(value)
        for name, value in first.items()
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
