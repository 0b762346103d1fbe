"""Measures quality over seeds, with the pipeline as a user runs it.

    make bench ARGS="quality --task mrpc --data DIR --seeds 0 1 2 3 4"

Every seed is one run of local_runner.py into the same output, so that only training and evaluation
are repeated. The gate allows any loss against the baseline, since the seeds do not compete. It prints
each seed and the medians, and keeps them in benchmarks/results/<task>-quality.json.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

from benchmarks.places import RESULTS, ROOT
from components.spec.registry import load_task
from pipeline.runs.record import from_json

# The names of the settings that bound a loss against the baseline end in these.
_CHANGES = ("_drop", "_increase")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--task", default="mrpc")
    parser.add_argument("--data", required=True, help="what `prepare` wrote")
    parser.add_argument("--output", default="output/benchmarks")
    parser.add_argument("--metrics", nargs="+", help="else those that the gate judges")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args(arguments)
    options.metrics = options.metrics or list(load_task(options.task).thresholds)

    runs: list[dict[str, float]] = []
    for seed in options.seeds:
        runs.append({"seed": seed, **measure(options, seed)})
        print("  ".join(f"{name} {value}" for name, value in runs[-1].items()), flush=True)
        medians = {name: statistics.median(run[name] for run in runs) for name in options.metrics}
        keep(options.task, {"settings": options.set, "median": medians, "runs": runs})
    print("median  " + "  ".join(f"{name} {value:.4f}" for name, value in medians.items()))
    return 0


def keep(task: str, results: dict) -> None:
    """Writes the results after every seed, so that an interrupted run keeps those it has."""
    file = RESULTS / f"{task}-quality.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(results, indent=2) + "\n")


def measure(options: argparse.Namespace, seed: int) -> dict[str, float]:
    """Returns the metrics of one run to four digits, and its seconds.

    Raises:
      RuntimeError: the run failed; a model beyond the bounds is a result, not a failure.
    """
    settings = [
        f"{name}=1" for name in load_task(options.task).settings() if name.endswith(_CHANGES)
    ]
    settings += [*options.set, f"seed={seed}"]
    command = [sys.executable, str(ROOT / "local_runner.py"), "--task", options.task]
    command += ["--data", options.data, "--output", options.output, "--json"]
    command += [part for setting in settings for part in ("--set", setting)]
    started = time.monotonic()
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode not in (0, 3):
        raise RuntimeError(f"seed {seed}: exit code {run.returncode}\n{run.stderr}")
    record = from_json(run.stdout)
    found = {metric.name: round(metric.candidate, 4) for metric in record.metrics}
    trainer = record.stages["Trainer"]
    return {
        **{name: found[name] for name in options.metrics},
        "trainer_seconds": 0.0 if trainer.cached else round(trainer.seconds, 1),
        "run_seconds": round(time.monotonic() - started, 1),
    }
