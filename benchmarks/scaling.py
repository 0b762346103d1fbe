"""Measures how the stages before training scale with the data: make bench ARGS="scaling --data DIR".

    scaling --data data/mrpc --factors 1 10 100                    # in memory, one process
    scaling --data data/mrpc --factors 1 10 100 --beam portable    # a job service with two workers
    scaling --data data/mrpc --beam flink --beam-arg flink_master=HOST:8081 ...
    scaling --task squad --factors 1 4 16 --evaluator              # the Evaluator, on the eval split

It repeats the examples of the data, or of the sample, by each factor, and runs each stage in a process
of its own, as Airflow does. For the Evaluator it repeats only the eval split, and trains for one epoch
first. Seconds are those of the stage, without its imports; those of `check` are of a whole process,
which reads every example once before a run. `portable` starts Beam's own job service and worker pool,
unless a job_endpoint is given.

Each measurement replaces the one of the same task, engine and factor in benchmarks/results/scaling.json;
scaling.md is the table of all of them.
"""

import argparse
import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from benchmarks.job_service import JobService, Used, wait_for
from benchmarks.places import RESULTS, ROOT, prepared_sample
from components.models.bert.presets import DEFAULT_ENCODER

BEFORE_TRAINING = ("ImportExampleGen", "StatisticsGen", "Transform")
WORKERS = 2


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--task", default="mrpc")
    parser.add_argument("--data", help="what `prepare` wrote; else the sample")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER, help="its vocabulary is what counts")
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--beam", default="local")
    parser.add_argument("--beam-arg", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--evaluator", action="store_true", help="measure the Evaluator instead")
    options = parser.parse_args(arguments)
    options.data = options.data or prepared_sample(options.task)
    for factor in options.factors:
        with tempfile.TemporaryDirectory() as scratch:
            measured = measure(options, factor, pathlib.Path(scratch))
        print(json.dumps(measured), flush=True)
        kind = ", eval rows" if options.evaluator else ""  # a key of scaling.json
        keep(options.task, options.beam + kind, factor, measured)
    print((RESULTS / "scaling.md").read_text())
    return 0


def measure(options: argparse.Namespace, factor: int, scratch: pathlib.Path) -> dict:
    """Returns the number of examples, and each stage's seconds, CPU seconds and peak memory."""
    measured = ("Evaluator",) if options.evaluator else BEFORE_TRAINING
    factors = dict.fromkeys(("train", "eval", "test"), factor)
    if options.evaluator:
        factors["train"] = 1
    multiply(pathlib.Path(options.data), factors, scratch / "data")
    service, beam = engine(options.beam, options.beam_arg)
    graph = str(scratch / "run.graph.json")

    def run(*command: str, through: JobService | None) -> dict:
        with through or contextlib.nullcontext():
            started = time.monotonic()
            own = run_module(scratch, *command, "--graph", graph)
            seconds = time.monotonic() - started
        used = {"stage": own} | (through.used if through else {})
        return {
            "seconds": round(seconds, 1),
            "cpu_seconds": round(sum(each.cpu_seconds for each in used.values()), 1),
            "peak_memory_mb": {kind: each.peak_memory_mb for kind, each in used.items()},
        }

    # It does not use the engine, but the engine has to answer.
    check = run(
        *(
            "pipeline.cli",
            "compile",
            "airflow",
            "--task",
            options.task,
            "--encoder",
            options.encoder,
        ),
        *("--data", str(scratch / "data"), "--output", str(scratch / "output"), *beam),
        *("--run-id", "scaling", "--set", "epochs=1"),
        through=service,
    )
    stages = {"check": check}
    described = json.loads(pathlib.Path(graph).read_text())
    nodes = list(described["nodes"])
    for stage in nodes[: nodes.index(measured[-1]) + 1]:
        through = service if stage in measured else None
        made = run("pipeline.orchestrators.run_node", "--node", stage, through=through)
        if stage in measured:
            stages[stage] = made
    record = json.loads(pathlib.Path(described["record"]).read_text())
    for stage in measured:
        stages[stage]["seconds"] = record["stages"][stage]["seconds"]
    repeated = ("eval", "test") if options.evaluator else ("train", "eval", "test")
    counts = record["data"]["examples"]
    return {"rows": sum(counts.get(split, 0) for split in repeated), "stages": stages}


def engine(name: str, given: list[str]) -> tuple[JobService | None, list[str]]:
    """Returns the service that each stage needs, None for none, and the runner's arguments."""
    arguments = [f"--beam-arg={argument}" for argument in given]
    if name == "portable" and not any(a.startswith("job_endpoint=") for a in given):
        service = JobService(ROOT, WORKERS)
        return service, [*service.arguments, *arguments]
    return None, ["--beam", name, *arguments]


def multiply(data: pathlib.Path, factors: dict[str, int], output: pathlib.Path) -> None:
    """Copies every file of a split as often as its factor says."""
    for file in data.glob("*/*.gz"):
        split = output / file.parent.name
        split.mkdir(parents=True, exist_ok=True)
        for copy in range(factors[split.name]):
            shutil.copy(file, split / f"copy{copy}-{file.name}")


def run_module(scratch: pathlib.Path, *command: str) -> Used:
    """Runs `python -m ...`, and returns the resources that it used.

    Raises:
      RuntimeError: the command failed.
    """
    with open(scratch / "shown", "w+") as shown:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, stdout=shown, stderr=subprocess.STDOUT
        )
        used = wait_for(process)
        shown.seek(0)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{shown.read()}")
    return used


