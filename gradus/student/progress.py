"""Progress over all tasks: what was earned by the code that the student's files hold now."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path

from gradus.course import Course
from gradus.grading.remembered.memory import Remembered, TaskCode, remembered
from gradus.grading.remembered.other_form import newer_form
from gradus.student.cache import Cache
from gradus.student.index import IndexedTask, IndexedTopic, indexed


class State(str, Enum):
    """How far a task is."""

    DONE = "done"
    TRIED = "tried"  # not all points yet
    EDITED = "edited"  # since its last check, or it was never checked
    OPEN = "not tried"  # the stub is still there


@dataclass(frozen=True)
class TaskProgress:
    """One task: points of the code that is there now, of the module or the notebook, whichever has more."""

    task: IndexedTask
    state: State
    earned: int = 0
    last: Remembered | None = None  # the latest check, of whatever code


@dataclass(frozen=True)
class TopicProgress:
    """One topic. `newer` is the file that was saved after the one that was checked last."""

    topic: IndexedTopic
    tasks: tuple[TaskProgress, ...]
    newer: Path | None = None

    @property
    def earned(self) -> int:
        """Points earned."""
        return sum(task.earned for task in self.tasks)

    @property
    def minutes_left(self) -> int:
        """Minutes of the tasks that are not done, as far as they are known."""
        return sum(t.task.minutes or 0 for t in self.tasks if t.state is not State.DONE)

    @property
    def last(self) -> Remembered | None:
        """The latest check."""
        checked = [task.last for task in self.tasks if task.last is not None]
        return max(checked, key=lambda record: record.when, default=None)

    @property
    def next_task(self) -> str | None:
        """The first task that is not done."""
        return next((t.task.name for t in self.tasks if t.state is not State.DONE), None)

    def edited(self) -> list[str]:
        """Tasks whose code no check has seen."""
        return [task.task.name for task in self.tasks if task.state is State.EDITED]


def progress(course: Course, topics: Sequence[str] = ()) -> list[TopicProgress]:
    """Every topic of the course, or these."""
    with Cache(course) as cache:
        return [_topic(course, name, cache) for name in topics or course.topics]


def day_and_time(record: Remembered) -> str:
    """When a check was, by this machine's clock: `2026-11-30 17:05`."""
    try:
        then = datetime.datetime.fromisoformat(record.when).astimezone()
    except ValueError:
        return ""
    return then.strftime("%Y-%m-%d %H:%M")


def _topic(course: Course, name: str, cache: Cache) -> TopicProgress:
    topic = indexed(course, name, cache)
    codes = partial(_codes, course, topic, cache)
    now = [codes(path) for path in course.forms(name)]
    known = remembered(course, name)
    tasks = tuple(_task(task, now, known.get(task.name, [])) for task in topic.tasks)
    found = TopicProgress(topic, tasks)
    if found.last is None:
        return found
    newer = newer_form(course, name, course.root / found.last.file, codes)
    return TopicProgress(topic, tasks, newer)


def _task(
    task: IndexedTask, now: Sequence[Mapping[str, TaskCode]], known: Sequence[Remembered]
) -> TaskProgress:
    codes = [of_file[task.name] for of_file in now if task.name in of_file]
    written = [code.digest for code in codes if not code.todo]
    seen = {record.code: record.result for record in known if _same_checks(task, record)}
    current = [seen[code.digest] for code in codes if code.digest in seen]
    best = max(current, key=lambda result: (result.earned, result.complete), default=None)
    earned = best.earned if best is not None else 0
    if best is not None and best.complete and earned == task.points:
        state = State.DONE
    elif not written:
        state = State.OPEN
    else:
        state = State.TRIED if all(code in seen for code in written) else State.EDITED
    return TaskProgress(task, state, earned, known[0] if known else None)


def _same_checks(task: IndexedTask, record: Remembered) -> bool:
    """Whether the checks are still those that it was graded by."""
    public = [c for c in record.result.checks if not c.check.hidden]
    now = (task.checks, task.points, task.grader)
    return (len(public), record.result.possible, record.grader) == now


def _codes(course: Course, topic: IndexedTopic, cache: Cache, path: Path) -> Mapping[str, TaskCode]:
    def work_out() -> dict[str, list[object]]:
        from gradus.grading.remembered.task_code import codes_in_file

        codes = codes_in_file(path, [task.name for task in topic.tasks])
        return {task: [code.digest, code.todo] for task, code in codes.items()}

    return cache.of(
        path.relative_to(course.root).as_posix(),
        [path, course.grader(topic.name)],
        work_out,
        lambda data: {
            str(t): TaskCode(str(digest), bool(todo)) for t, (digest, todo) in data.items()
        },
    )
