"""Shows on stderr how far long work is: a bar on a terminal, else a line every few seconds."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

_LINE_SECONDS = 5


class Counter:
    """Counts what is done of a work, and shows it; used as a context.

    Args:
      work: what is done, such as "Writing".
      unit: what is counted, in the plural.
      total: how many there are, None where nobody knows.
      bar: whether a terminal shows a bar; not where the work itself writes to it.
    """

    def __init__(self, work: str, unit: str, total: int | None = None, bar: bool = True):
        self._work, self._unit, self._total = work, unit, total
        self._shows_bar = bar and sys.stderr.isatty()
        self._done = 0

    def __enter__(self) -> "Counter":
        self._started = self._shown = time.monotonic()
        self._bar: Progress | None = None
        if self._shows_bar:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=False,  # what is written to a file must not land on the terminal
                redirect_stderr=False,
            )
            self._task = self._bar.add_task(self._text(), total=self._total)
            self._bar.start()
        return self

    def __exit__(self, *_) -> None:
        if self._bar:
            self._bar.stop()

    def add(self, count: int = 1) -> None:
        """Counts so many more as done."""
        self._done += count
        if self._bar:
            self._bar.update(self._task, completed=self._done, description=self._text())
        elif time.monotonic() - self._shown >= _LINE_SECONDS:
            self._shown = time.monotonic()
            print(self._text(), file=sys.stderr, flush=True)

    def say(self) -> None:
        """Leaves a line that says how many are done, and how fast."""
        if self._bar:
            self._bar.stop()
        print(self._text(), file=sys.stderr, flush=True)

    def _text(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = self._done / seconds
        of = f" of {self._total:,}" if self._total is not None else ""
        text = f"{self._work} {self._done:,}{of} {self._unit}, {rate:,.0f} a second"
        if self._total and self._done and self._done < self._total:
            text += f", {(self._total - self._done) / rate:,.0f} s left"
        return text
