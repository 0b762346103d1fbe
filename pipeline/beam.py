"""Where the Beam stages run: one name for each engine, and the arguments that it stands for.

    --beam flink --beam-arg flink_master=HOST:8081 --beam-arg environment_type=LOOPBACK

Each is Beam's own: https://beam.apache.org/documentation/runners/capability-matrix/. None may be left to
Beam's choice: its default runner downloads a program.
"""

import argparse
import dataclasses
import pathlib
import shlex
import socket
import sys
from collections.abc import Sequence

from components.common.errors import InputError, did_you_mean

_SETUP_FILE = pathlib.Path(__file__).resolve().parent.parent / "setup.py"
_CONNECT_SECONDS = 5
# Beam allows requests 60 s. Where a job server numbers jobs early, as Beam's own do, that cuts
# the stream of a job's states too, and a longer job would fail.
_LONGEST_JOB = f"--job_server_timeout={24 * 3600}"


@dataclasses.dataclass(frozen=True)
class Profile:
    """The arguments that a name of an engine stands for.

    Attributes:
      arguments: Beam's, always given.
      required: names of the arguments that only the user knows.
      installs: whether its workers install this project by themselves, with setup.py.
    """

    arguments: tuple[str, ...]
    required: tuple[str, ...] = ()
    installs: bool = False


PROFILES = {
    # In this process. On MRPC its own multi-process mode took 30 times as long. Nothing is installed,
    # but without a setup file TFX makes a package of itself for each stage, which takes half a second.
    "local": Profile(("--runner=DirectRunner", "--direct_running_mode=in_memory"), installs=True),
    "parallel": Profile(
        (
            "--runner=DirectRunner",
            "--direct_running_mode=multi_processing",
            "--direct_num_workers=0",  # one a core
        )
    ),
    "portable": Profile(
        ("--runner=PortableRunner", _LONGEST_JOB), ("job_endpoint", "environment_type")
    ),
    "flink": Profile(("--runner=FlinkRunner", _LONGEST_JOB), ("flink_master", "environment_type")),
    "spark": Profile(
        ("--runner=SparkRunner", _LONGEST_JOB), ("spark_master_url", "environment_type")
    ),
    "dataflow": Profile(
        ("--runner=DataflowRunner",), ("project", "region", "temp_location"), installs=True
    ),
}


def beam_arguments(profile: str, assignments: Sequence[str]) -> tuple[str, ...]:
    """Returns the arguments of a profile, followed by the user's own.

    Args:
      profile: a key of PROFILES.
      assignments: NAME=VALUE, or NAME of a flag, of Beam's pipeline options.

    Raises:
      InputError: an unknown profile or option, one that is missing, or no job server at job_endpoint.
    """
    if profile not in PROFILES:
        hint = did_you_mean(profile, PROFILES)
        raise InputError(
            f"There is no Beam profile {profile!r}.{hint} There are: {', '.join(PROFILES)}."
        )
    known = PROFILES[profile]
    pairs = [a.removeprefix("--").partition("=")[::2] for a in assignments]
    given = dict(pairs)
    if absent := [name for name in known.required if not given.get(name)]:
        raise InputError(
            f"--beam {profile} needs {', '.join(absent)}. Pass "
            + " ".join(f"--beam-arg {name}=..." for name in absent)
        )
    if profile == "parallel" and shlex.quote(sys.executable) != sys.executable:
        raise InputError(
            f"--beam parallel: Beam starts its workers by a shell, which cuts {sys.executable!r} in "
            "pieces. Make .venv in a folder without blanks and special characters, or pass --beam local."
        )
    if assignments:
        _refuse_unknown(given)
    if "job_endpoint" in given:
        _refuse_silent(given["job_endpoint"])
    installs = (f"--setup_file={_SETUP_FILE}",) if known.installs else ()
    own = (f"--{name}={value}" if value else f"--{name}" for name, value in pairs)
    return (*known.arguments, *installs, *own)


def _refuse_unknown(given: dict[str, str]) -> None:
    """Raises InputError for an option that Beam does not know.

    Beam itself logs a warning and goes on without the option. It has no public list of its options:
    tests/test_private_names.py watches the private names that are used here.
    """
    from apache_beam.options.pipeline_options import PipelineOptions

    parser = argparse.ArgumentParser(add_help=False, conflict_handler="resolve")
    for kind in PipelineOptions.__subclasses__():
        kind._add_argparse_args(parser)  # where Beam has each kind of option declare itself
    options = {o.removeprefix("--") for o in parser._option_string_actions}
    for name in given:
        if name not in options:
            hint = did_you_mean(name, options)
            raise InputError(f"--beam-arg {name}: Beam has no such option.{hint}")


def _refuse_silent(endpoint: str) -> None:
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"--beam-arg job_endpoint={endpoint}: write HOST:PORT.")
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise InputError(
            f"No job server answers at {endpoint} ({error}). Start it, or pass another "
            "--beam-arg job_endpoint=HOST:PORT."
        ) from None
