"""What `gradus watch` asks of its warm process, and what has come of it."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gradus.course import Course
from gradus.engine.apart import can_fork
from gradus.engine.warm import GONE, Warm
from gradus.engine.warm_process import DONE, FAILED, READY
from gradus.grading.report import TopicResult
from gradus.grading.report_file import from_json

LAST = 14  # lines of what pytest says where it cannot collect the checks
KILLS = 3  # processes in a row that end by themselves before one gives up


class Grading:
    """Grades one file after another, with a warm process for the topic that is asked for.

    Args:
        course: The kit.
        hear: Called, in a thread, with a process and each line that it says; `take` is to be called with them.
    """

    def __init__(self, course: Course, hear: Callable[[Warm, dict[str, Any]], object]) -> None:
        self._course, self._hear = course, hear
        self._warm: Warm | None = None
        self._lost = 0
        self._case: tuple[str, str] | None = None
        self.topic, self.file = "", Path()
        self.asked: tuple[str, ...] = ()
        self.is_busy = self.is_ready = False
        self.since, self.took = 0.0, 0.0  # when it was asked for, and seconds until it was there
        self.result: TopicResult | None = None
        self.printed: dict[tuple[str, str], str] = {}
        self.notes: list[str] = []
        self.problem: list[str] = []  # why there is no result

    def ask(self, topic: str, file: Path, tasks: Sequence[str]) -> None:
        """Grade a file's answers to these tasks, all when empty; what is being graded is given up."""
        is_other = self._warm is not None and self._warm.topic != topic
        if is_other or (self.is_busy and not can_fork()):
            self.close()
        self.topic, self.file, self.asked = topic, file, tuple(tasks)
        warm = self._warm or self._start()
        self.is_busy, self.since, self._case = True, time.monotonic(), None
        self.printed, self.notes, self.problem = {}, [], []
        warm.ask(tasks, None if file.suffix == ".py" else file)

    def close(self) -> None:
        """End the process."""
        if self._warm is not None:
            self._warm.close()
        self._warm, self.is_busy = None, False

    def _start(self) -> Warm:
        self.is_ready = False
        self._warm = Warm(self._course, self.topic, self._hear)
        return self._warm

    def take(self, warm: Warm, line: dict[str, Any]) -> bool:
        """Take a line of a process; whether there is a result, or the words why there is none."""
        if warm is not self._warm:
            return False  # it was given up
        event = line["event"]
        if event == READY:
            self.is_ready, self.since = True, time.monotonic()
        elif event == "started":
            self._case = line["data"]["check"], line["data"]["id"]
        elif event == "report":
            text = "".join(part for _, part in line["report"].get("sections", ()))
            if text and self._case is not None:
                self.printed[self._case] = text
        elif event == DONE:
            self._done(line)
        elif event == FAILED:
            first, *rest = line["text"].splitlines()
            self.is_busy, self.problem = False, [first, *rest[-LAST:]]
        elif event == GONE:
            self._gone(line["text"])
        return event in (DONE, FAILED, GONE) and not self.is_busy

    def _done(self, line: dict[str, Any]) -> None:
        self.is_busy, self._lost = False, 0
        self.took = time.monotonic() - self.since
        self.result, self.notes = from_json(line["text"]).topic(self.topic), line["notes"]
        if not can_fork():  # a process serves once: the next one gets warm meanwhile
            self.close()
            self._start()

    def _gone(self, text: str) -> None:
        self._warm, self._lost = None, self._lost + 1
        if not self.is_busy:
            return  # it could not collect the checks, and has told why
        if self._lost < KILLS:
            self.ask(self.topic, self.file, self.asked)
            return
        self.is_busy, self._lost = False, 0
        words = text.splitlines()[-LAST:] or ["It ended again and again."]
        self.problem = [f"{self.topic}: the process that grades has ended.", *words]
        self.problem.append("r tries again; gradus doctor looks for the cause.")
