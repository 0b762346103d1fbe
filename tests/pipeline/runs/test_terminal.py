"""What a person sees on a real terminal, and what is in the log alone."""

import os
import pathlib
import pty
import subprocess
import sys

from tests.conftest import REPOSITORY

RUN = """
import logging, sys
from pipeline.runs.terminal import Terminal
with Terminal() as terminal:
    terminal.wait_for("checking the data")
    print("printed before")
    terminal.keep_log(sys.argv[1])
    terminal.begin_stage("Trainer")
    logging.info("logged in a stage")
    print("printed in a stage")
    print("to stderr in a stage", file=sys.stderr)
    logging.getLogger("progress").info("step 1 of 2")
    terminal.end_stage("1.0 s")
    terminal.say("pushed")
"""
IN_THE_LOG = ("printed before", "logged in a stage", "printed in a stage", "to stderr in a stage")


def shown_on_a_terminal(script: str, *arguments: str) -> str:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", script, *arguments]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                read = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not read:
                break
            shown += read
    os.close(ours)
    assert process.returncode == 0, shown.decode()
    return shown.decode()


def test_what_libraries_say_is_in_the_log_alone(tmp_path):
    log = tmp_path / "run.log"
    shown = shown_on_a_terminal(RUN, str(log))
    assert "checking the data" in shown and "Trainer" in shown and "pushed" in shown
    kept = pathlib.Path(log).read_text()
    for text in IN_THE_LOG:
        assert text in kept and text not in shown
