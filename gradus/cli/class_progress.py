"""What a person sees while a class is graded, and how a run that is ended comes to its end."""

import contextlib
import shutil
import signal
import time
from collections.abc import Iterator
from types import FrameType

import typer

from gradus.cli.app import say

REDRAWN = 0.1  # seconds between two drawings of the line


class Shown:
    """A line on a terminal: how many are graded, how fast, and how long it will take. Nothing in a pipe."""

    def __init__(self) -> None:
        self._total, self._done, self._first, self._drawn = 0, 0, 0.0, 0.0
        self._terminal = typer.get_text_stream("stderr")

    def begin(self, total: int) -> None:
        """So many are to be graded, from now on."""
        self._total = total
        self._draw()

    def one_more(self) -> None:
        """One is graded."""
        self._done += 1
        if self._done == 1:  # until here processes were started, which is no rate
            self._first = time.monotonic()
        if self._done == self._total or time.monotonic() - self._drawn > REDRAWN:
            self._draw()

    def say(self, line: str) -> None:
        """A line of its own, above."""
        self.clear()
        say(line, err=True)
        self._draw()

    def clear(self) -> None:
        """Leave the line to other words."""
        if self._terminal.isatty():
            self._terminal.write("\r\x1b[K")
            self._terminal.flush()

    def _draw(self) -> None:
        if not self._terminal.isatty() or not self._total:
            return
        self._drawn = time.monotonic()
        text = f"{self._done} of {self._total} graded"
        if 1 < self._done < self._total and self._drawn > self._first:
            rate = (self._done - 1) / (self._drawn - self._first)
            left = (self._total - self._done) / rate
            text += f", {60 * rate:.0f} a minute, {_long(left)} left"
        width = shutil.get_terminal_size().columns
        self._terminal.write(f"\r\x1b[K{text[: width - 1]}")
        self._terminal.flush()


def _long(seconds: float) -> str:
    """How long, for a person: `40 s`, `12 min`, `1 h 5 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@contextlib.contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """Let whoever ends this process, or closes its terminal, do what Ctrl+C does: nothing is left behind."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {}
    for name in ("SIGTERM", "SIGHUP"):  # Windows has not the second
        number = getattr(signal, name, None)
        with contextlib.suppress(ValueError):  # another thread than the first one
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # nohup
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
