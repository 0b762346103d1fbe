"""The whole pipeline as Flink, Spark and Dataflow run it: a job server, and workers elsewhere.

Beam's own job service and worker pool take their place; the protocols between are the same.
"""

import re
import subprocess

import pytest

from benchmarks.job_service import JobService

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def portable_run(project) -> subprocess.CompletedProcess:
    with JobService(project.root) as service:
        return project.pipeline(output="portable", more=service.arguments)


def test_metrics_equal_those_of_a_run_in_memory(first_run, portable_run):
    def metrics(run):
        return re.findall(r"^ +(\w+) +([\d.]+) ", run.stdout, re.MULTILINE)

    assert portable_run.returncode == 0, portable_run.stdout
    assert dict(metrics(portable_run)).keys() >= {"accuracy", "f1", "loss"}
    assert metrics(portable_run) == metrics(first_run)
