"""Grade a class: what is in the store costs nothing, and every new grade is kept as soon as it is there."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gradus.classroom.grade.answer import key_of, read_answer
from gradus.classroom.grade.placing import HandedIn
from gradus.classroom.grade.pool import Answered, Asked, grade_all
from gradus.classroom.grade.store import Graded, Store
from gradus.classroom.verdicts import require_verdicts
from gradus.course import Course
from gradus.engine.depends import depends_on
from gradus.errors import GraderError, SubmissionError


@dataclass(frozen=True)
class Settings:
    """How a class is graded.

    Args:
        jobs: Answers at a time.
        limit: Seconds that one answer may take in all.
        devices: That checks run on; those of a plain pytest run when empty.
        regrade: Whether to grade anew what is in the store.
    """

    jobs: int
    limit: float = 600.0
    devices: tuple[str, ...] = ()
    regrade: bool = False


@dataclass
class Work:
    """What there is to do.

    Args:
        asked: Answers that are to be graded, each once, whoever handed it in.
        whose: By key, those who handed it in.
        known: How many hand-ins the store has a grade of.
        refused: What is not graded, with the reason.
    """

    asked: list[Asked] = field(default_factory=list)
    whose: dict[str, list[HandedIn]] = field(default_factory=dict)
    known: int = 0
    refused: list[tuple[HandedIn, str]] = field(default_factory=list)


def plan(
    course: Course, found: Sequence[HandedIn], store: Store, settings: Settings, root: Path
) -> Work:
    """Look at what was handed in, and at the store.

    Args:
        course: The kit.
        found: What was handed in.
        store: Gets to know who handed in what it has a grade of.
        settings: How to grade.
        root: Names of files are shown as seen from here.
    """
    work, depends = Work(), dict[str, str]()
    for one in found:
        try:
            answer = read_answer(course, one.topic, one.file, one.folder)
        except SubmissionError as error:
            work.refused.append((one, str(error)))
            continue
        if one.topic not in depends:
            depends[one.topic] = depends_on(
                course, one.topic, settings.limit, list(settings.devices)
            )
        key = key_of(one.topic, answer, depends[one.topic])
        if key in work.whose:
            work.whose[key].append(one)
        elif store.known(key) and not settings.regrade:
            store.hand_in(one.student, one.topic, key, _shown(one.file, root))
            work.known += 1
        else:
            work.whose[key] = [one]
            work.asked.append(
                Asked(key, one.topic, answer.packed(), None, settings.limit, settings.devices)
            )
    return work


def grade_class(
    course: Course,
    work: Work,
    store: Store,
    settings: Settings,
    root: Path,
    tell: Callable[[Answered, list[HandedIn]], object],
) -> Iterator[tuple[HandedIn, str]]:
    """Grade what is left to be graded; gives what got no mark, with the reason.

    `tell` is called for every answer when it is graded and kept.
    """
    for answered in grade_all(course.root, work.asked, settings.jobs):
        whose, problem = work.whose[answered.asked.key], answered.problem
        if answered.report is not None:
            try:
                require_verdicts(answered.report.topic(answered.asked.topic))
            except GraderError as error:
                problem = str(error)
        if answered.report is not None and not problem:
            store.keep(graded_of(answered))
            for one in whose:
                store.hand_in(one.student, one.topic, answered.asked.key, _shown(one.file, root))
        tell(answered, whose)
        yield from ((one, problem) for one in whose if problem)


def graded_of(answered: Answered) -> Graded:
    """What the store keeps of an answer that got a report."""
    assert answered.report is not None
    asked = answered.asked
    return Graded(
        asked.key, asked.topic, asked.answer, answered.seed, answered.report, answered.seconds
    )


def _shown(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
