"""The whole pipeline as Flink, Spark and Dataflow run it: a job server, and workers elsewhere.

Beam's own job service and worker pool take their place; the protocols between are the same.
"""

import contextlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import pytest


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def server(module: str, option: str, directory: pathlib.Path):
    """A server of Beam's for as long as the block takes; gives its address."""
    port = free_port()
    # The pool starts its workers with the `python` that comes first.
    path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        [sys.executable, "-m", f"apache_beam.runners.{module}", f"--{option}={port}"],
        cwd=directory,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(directory)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("localhost", port), 1).close()
                break
            assert process.poll() is None and time.monotonic() < deadline, module
            time.sleep(0.2)
        yield f"localhost:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def portable_run(project) -> subprocess.CompletedProcess:
    with (
        server("portability.local_job_service_main", "port", project.root) as jobs,
        server("worker.worker_pool_main", "service_port", project.root) as workers,
    ):
        beam = [
            "job_endpoint=" + jobs,
            "environment_type=EXTERNAL",
            "environment_config=" + workers,
        ]
        return project.pipeline(
            output="portable", more=("--beam", "portable", *(f"--beam-arg={a}" for a in beam))
        )


def test_metrics_equal_those_of_a_run_in_memory(first_run, portable_run):
    def metrics(run):
        return re.findall(r"^ +(\w+) +([\d.]+) ", run.stdout, re.MULTILINE)

    assert portable_run.returncode == 0, portable_run.stdout
    assert dict(metrics(portable_run)).keys() >= {"accuracy", "f1", "loss"}
    assert metrics(portable_run) == metrics(first_run)
