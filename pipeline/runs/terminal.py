"""The output that a person sees: stages, one live line, results. All else goes to the log."""

import io
import logging
import os
import shutil
import sys
import tempfile
import time
from typing import BinaryIO

import absl.logging
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from components.common.plain import PLAIN_ERRORS, ClosedPipe

_PLAIN_PROGRESS_SECONDS = 15


class _Screen(io.TextIOWrapper):
    """What is shown, in the encoding of stdout."""

    def __init__(self, raw: BinaryIO):
        super().__init__(raw, encoding=sys.stdout.encoding, errors=PLAIN_ERRORS)

    def flush(self) -> None:
        """Writes what is buffered; raises ClosedPipe where nobody reads it."""
        try:
            super().flush()
        except BrokenPipeError:
            # What is still buffered, and all that comes, goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            raise ClosedPipe from None


class Terminal:
    """A context that redirects stdout and stderr, also those of C++ libraries, to a log.

    with Terminal() as terminal:
        terminal.say("...")            # seen on the terminal
        print("...")                   # in the log only
        terminal.keep_log("run.log")   # until then the log is a temporary file
        terminal.print_last("{}")      # the only output on stdout with Terminal(to_stderr=True)
    """

    def __init__(self, to_stderr: bool = False):
        """Shows on stdout, or with `to_stderr` on stderr, where a program reads stdout."""
        self._shown_on = 2 if to_stderr else 1
        self._last = ""

    def __enter__(self) -> "Terminal":
        self._saved = {fd: os.dup(fd) for fd in (1, 2)}
        sys.stdout.flush(), sys.stderr.flush()
        self._log = tempfile.TemporaryFile("w+b")
        self._redirect(self._log.fileno())
        self._screen = _Screen(os.fdopen(os.dup(self._saved[self._shown_on]), "wb"))
        self.console = Console(file=self._screen, highlight=False)
        self.log_path: str | None = None
        self._live: Live | None = None
        self._stage: str | None = None
        return self

    def __exit__(self, *_):
        self._stop_live()
        if self.log_path:
            self._stop_logging()
        sys.stdout.flush(), sys.stderr.flush()
        for fd, saved in self._saved.items():
            os.dup2(saved, fd)
            os.close(saved)
        self._screen.close()
        self._log.close()
        sys.stdout.write(self._last), sys.stdout.flush()

    def keep_log(self, path: str) -> None:
        """Continues the log in a file, and from then on shows the progress of the stages."""
        self.log_path = path
        with open(path, "ab") as kept:
            self._log.seek(0)
            shutil.copyfileobj(self._log, kept)
            kept.flush()
            self._redirect(kept.fileno())
        root, handler = logging.getLogger(), logging.StreamHandler()
        self._before = root.handlers, root.level, absl.logging.get_verbosity()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root.handlers = [handler]
        root.setLevel(logging.INFO)
        absl.logging.set_verbosity(absl.logging.INFO)
        logging.getLogger("progress").addFilter(self._progress)

    def _stop_logging(self) -> None:
        root = logging.getLogger()
        root.handlers, level, verbosity = self._before
        root.setLevel(level)
        absl.logging.set_verbosity(verbosity)
        logging.getLogger("progress").removeFilter(self._progress)

    def log(self) -> str:
        """Returns the path of the log, which is a temporary file before `keep_log`."""
        if self.log_path is None:
            self.keep_log(tempfile.mkstemp(prefix="bert-tfx-", suffix=".log")[1])
        return str(self.log_path)

    def say(self, message="", style: str | None = None) -> None:
        """Shows a message, with rich's markup."""
        self._stop_live()
        self.console.print(message, style=style, soft_wrap=True)

    def fail(self, message: str) -> None:
        """Shows the message of an error, without markup."""
        self._stop_live()
        self.console.print(message, style="bold red", markup=False, soft_wrap=True)

    def wait_for(self, what: str) -> None:
        """Shows a live line with what is being done, until something else is shown."""
        self._stop_live()
        self._shown = time.monotonic()
        if self.console.is_terminal:
            self._live = Live(
                Spinner("dots", Text(what)),
                console=self.console,
                transient=True,
                # They are the log here; rich would show them above its line.
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def begin_stage(self, name: str) -> None:
        """Shows a live line with the stage, which its progress is added to."""
        self._stage = name
        self.wait_for(name)

    def end_stage(self, note: str) -> None:
        """Shows that the stage has ended; `note` is its seconds, or "cached"."""
        self.say(f"  [green]✓[/] {self._stage:<18} {note:>8}")
        self._stage = None

    def print_last(self, text: str) -> None:
        """Writes the text to stdout when the context ends."""
        self._last = text

    def _progress(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if record.levelno > logging.INFO:  # lasting: above the live line, which goes on
            self.console.print(f"    {message}", markup=False, soft_wrap=True)
        elif self._live:
            self._live.update(Spinner("dots", Text(f"{self._stage}  {message}")))
        elif time.monotonic() - self._shown > _PLAIN_PROGRESS_SECONDS:
            self._shown = time.monotonic()
            self.say(f"    {message}")
        return True

    @property
    def stage(self) -> str | None:
        """The stage that runs now, or that ran when an error was raised."""
        return self._stage

    def _stop_live(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    @staticmethod
    def _redirect(target: int) -> None:
        for fd in (1, 2):
            os.dup2(target, fd)
