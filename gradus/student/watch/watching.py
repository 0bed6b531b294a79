"""The loop of `gradus watch`: files that are saved, keys that are pressed, results that come in."""

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import watchfiles

from gradus.course import Course
from gradus.engine.apart import can_fork
from gradus.engine.warm import GONE, Warm
from gradus.engine.warm_process import DONE, FAILED, READY
from gradus.errors import GradusError
from gradus.grading.grader_file import tasks_in
from gradus.grading.memory import TaskCode
from gradus.grading.report import TopicResult
from gradus.grading.report_file import from_json
from gradus.grading.task_code import codes_in_file
from gradus.student.outcome import Asked, Line, outcome
from gradus.student.watch.keys import keys
from gradus.student.watch.screen import draw
from gradus.submission.status import Status

DEBOUNCE, STEP = 50, 10  # milliseconds: editors write a file in several steps
LOOK = 0.5  # seconds between two looks at the clock
LAST = 14  # lines of what pytest says where it cannot collect the checks
KILLS = 3  # processes of one topic that end by themselves before one gives up
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
        self._topic, self._task = topic, task
        self._warm: Warm | None = None
        self._ready = self._busy = False
        self._lost = 0
        self._since, self._took = 0.0, 0.0
        self._case: tuple[str, str] | None = None
        self._file = course.exercise(topic)
        self._known: dict[Path, dict[str, TaskCode]] = {}  # what the files held when looked at last
        self._asked: list[str] = []
        self._results: dict[str, TopicResult] = {}
        self._printed: dict[tuple[str, str], str] = {}
        self._body: list[Line] = []
        self._status = ""

    def run(self) -> None:
        """Watch until q or Ctrl+C."""
        over = threading.Event()
        folder = self._file.parent
        for topic in self._course.topics:
            for path in self._forms(topic):
                self._known[path] = self._codes(topic, path)
        with ExitStack() as stack:
            stack.callback(over.set)
            stack.callback(self._close)
            stack.enter_context(keys(lambda key: self._events.put(("key", key))))
            for name in ("SIGTERM", "SIGHUP"):
                if hasattr(signal, name):
                    signal.signal(getattr(signal, name), _leave)
            if hasattr(signal, "SIGWINCH"):
                signal.signal(signal.SIGWINCH, lambda *_: self._events.put(("drawn anew", None)))
            threading.Thread(
                target=self._watch, args=(folder, over), name="gradus-files", daemon=True
            ).start()
            self._ask()
            with suppress(KeyboardInterrupt):
                while self._handle():
                    pass

    def _forms(self, topic: str) -> tuple[Path, Path]:
        module = self._course.exercise(topic)
        return module, module.with_suffix(".ipynb")

    def _codes(self, topic: str, path: Path) -> dict[str, TaskCode]:
        return codes_in_file(path, tasks_in(self._course.grader(topic)))

    def _watch(self, folder: Path, over: threading.Event) -> None:
        kit = [self._course.root / name for name in ("graders", "datasets")]
        places = [place for place in (folder, *kit) if place.is_dir()]
        for changes in watchfiles.watch(
            *places, debounce=DEBOUNCE, step=STEP, stop_event=over, raise_interrupt=False
        ):
            self._events.put(("saved", {Path(path) for _, path in changes}))

    def _handle(self) -> bool:
        """Wait for one event, and act on it; False when one is to leave."""
        try:
            kind, value = self._events.get(timeout=LOOK)
        except queue.Empty:
            if self._busy and time.monotonic() - self._since > 1:
                self._draw()
            return True
        if kind == "key":
            return self._press(value)
        if kind == "saved":
            self._saved(value)
        elif kind == "said" and value[0] is self._warm:
            self._said(value[1])
        self._draw()
        return True

    # Grading

    def _ask(self, tasks: Sequence[str] = ()) -> None:
        """Have the tasks graded: those named, else the one that is shown, else all of the topic."""
        if self._warm is not None and (
            self._warm.topic != self._topic or (self._busy and not can_fork())
        ):
            self._close()
        warm = self._warm or self._start()
        self._busy, self._since, self._case = True, time.monotonic(), None
        self._printed = {}
        self._draw()
        self._asked = list(tasks) or ([self._task] if self._task else [])
        own = self._file.suffix == ".py"
        warm.ask(self._asked, None if own else self._file)

    def _start(self) -> Warm:
        warm: Warm | None = None
        self._ready = False
        held: list[dict[str, Any]] = []

        def hear(line: dict[str, Any]) -> None:
            if warm is None:
                held.append(line)
            else:
                self._events.put(("said", (warm, line)))

        warm = self._warm = Warm(self._course, self._topic, hear)
        for line in held:
            self._events.put(("said", (warm, line)))
        return warm

    def _close(self) -> None:
        if self._warm is not None:
            self._warm.close()
        self._warm, self._busy = None, False

    def _saved(self, paths: set[Path]) -> None:
        exercises = {path: topic for topic in self._course.topics for path in self._forms(topic)}
        saved = [path for path in paths if path in exercises and path.exists()]
        if not saved:
            if any(path.suffix in (".py", ".toml") and path not in exercises for path in paths):
                self._close()  # a grader, a data set or a module of the student's own
                self._ask()
            return
        path = saved[0]
        topic = exercises[path]
        before, now = self._known.get(path, {}), self._codes(topic, path)
        self._known[path] = now
        changed = [task for task in now if now[task] != before.get(task)]
        if (topic, path) != (self._topic, self._file) or changed:
            self._task = changed[0] if changed else None
        self._topic, self._file = topic, path
        self._ask(changed)

    def _said(self, line: dict[str, Any]) -> None:
        event = line["event"]
        if event == READY:
            self._ready, self._since = True, time.monotonic()
        elif event == "started":
            self._case = line["data"]["check"], line["data"]["id"]
        elif event == "report":
            text = "".join(part for _, part in line["report"].get("sections", ()))
            if text and self._case is not None:
                self._printed[self._case] = text
        elif event == DONE:
            self._done(from_json(line["text"]).topic(self._topic))
            self._body += [Line(), *map(Line, line["notes"])] if line["notes"] else []
        elif event == FAILED:
            self._busy = False
            first, *rest = line["text"].splitlines()
            self._body = [Line(text, "red") for text in (first, *rest[-LAST:])]
        elif event == GONE:
            self._gone(line["text"])

    def _done(self, result: TopicResult) -> None:
        self._busy, self._lost = False, 0
        self._took = time.monotonic() - self._since
        self._results[self._topic] = result
        asked = [task for task in result.tasks if not self._asked or task.name in self._asked]
        left = [task.name for task in asked if not _is_done(task)]
        if left and self._task not in left:
            self._task = left[0]
        self._show(everything=False)
        if self._task is not None and _is_done(result.task(self._task)):
            self._body.append(Line("n: the next task.   s: the solution, to compare with yours."))
        if not can_fork():
            self._close()
            self._start()

    def _gone(self, text: str) -> None:
        self._warm, self._lost = None, self._lost + 1
        if not self._busy:
            return  # it could not collect the checks, and has told why
        if self._lost < KILLS and not text:
            self._ask()
            return
        self._busy = False
        words = text.splitlines()[-8:] or ["It ended again and again."]
        self._body = [Line(f"{self._topic}: the process that grades has ended.", "red")]
        self._body += [*map(Line, words), Line("r tries again; gradus doctor looks for the cause.")]

    # What a person sees

    def _press(self, key: str) -> bool:
        if key in ("q", "Q", "\x03", "\x04"):
            return False
        if key == "r":
            self._ask()
        elif key == "n":
            self._next()
        elif key == "a" and self._topic in self._results:
            self._show(everything=True)
        elif key in self._shown and self._task is not None:
            try:
                self._body = [*map(Line, self._shown[key](self._topic, self._task))]
            except GradusError as error:
                self._body = [Line(row, "yellow") for row in str(error).splitlines()]
        self._draw()
        return True

    def _show(self, *, everything: bool) -> None:
        tasks = [self._task] if self._task else []
        asked = Asked(
            tasks, everything, printed=self._printed, file=self._file, how_all="a shows all"
        )
        self._body = outcome(self._results[self._topic], asked)

    def _next(self) -> None:
        """Go on to the next task behind this one that is not done."""
        names = list(tasks_in(self._course.grader(self._topic)))
        place = names.index(self._task) + 1 if self._task in names else 0
        result = self._results.get(self._topic)
        done = {task.name for task in result.tasks if _is_done(task)} if result else set()
        left = [name for name in names[place:] + names[:place] if name not in done]
        if left:
            self._task = left[0]
            self._ask()
            return
        topics = self._course.topics
        following = topics[topics.index(self._topic) + 1 :]
        if following:
            self._topic, self._task = following[0], None
            self._file = self._course.exercise(self._topic)
            self._ask()

    def _draw(self) -> None:
        what = f"{self._topic}.{self._task}" if self._task else self._topic
        title = f"gradus watch   {what}   {self._file.name}"
        if self._busy and not self._ready:
            status = f"starting: torch and the checks of {self._topic} (some seconds)"
        elif self._busy:
            seconds = time.monotonic() - self._since
            status = f"checking for {seconds:.0f} s; save again to begin anew"
        else:
            status = f"graded in {self._took:.2f} s; waiting for a file to be saved"
        draw(title, self._body, status)


def _is_done(task: Any) -> bool:
    return task.status is Status.PASSED and task.complete


def _leave(*_: object) -> None:
    raise KeyboardInterrupt
