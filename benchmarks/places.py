"""Folders that benchmarks use. It imports little: a child process inherits its parent's peak memory."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def prepared_sample(task: str) -> str:
    output = f"output/data/{task}"
    command = [sys.executable, "-m", "pipeline.cli", "prepare", task]
    subprocess.run([*command, "--source", f"samples/{task}", "--output", output], check=True)
    return output
