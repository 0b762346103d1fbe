"""A system under test: a process of its own, which does one round of work on each request.

The driver writes the name of a round to the worker's standard input, on a line; the worker answers with
a line of JSON. So several systems, each with its own packages, can take turns on a machine whose speed
drifts. Standard library only: both environments import this.
"""

import functools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence


def serve(rounds: Mapping[str, Callable[[], dict]]) -> None:
    """Answers requests until the input ends; what a round prints goes to standard error.

    Each answer is what the round returned, with wall and CPU seconds and the process's peak memory.
    A round that returns its own "seconds" keeps them.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        started, cpu_started = time.perf_counter(), time.process_time()
        made = rounds[line.strip()]()
        measured = {
            "seconds": time.perf_counter() - started,
            "cpu_seconds": time.process_time() - cpu_started,
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(measured | made), file=answers, flush=True)


def timed_batches(answer: Callable[[list], list], examples: list) -> dict[str, Callable[[], dict]]:
    """Returns rounds for `serve`: "answers", and all examples one by one ("1") and by 32 ("32").

    Args:
      answer: a batch of examples -> the probabilities of each, as lists.
    """

    def in_batches(size: int) -> dict:
        latencies = []
        for start in range(0, len(examples), size):
            began = time.perf_counter()
            answer(examples[start : start + size])
            latencies.append(1000 * (time.perf_counter() - began))
        return {"rows": len(examples), "latencies_ms": latencies}

    return {
        "answers": lambda: {"probabilities": answer(examples)},
        **{str(size): functools.partial(in_batches, size) for size in (1, 32)},
    }


class Worker:
    """A worker, as the driver sees it."""

    def __init__(self, command: Sequence[str], log: str, directory: str):
        """Starts the worker in `directory`, its standard error in `log`, and waits until it is ready."""
        self._log = log
        with open(log, "w") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._answer()

    def ask(self, name: str) -> dict:
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answer(self) -> dict:
        """Reads an answer; raises RuntimeError, with the log, where the worker has ended."""
        line = self._process.stdout.readline()
        if not line:
            with open(self._log) as log:
                raise RuntimeError(f"{self._process.args} ended:\n{log.read()}")
        return json.loads(line)
