"""A pushed SavedModel as a worker: see `benchmarks/worker.py`."""

import json
import pathlib
import sys

from benchmarks.worker import serve, timed_batches
from components.serving.client import PushedModel


def main(version: str, examples_file: str) -> None:
    model = PushedModel(version)
    examples = json.loads(pathlib.Path(examples_file).read_text())

    def answer(batch: list) -> list:
        texts = [dict(zip(("sentence1", "sentence2"), pair)) for pair in batch]
        return model.outputs(texts)["probabilities"].tolist()

    serve(timed_batches(answer, examples))


if __name__ == "__main__":
    main(*sys.argv[1:])
