"""Beam's own job service and worker pool on this machine, with the protocols of Flink and Spark.

The runner, the job server and the workers use the same protocols as with those engines. The job service
itself is for tests, and shuffles in memory.
"""

import dataclasses
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

from benchmarks.places import ROOT

_START_SECONDS = 120
_STOP_SECONDS = 30


@dataclasses.dataclass(frozen=True)
class Used:
    """The resources used by a process and the children that it has waited for.

    Attributes:
      peak_memory_mb: the highest resident memory, of the largest of them.
      cpu_seconds: of all of them.
    """

    peak_memory_mb: int
    cpu_seconds: float


class JobService:
    """A context that runs the job service; it may be entered again, at the same addresses.

    Attributes:
      arguments: for a runner of this project, with the addresses.
      used: resources of the job service and of the workers in the last block.
    """

    def __init__(self, directory: pathlib.Path, workers: int = 1):
        """Takes the folder where workers find the project's code, and the number of workers per job."""
        jobs, pool = self._ports = _free_ports(2)
        options = {
            "job_endpoint": f"localhost:{jobs}",
            "environment_type": "EXTERNAL",
            "environment_config": f"localhost:{pool}",
        }
        self.arguments = ["--beam", "portable"]
        self.arguments += [f"--beam-arg={name}={value}" for name, value in options.items()]
        self.used: dict[str, Used] = {}
        self._commands = [
            ["benchmarks.job_server", "--port", str(jobs), "--workers", str(workers)],
            ["apache_beam.runners.worker.worker_pool_main", "--service_port", str(pool)],
        ]
        self._directory = directory
        self._processes: list[subprocess.Popen] = []

    def __enter__(self) -> "JobService":
        # A shell's background jobs ignore it, and so would their children, which end by it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # The pool starts its workers with the `python` that comes first.
        path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        folders = f"{self._directory}{os.pathsep}{ROOT}"
        environment = {**os.environ, "PATH": path, "PYTHONPATH": folders}
        try:
            for command, port in zip(self._commands, self._ports):
                process = subprocess.Popen(
                    [sys.executable, "-m", *command],
                    cwd=self._directory,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                self._processes.append(process)
                _wait_until_it_answers(process, port)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.used = dict(zip(("job_service", "worker"), map(_stop, self._processes)))
        self._processes = []


def wait_for(process: subprocess.Popen) -> Used:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Used(usage.ru_maxrss // 1024, usage.ru_utime + usage.ru_stime)


def _stop(process: subprocess.Popen) -> Used:
    """Interrupts the process, so that the pool waits for its workers and counts their use as its own."""
    process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + _STOP_SECONDS
    # Leaves the process to be waited for.
    while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
        if time.monotonic() > deadline:
            os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.1)
    return wait_for(process)


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def _wait_until_it_answers(process: subprocess.Popen, port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("localhost", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(process.args)} does not answer") from None
            time.sleep(0.2)
