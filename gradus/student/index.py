"""What the topics of a course ask for: tasks in teaching order, with points, checks, minutes and hints."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradus.course import Course
from gradus.errors import GraderError, TopicError
from gradus.student.cache import Cache

if TYPE_CHECKING:
    from gradus.topic import Task


@dataclass(frozen=True)
class IndexedTask:
    """One task. Minutes, difficulty and words are those of the solution, where it is at hand."""

    name: str
    topic: str
    points: int  # of the public checks
    checks: int
    minutes: int | None = None
    difficulty: str = ""
    about: str = ""  # the first line of its docstring
    hints: int = 0
    grader: str = ""  # the hash of its checks


@dataclass(frozen=True)
class IndexedTopic:
    """One topic; `problem` in place of its tasks where its grader is damaged."""

    name: str
    title: str
    tasks: tuple[IndexedTask, ...]
    problem: str = ""

    @property
    def points(self) -> int:
        """Points of all tasks."""
        return sum(task.points for task in self.tasks)


def index(course: Course) -> dict[str, IndexedTopic]:
    """Every topic by name, in teaching order."""
    with Cache(course) as cache:
        return {topic: indexed(course, topic, cache) for topic in course.topics}


def indexed(course: Course, topic: str, cache: Cache) -> IndexedTopic:
    """One topic."""
    source = course.source(topic)
    handed_out = course.root / "hints.json"
    files = [course.grader(topic), handed_out, *([source] if source is not None else [])]
    try:
        return cache.of(topic, files, lambda: asdict(_read(course, topic, source)), _from_data)
    except GraderError as error:
        return IndexedTopic(topic, topic, (), str(error))


def topics_by_task(topics: Iterable[IndexedTopic]) -> dict[str, str]:
    """The topic of each task; of a name of two topics, the first that has it."""
    found: dict[str, str] = {}
    for topic in topics:
        for task in topic.tasks:
            found.setdefault(task.name, topic.name)
    return found


def _read(course: Course, name: str, source: Path | None) -> IndexedTopic:
    from gradus.grading.grader_file import read_checks
    from gradus.grading.remembered.checks_code import checks_codes
    from gradus.student.hints import hints_of
    from gradus.topic import Topic

    checks = read_checks(course.grader(name))
    graders = checks_codes(course.grader(name))
    try:
        topic = Topic.load(source) if source is not None else None
        known = topic.tasks if topic is not None else {}
    except TopicError:  # `gradus export` tells its author
        topic, known = None, {}
    try:
        hints = {task: len(texts) for task, texts in hints_of(course, name).items()}
    except TopicError:
        hints = {}
    graded = dict.fromkeys(check.task for check in checks)
    order = [*(task for task in known if task in graded), *(t for t in graded if t not in known)]
    tasks = []
    for task in order:
        public = [check.points for check in checks if check.task == task and not check.hidden]
        of_checks = IndexedTask(
            task, name, sum(public), len(public),
            hints=hints.get(task, 0), grader=graders.get(task, ""),
        )  # fmt: skip
        tasks.append(_with_words(of_checks, known.get(task)))
    return IndexedTopic(name, topic.title if topic is not None else name, tuple(tasks))


def _with_words(of_checks: IndexedTask, solved: "Task | None") -> IndexedTask:
    if solved is None:
        return of_checks
    about = solved.docstring.partition("\n")[0]
    return replace(of_checks, minutes=solved.minutes, difficulty=solved.difficulty, about=about)


def _from_data(data: dict[str, Any]) -> IndexedTopic:
    tasks = tuple(IndexedTask(**task) for task in data["tasks"])
    return IndexedTopic(data["name"], data["title"], tasks)
