"""The loop of `gradus watch`: files that are saved, keys that are pressed, results that come in."""

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from gradus.course import Course
from gradus.errors import GradusError
from gradus.grading.grader_file import tasks_in
from gradus.grading.remembered.memory import TaskCode
from gradus.grading.remembered.task_code import codes_in_file
from gradus.grading.report import TaskResult
from gradus.shown import safe
from gradus.student.outcome import Asked, Line, outcome
from gradus.student.watch.grading import Grading
from gradus.student.watch.keys import keys
from gradus.student.watch.saves import saves
from gradus.student.watch.screen import draw
from gradus.submission.status import Status

LOOK = 0.5  # seconds between two looks at the clock
QUIT = ("q", "Q", "\x03", "\x04")
Event = tuple[str, Any]
Show = Callable[[str, str], Iterable[str]]


class Watching:
    """One `gradus watch`, until it is quit.

    Args:
        course: The kit.
        topic: The topic to begin with.
        task: The task to begin with; the first that is not done if None.
        shown: What a key shows in place of a grade, by key: lines, for a topic and a task.
    """

    def __init__(
        self, course: Course, topic: str, task: str | None, shown: Mapping[str, Show]
    ) -> None:
        self._course, self._shown = course, shown
        self._events: queue.Queue[Event] = queue.Queue()
        self._grading = Grading(course, lambda *said: self._events.put(("said", said)))
        self._topic, self._task = topic, task
        self._file = (*course.forms(topic), course.exercise(topic))[0]
        self._known: dict[Path, dict[str, TaskCode]] = {}  # what the files held when looked at last
        self._body: list[Line] = []
        self._keys: Callable[[], None] = lambda: None

    def run(self) -> None:
        """Watch until q or Ctrl+C."""
        over = threading.Event()
        for topic in self._course.topics:
            for path in self._course.forms(topic):
                self._known[path] = self._codes(topic, path)
        with ExitStack() as stack:
            stack.callback(over.set)
            stack.callback(self._grading.close)
            self._keys = stack.enter_context(keys(lambda key: self._events.put(("key", key))))
            for name in ("SIGTERM", "SIGHUP"):
                if hasattr(signal, name):
                    signal.signal(getattr(signal, name), _leave)
            for name in ("SIGWINCH", "SIGCONT"):
                if hasattr(signal, name):
                    signal.signal(
                        getattr(signal, name), lambda *_: self._events.put(("look", None))
                    )
            threading.Thread(
                target=self._watch, args=(over,), name="gradus-files", daemon=True
            ).start()
            with suppress(KeyboardInterrupt):
                self._ask()
                while self._handle():
                    pass

    def _codes(self, topic: str, path: Path) -> dict[str, TaskCode]:
        return codes_in_file(path, self._tasks(topic))

    def _tasks(self, topic: str) -> list[str]:
        """The tasks of a topic; none where its grader cannot be read, which is told when it is graded."""
        with suppress(GradusError):
            return list(tasks_in(self._course.grader(topic)))
        return []

    def _watch(self, over: threading.Event) -> None:
        for saved in saves(self._course, over):
            self._events.put(("saved", saved))

    def _handle(self) -> bool:
        """Wait for one event, and act on it; False when one is to leave."""
        try:
            kind, value = self._events.get(timeout=LOOK)
        except queue.Empty:
            if self._grading.is_busy and time.monotonic() - self._grading.since > 1:
                self._draw()
            return True
        if kind == "key":
            return self._press(value)
        if kind == "saved":
            self._saved(value)
        elif kind == "said" and self._grading.take(*value):
            self._show_result()
        elif kind == "look":
            self._keys()  # a shell that stopped this process has taken the terminal back
        self._draw()
        return True

    def _ask(self, tasks: Sequence[str] = ()) -> None:
        """Have the tasks graded: those named, else the one that is shown, else all of the topic."""
        shown = [self._task] if self._task else []
        self._grading.ask(self._topic, self._file, tasks or shown)
        self._draw()

    def _saved(self, paths: set[Path]) -> None:
        forms = {path: topic for topic in self._course.topics for path in self._course.forms(topic)}
        saved = [path for path in forms if path in paths or path.parent in paths]
        if not saved:
            if self._file in paths and not self._file.exists():
                self._body = [Line(f"{self._file.name} is gone.", "yellow")]
            elif any(path.suffix in (".py", ".toml") for path in paths):
                self._grading.close()  # a grader, a data set or a module of the student's own
                self._ask()
            return
        path = max(saved, key=lambda path: path.stat().st_mtime)
        topic = forms[path]
        before, now = self._known.get(path, {}), self._codes(topic, path)
        self._known[path] = now or before  # what cannot be read now was not changed as a whole
        names = {**now, **before} if now else {}  # a task whose name is gone was misspelled
        changed = [task for task in names if now.get(task) != before.get(task)]
        if path != self._file and not changed:
            return  # an editor that saves by itself, or only the output of a notebook
        if topic != self._topic:
            self._body = []
        if changed:
            self._task = changed[0]
        self._topic, self._file = topic, path
        self._ask(changed)

    def _press(self, key: str) -> bool:
        if key in QUIT:
            return False
        if key == "r":
            self._ask()
        elif key == "n":
            self._next()
        elif key == "a":
            self._show_result(everything=True)
        elif key in self._shown and self._task is not None:
            try:
                self._body = [*map(Line, self._shown[key](self._topic, self._task))]
            except GradusError as error:
                self._body = [Line(row, "yellow") for row in str(error).splitlines()]
        self._draw()
        return True

    def _next(self) -> None:
        """Go on to the next task behind this one that is not done, or to the next topic."""
        names = self._tasks(self._topic)
        place = names.index(self._task) + 1 if self._task in names else 0
        result = self._grading.result
        known = result.tasks if result is not None and result.name == self._topic else ()
        done = {task.name for task in known if _is_done(task)}
        left = [name for name in names[place:] + names[:place] if name not in done]
        topics = self._course.topics
        following = topics[topics.index(self._topic) + 1 :]
        if left:
            self._task = left[0]
        elif following:
            self._topic, self._task = following[0], None
            self._file = (*self._course.forms(self._topic), self._course.exercise(self._topic))[0]
        self._ask()

    def _show_result(self, *, everything: bool = False) -> None:
        grading, result = self._grading, self._grading.result
        if grading.problem:
            self._body = [Line(text, "red") for text in grading.problem]
            return
        if result is None or result.name != self._topic:
            return
        asked = [task for task in result.tasks if not grading.asked or task.name in grading.asked]
        left = [task.name for task in asked if not _is_done(task)]
        if left and self._task not in left:
            self._task = left[0]
        about = Asked(
            [self._task] if self._task else [], everything, printed=grading.printed,
            file=self._file, how_all="a shows all",
        )  # fmt: skip
        self._body = outcome(result, about)
        if self._task is not None and _is_done(result.task(self._task)):
            self._body.append(Line("n: the next task.   s: the solution, to compare with yours."))
        self._body += [Line(), *map(Line, grading.notes)] if grading.notes else []

    def _draw(self) -> None:
        what, grading = self._topic, self._grading
        what += f".{self._task}" if self._task else ""
        if grading.is_busy and not grading.is_ready:
            status = f"starting: torch and the checks of {self._topic} (some seconds)"
        elif grading.is_busy:
            seconds = time.monotonic() - grading.since
            status = f"checking for {seconds:.0f} s; save again to begin anew"
        elif grading.problem:
            status = "not graded; waiting for a file to be saved"
        else:
            status = f"graded in {grading.took:.2f} s; waiting for a file to be saved"
        draw(safe(f"gradus watch   {what}   {self._file.name}"), self._body, status)


def _is_done(task: TaskResult) -> bool:
    return task.status is Status.PASSED and task.complete


def _leave(*_: object) -> None:
    raise KeyboardInterrupt
