"""Progress on stderr, as files and terminals get it."""

import os
import pty
import subprocess
import sys

from components.common import progress
from components.common.progress import Counter

WORK = """
from components.common.progress import Counter
with Counter("Reading [1]", "weights", 3) as counter:
    for answer in range(3):
        counter.add()
        print("answer", answer, flush=True)
"""


def test_a_file_gets_a_line_now_and_then_and_one_at_the_end(monkeypatch, capsys):
    times = iter([0.0, 3.0, 6.0, 6.0, 6.0, 8.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    with Counter("Writing", "examples", 4_000) as counter:
        counter.add(1_000)
        counter.add(2_000)
        counter.say()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "Writing 3,000 of 4,000 examples, 500 a second, 2 s left",
        "Writing 3,000 of 4,000 examples, 375 a second, 3 s left",
    ]


def test_a_terminal_gets_a_bar_and_the_answers_go_where_they_belong():
    ours, theirs = pty.openpty()
    run = subprocess.run(
        [sys.executable, "-c", WORK], stdout=subprocess.PIPE, stderr=theirs, text=True, check=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert run.stdout == "answer 0\nanswer 1\nanswer 2\n"
    assert "Reading [1] 3 of 3 weights" in shown and "answer" not in shown
