import socket
import sys

import pytest

from components.common.errors import InputError
from pipeline.beam import PROFILES, beam_arguments


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_names_a_runner_that_beam_knows(name):
    """Beam would choose one itself, and download it."""
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
    from apache_beam.runners.runner import create_runner

    runner = PipelineOptions(list(PROFILES[name].arguments)).view_as(StandardOptions).runner
    assert create_runner(runner)


def test_what_the_user_gives_follows_the_profile():
    given = ["project=p", "region=r", "temp_location=gs://b/t", "--num_workers=7"]
    given += ["experiments=x", "experiments=y"]
    arguments = beam_arguments("dataflow", given)
    assert arguments[0] == "--runner=DataflowRunner"
    assert arguments[1].startswith("--setup_file=") and arguments[1].endswith("/setup.py")
    assert arguments[2:] == (
        *("--project=p", "--region=r", "--temp_location=gs://b/t", "--num_workers=7"),
        *("--experiments=x", "--experiments=y"),
    )


def test_a_job_may_take_hours():
    """Beam ends what it hears of a job after its own 60 seconds."""
    from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions

    def timeout(*given: str) -> int:
        arguments = beam_arguments(
            "flink", ["flink_master=h:1", "environment_type=LOOPBACK", *given]
        )
        return PipelineOptions(list(arguments)).view_as(PortableOptions).job_server_timeout

    assert timeout() >= 12 * 3600
    assert timeout("job_server_timeout=7") == 7


@pytest.mark.parametrize(
    ("profile", "given", "expected"),
    [
        ("flnik", [], "'flnik'.*mean 'flink'"),
        (
            "dataflow",
            ["project=p", "region="],
            "--beam dataflow .*--beam-arg region=.* --beam-arg temp_location=",
        ),
        ("flink", ["flink_master=h:1"], "--beam flink .*--beam-arg environment_type="),
        ("local", ["direct_num_wrkers=2"], "direct_num_wrkers: .*mean 'direct_num_workers'"),
        (
            "portable",
            ["job_endpoint=8099", "environment_type=EXTERNAL"],
            "job_endpoint=8099: .*HOST:PORT",
        ),
    ],
)
def test_wrong_arguments_are_answered_with_a_remedy(profile, given, expected):
    with pytest.raises(InputError, match=expected):
        beam_arguments(profile, given)


def test_a_job_server_that_does_not_answer_is_told_before_the_run():
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        address = f"localhost:{listener.getsockname()[1]}"
        given = [f"job_endpoint={address}", "environment_type=EXTERNAL"]
        with pytest.raises(InputError, match=f"answers at {address} .*--beam-arg job_endpoint="):
            beam_arguments("portable", given)
        listener.listen()
        assert beam_arguments("portable", given)[-2:] == (
            *(f"--job_endpoint={address}", "--environment_type=EXTERNAL"),
        )


def test_workers_that_a_shell_could_not_start_are_told(monkeypatch):
    """They were waited for without end."""
    monkeypatch.setattr(sys, "executable", "/home/my user/.venv/bin/python")
    with pytest.raises(InputError, match=r"--beam parallel.*my user.*--beam local"):
        beam_arguments("parallel", [])
    assert beam_arguments("local", [])
