"""Run the cells of a notebook in a sandbox, each for a limited time, and give what they put out."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradus.classroom.own_cells.outputs import believed, error
from gradus.course import Course
from gradus.engine.contained.talk import Nonsense, Talk
from gradus.sandbox.slot import Worker
from gradus.sandbox.slots import warm_slot
from gradus.wall.slots import hidden_from_submissions

SERVE = "gradus.classroom.own_cells.serve:serve"
GRACE_SECONDS = 5.0  # for a cell that was interrupted, and for the process to begin
ENDED = "its process has ended"
MOST_BYTES = 16 << 20  # of all outputs of a notebook


@dataclass(frozen=True)
class Times:
    """Seconds.

    Args:
        cell: That one cell may take.
        all: That all of them may take.
    """

    cell: float = 30.0
    all: float = 600.0


def run_cells(
    course: Course, cells: Mapping[int, str], files: Mapping[str, bytes], times: Times
) -> dict[int, list[Any]]:
    """Run cells one after another, as a kernel would; outputs for each, which nobody should trust.

    A cell that did not run, or not to its end, has an error among its outputs that says so.

    Args:
        course: The kit: of its rooms, the cells may read `datasets/`.
        cells: Their texts, with magics, by number.
        files: What lies beside the notebook, by its path below it.
        times: How long they may take.

    Raises:
        SandboxError: If there is no sandbox to be had.
    """
    datasets = course.root / "datasets"
    readable = (datasets,) if datasets.is_dir() else ()
    slot = warm_slot(readable, SERVE, hidden=hidden_from_submissions(course.root))
    worker = slot.start_worker()
    running = _Running(worker, cells, times)
    try:
        running.begin(files, [str(course.root)] if readable else [])
        running.hear()
    finally:
        worker.kill()
        ended = worker.stop()
        slot.sweep()
    return running.outputs(ended.words)


class _Running:
    """One notebook, while it runs."""

    def __init__(self, worker: Worker, cells: Mapping[int, str], times: Times) -> None:
        self._worker, self._talk = worker, Talk(worker.socket)
        self._cells, self._times = cells, times
        self._found: dict[int, list[Any]] = {}
        self._waiting: list[dict[str, Any]] = []
        self._why = ""  # it did not go on

    def begin(self, files: Mapping[str, bytes], import_from: Sequence[str]) -> None:
        """Tell the process what to run."""
        told = {
            "files": [(name, len(data)) for name, data in files.items()],
            "cells": list(self._cells.items()),
            "import_from": list(import_from),
            "seconds": self._times.cell,
        }
        try:
            self._talk.say(told, data=b"".join(files.values()))
        except OSError:
            self._why = ENDED

    def hear(self) -> None:
        """Take what the cells put out until all have run, or one cannot be stopped."""
        end = time.monotonic() + self._times.all
        patience, taken = self._times.cell + GRACE_SECONDS, 0
        for number in self._cells:
            if time.monotonic() > end:
                self._why = f"all cells together took longer than {self._times.all:g} s"
                return
            line = None if self._why else self._next(min(time.monotonic() + patience, end))
            if line is None:
                return
            try:
                if line.get("cell") != number:
                    raise ValueError("about another cell")
                outputs = believed(line.get("outputs"), number)
            except ValueError as odd:
                self._why = f"its process said something odd ({odd})"
                return
            taken += len(json.dumps(outputs))
            if taken > MOST_BYTES:
                self._why = f"the outputs of this notebook are larger than {MOST_BYTES >> 20} MB"
                return
            self._found[number] = outputs
            patience = self._times.cell

    def _next(self, due: float) -> dict[str, Any] | None:
        """What the next cell has put out; None, with the reason, where that does not come."""
        line = self._line(due)
        if line is None and not self._why:
            self._worker.interrupt()
            line = self._line(time.monotonic() + GRACE_SECONDS)
            self._why = "" if line or self._why else "it took too long and could not be stopped"
        return line

    def _line(self, due: float) -> dict[str, Any] | None:
        while not self._waiting:
            seconds = due - time.monotonic()
            if seconds <= 0:
                return None
            try:
                lines = self._talk.lines(seconds)
                if lines is None:
                    self._why = ENDED
                    return None
                self._waiting.extend(lines)
            except Nonsense as odd:
                self._why = f"its process said something odd ({odd})"
                return None
        return self._waiting.pop(0)

    def outputs(self, ended: str) -> dict[int, list[Any]]:
        """Those of each cell; `ended` says how the process ended."""
        why = ended if self._why == ENDED else self._why
        lost, *rest = [n for n in self._cells if n not in self._found] or [0]
        if not lost:
            return self._found
        first = error("NotFinished", f"this cell did not come to its end: {why}.")
        others = f"this cell was not run, since cell {lost} did not come to its end: {why}."
        return {**self._found, lost: [first], **{n: [error("NotRun", others)] for n in rest}}
