"""How the stages around training grow with the data: make bench ARGS="scaling --task squad".

Runs the whole pipeline on 1, 4 and 16 times the sample (or --data) with an encoder so small that
training hardly counts, and prints each stage's seconds and rows a second, and the peak memory of the
run, which is one process. Kept in benchmarks/results/<task>-scaling.json.

`--beam` and `--beam-arg` go to the runner, to measure an engine.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from benchmarks.training import RESULTS, ROOT, prepared_sample

STAGES = ("ImportExampleGen", "StatisticsGen", "Transform", "Trainer", "Evaluator")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--task", default="mrpc")
    parser.add_argument("--data", help="what components.prepare wrote; else the sample")
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--beam", default="local")
    parser.add_argument("--beam-arg", action="append", default=[])
    options = parser.parse_args(arguments)
    data = options.data or prepared_sample(options.task)
    beam = ["--beam", options.beam, *(f"--beam-arg={a}" for a in options.beam_arg)]
    results = []
    for factor in options.factors:
        with tempfile.TemporaryDirectory() as scratch:
            results.append(measure(options.task, data, factor, pathlib.Path(scratch), beam))
        print(json.dumps(results[-1]), flush=True)
    file = RESULTS / f"{options.task}-scaling.json"
    file.write_text(json.dumps({"beam": beam, "runs": results}, indent=1) + "\n")
    return 0


def measure(task: str, data: str, factor: int, scratch: pathlib.Path, beam: list[str]) -> dict:
    """One run: rows of each split, seconds of each stage, peak memory in MB."""
    for split in ("train", "eval"):
        (scratch / "data" / split).mkdir(parents=True)
        for file in pathlib.Path(data, split).glob("*.gz"):
            for copy in range(factor):
                shutil.copy(file, scratch / "data" / split / f"copy{copy}-{file.name}")
    command = [sys.executable, "local_runner.py", "--task", task, "--output", str(scratch / "out")]
    command += ["--data", str(scratch / "data"), "--encoder", tiny_encoder(scratch), *beam]
    for setting in _settings_that_pass(task):
        command += ["--set", setting]
    with open(scratch / "shown", "w+") as shown:
        process = subprocess.Popen(command, cwd=ROOT, stdout=shown)
        _, status, usage = os.wait4(process.pid, 0)
        shown.seek(0)
        text = shown.read()
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{text}")
    rows = re.search(r"([\d,]+) train, ([\d,]+) eval rows", text)
    return {
        "factor": factor,
        "train_rows": int(rows[1].replace(",", "")),
        "eval_rows": int(rows[2].replace(",", "")),
        "seconds": {s: float(re.search(rf"{s} +([\d.]+) s", text)[1]) for s in STAGES},
        "peak_memory_mb": usage.ru_maxrss // 1024,
    }


def _settings_that_pass(task: str) -> list[str]:
    """One short epoch, and floors for a model that has learnt nothing."""
    from components.tasks import load_task

    floors = [name for name in load_task(task).settings() if name.endswith("_floor")]
    return ["epochs=1", "max_length=128", *(f"{name}=0" for name in floors)] + (
        ["stride=32"] if task == "squad" else []
    )


def tiny_encoder(scratch: pathlib.Path) -> str:
    """Two layers of width 16, as the tests have it, with the whole vocabulary of the default one."""
    from components.bert.hub import resolve
    from components.bert.presets import DEFAULT_ENCODER
    from tests.tiny_encoder import write_tiny_encoder

    words = pathlib.Path(resolve(DEFAULT_ENCODER).vocab_file).read_text().splitlines()
    return write_tiny_encoder(str(scratch / "encoder"), words)
