"""Loads a SavedModel as a server would, and asks it.

    python -I serving_check_worker.py ORDER.json REPORT.json

It runs as a file, in a process of its own, and imports nothing of this project: a model server can serve
what it can serve. The order:

    {"model": folder, "examples": [TFRecord files], "warmup": file to write, "evaluated": [name of an
     output, {SHA-256 of a serialized tf.Example: what the model answered the Evaluator there}]}

The report: {"load_s", "latency_ms": {"p50", "p95"} of one example, "memory_mb": the process's peak with
the model in it, "example": an example and its answer, "problems": [what is wrong with the answers]}
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

_N_EXAMPLES = 64
_EDGES = {
    "an empty text": b"",
    "10,000 words": b"word " * 10_000,
    "emoji": "🙂👩‍🚀🇨🇭".encode(),
    "invalid UTF-8": b"\xff\xfe broken \xe4",
}
# As many examples are timed one by one as fit into this time, and never fewer than 5.
_TIMING_SECONDS = 3.0
# Both signatures run the same graph on the same batch; float32 may differ by the order of sums.
_TOLERANCE = 1e-4
# The Evaluator may have run on other processors.
_EVALUATED_TOLERANCE = 1e-3

# Name of a text feature -> the text of each example.
Batch = dict[str, list[bytes]]


def main(order_file: str, report_file: str) -> None:
    """Loads and asks the model of an order, and writes the report."""
    with open(order_file) as file:
        order = json.load(file)
    started = time.perf_counter()
    model = tf.saved_model.load(order["model"])
    load_s = time.perf_counter() - started
    text = model.signatures["serving_default"]
    examples = model.signatures["serve_examples"]
    output, answers = order["evaluated"]
    real, keys = real_examples(
        order["examples"], answers, sorted(text.structured_input_signature[1])
    )

    first = {name: values[:1] for name, values in real.items()}
    problems = []
    for what, batch in {
        f"{_N_EXAMPLES} examples": real,
        "one example": first,
        **edge_batches(real),
    }.items():
        problems += [f"{what}: {problem}" for problem in compare(text, examples, batch)]
    if not problems:
        evaluated = [answers[key] for key in keys]
        problems = compare_evaluated(ask(text, real)[output], evaluated, real)
    survive_wrong_requests(text, examples, real)
    report = {
        "load_s": load_s,
        "latency_ms": latency(text, real),
        "memory_mb": peak_memory_mb(),
        "example": {"inputs": plain(first), "outputs": plain(ask(text, first))},
        "problems": problems,
    }
    write_warmup(order["warmup"], real)
    with open(report_file, "w") as file:
        json.dump(report, file)


def real_examples(
    files: list[str], keys: Iterable[str], names: list[str]
) -> tuple[Batch, list[str]]:
    """Reads the examples with these keys, and the key of each; repeats them where there are not 64.

    Raises:
      ValueError: the files do not have all of them.
    """
    wanted, found = set(keys), {}
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        key = hashlib.sha256(record).hexdigest()
        if key in wanted:
            found[key] = tf.train.Example.FromString(record).features.feature
    if not wanted or len(found) < len(wanted):
        raise ValueError(f"{len(found)} of the {len(wanted)} evaluated examples are in the split")
    chosen = list(itertools.islice(itertools.cycle(found), _N_EXAMPLES))
    batch = {name: [found[key][name].bytes_list.value[0] for key in chosen] for name in names}
    return batch, chosen


def edge_batches(batch: Batch) -> dict[str, Batch]:
    """Returns name of an odd text -> examples: one with it in every text, others with it in one."""
    batches = {}
    for what, edge in _EDGES.items():
        # A long text is slow: once is enough.
        alone = [] if len(edge) > 1000 else list(batch)
        batches[what] = {
            name: [edge, *(edge if name == odd else batch[name][0] for odd in alone)]
            for name in batch
        }
    return batches


def ask(signature, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns a signature's outputs."""
    outputs = signature(**{name: tf.constant(values) for name, values in inputs.items()})
    return {name: value.numpy() for name, value in outputs.items()}