def keep(task: str, engine: str, factor: int, measured: dict) -> None:
    """Writes the results after every factor, so that an interrupted run keeps those it has."""
    file = RESULTS / "scaling.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    results.setdefault(task, {}).setdefault(engine, {})[str(factor)] = measured
    file.write_text(json.dumps(results, indent=1) + "\n")
    (RESULTS / "scaling.md").write_text(table(results))


def table(results: dict) -> str:
    """Returns the table in Markdown, one line per stage and factor.

    Rates of "those added", and CPU hours, are of the examples beyond the previous factor, since the
    start and the end of a stage take the same time for any number of examples.
    """
    columns = "task, engine, stage, examples, seconds, examples/s, examples/s of those added"
    columns += ", CPU hours for 10 million more, peak memory MB"
    lines = [f"| {columns.replace(', ', ' | ')} |", "|---" * 9 + "|"]
    for task, engines in results.items():
        for engine, runs in engines.items():
            runs = [runs[factor] for factor in sorted(runs, key=int)]
            for stage in runs[0]["stages"]:
                for before, run in zip([None, *runs], runs):
                    lines.append(f"| {task} | {engine} | {stage} | {_line(stage, run, before)} |")
    return "\n".join(lines) + "\n"


def _line(stage: str, run: dict, before: dict | None) -> str:
    examples, made = run["rows"], run["stages"][stage]
    rate = cpu_hours = ""
    if before:
        more, earlier = examples - before["rows"], before["stages"][stage]
        seconds, cpu_seconds = (made[kind] - earlier[kind] for kind in ("seconds", "cpu_seconds"))
        # The time of a process's start may vary by more than a few examples take.
        rate = f"{more / seconds:,.0f}" if seconds > 0 else "too few to tell"
        cpu_hours = (
            f"{cpu_seconds / more * 1e7 / 3600:.2f}" if cpu_seconds > 0 else "too few to tell"
        )
    peaks = made["peak_memory_mb"].items()
    memory = ", ".join(f"{kind.replace('_', ' ')} {peak:,}" for kind, peak in peaks)
    shown = f"{examples:,} | {made['seconds']:.1f} | {examples / made['seconds']:,.0f}"
    return f"{shown} | {rate} | {cpu_hours} | {memory}"
