"""Beam's local job service with several workers a job: benchmarks.job_server --port P --workers N.

The service of Beam's own command gives every job one, whatever the job asks for.
"""

import argparse

from apache_beam.runners.portability import local_job_service, local_job_service_main
from apache_beam.runners.portability.fn_api_runner import fn_runner


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.job_server")
    parser.add_argument("--port", required=True)
    parser.add_argument("--workers", type=int, required=True)
    options = parser.parse_args()

    class Runner(fn_runner.FnApiRunner):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            # A job's own options set it only outside of a service.
            self._num_workers = options.workers

    local_job_service.fn_runner.FnApiRunner = Runner
    local_job_service_main.run(["--port", options.port])


if __name__ == "__main__":
    main()