def compare(text, examples, batch: Batch) -> list[str]:
    """Returns what is wrong with the answers of the two signatures to the same examples."""
    try:
        ours, theirs = ask(text, batch), ask(examples, {"examples": serialized(batch)})
    except tf.errors.OpError as error:
        return [f"{type(error).__name__}: {error.message[:300]}"]
    if set(ours) != set(theirs):
        return [f"serving_default answers {sorted(ours)}, serve_examples {sorted(theirs)}"]
    count = len(next(iter(batch.values())))
    problems = []
    for name, value in sorted(ours.items()):
        other = theirs[name]
        if value.shape[:1] != (count,) or value.shape != other.shape:
            problems.append(
                f"{name} has shapes {value.shape} and {other.shape} for {count} examples"
            )
        elif value.dtype.kind != "f":
            if not np.array_equal(value, other):
                problems.append(f"the two signatures give other values of {name}")
        elif not (np.isfinite(value).all() and np.isfinite(other).all()):
            problems.append(f"{name} is not finite")
        elif not np.allclose(value, other, atol=_TOLERANCE):
            apart = np.abs(value - other).max()
            problems.append(f"the two signatures give {name} that lie {apart:.2g} apart")
    return problems


def compare_evaluated(given: np.ndarray, evaluated: list, batch: Batch) -> list[str]:
    """Returns which answers differ from those to the Evaluator: the first, and how many.

    Args:
      given: the model's answers now.
      evaluated: its answers to the Evaluator.
    """

    def differs(value, other) -> bool:
        if isinstance(other, str):
            return value.decode(errors="surrogateescape") != other
        return not np.allclose(value, other, atol=_EVALUATED_TOLERANCE)

    wrong = [place for place, pair in enumerate(zip(given, evaluated)) if differs(*pair)]
    if not wrong:
        return []
    first = wrong[0]
    example = {name: values[first].decode(errors="replace") for name, values in batch.items()}
    answer = given[first] if isinstance(given[first], bytes) else given[first].tolist()
    return [
        f"{len(wrong)} of {len(evaluated)} examples are not answered as the Evaluator was: to {example} "
        f"it was {evaluated[first]}, here it is {answer}"
    ]


def survive_wrong_requests(text, examples, batch: Batch) -> None:
    """Sends wrong requests: each must raise an error, and not end this process as it would a server."""
    unequal = {name: values[: 1 + place] for place, (name, values) in enumerate(batch.items())}
    scalars = {name: values[0] for name, values in batch.items()}
    wrongs: list[tuple[Any, dict[str, Any]]] = [
        (text, unequal),
        (text, scalars),
        (examples, {"examples": serialized(batch)[0]}),
    ]
    for signature, wrong in wrongs:
        with contextlib.suppress(tf.errors.OpError):
            ask(signature, wrong)


def serialized(batch: Batch) -> list[bytes]:
    """Returns the examples as serialized tf.Examples."""
    return [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                    for name, value in zip(batch, values)
                }
            )
        ).SerializeToString()
        for values in zip(*batch.values())
    ]


def latency(text, batch: Batch) -> dict[str, float]:
    """Measures milliseconds from one example to its answer, with a model that is warm already."""
    seconds: list[float] = []
    while len(seconds) < 5 or (len(seconds) < _N_EXAMPLES and sum(seconds) < _TIMING_SECONDS):
        one = {name: values[len(seconds) : len(seconds) + 1] for name, values in batch.items()}
        started = time.perf_counter()
        ask(text, one)
        seconds.append(time.perf_counter() - started)
    p50, p95 = np.percentile(np.array(seconds) * 1000, [50, 95])
    return {"p50": float(p50), "p95": float(p95)}


def peak_memory_mb() -> float:
    """Returns this program's peak memory (1 MB is 1e6 bytes); getrusage counts its parent's too."""
    with open("/proc/self/status") as file:
        (line,) = [line for line in file if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024 / 1e6


def write_warmup(path: str, batch: Batch) -> None:
    """Writes requests that TensorFlow Serving replays before it lets a version answer.

    There are requests of 1 and of 8 examples for each signature.
    """
    with tf.io.TFRecordWriter(path) as writer:
        for count in (1, 8):
            some = {name: values[:count] for name, values in batch.items()}
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
    """Returns the first example of a batch as what JSON holds."""

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
    # Where this project is installed it is hidden, since a model server does not have it.
    sys.modules.update(dict.fromkeys(("components", "pipeline")))  # type: ignore[arg-type]
    main(*sys.argv[1:])
