"""Grade a class: what is in the store costs nothing, and every new grade is kept as soon as it is there."""

from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import closing

from gradus.classroom.grade.answer import dependencies, key_of, read_answer
from gradus.classroom.grade.pool import grade_all
from gradus.classroom.grade.store import Store
from gradus.classroom.grade.turns import (
    Done,
    Settings,
    Turns,
    Work,
    whose_of,
)
from gradus.classroom.placing.place import HandedIn
from gradus.course import Course
from gradus.errors import SubmissionError

__all__ = ["Done", "Settings", "Work", "grade_class", "plan"]


def plan(course: Course, found: Sequence[HandedIn], store: Store, settings: Settings) -> Work:
    """Look at what was handed in, and at the store.

    Args:
        course: The kit.
        found: What was handed in.
        store: Gets to know who handed in what it has a grade of.
        settings: How to grade.
    """
    work = Work()
    by_key: dict[str, list[HandedIn]] = defaultdict(list)
    depends = {
        topic: dependencies(course, topic, settings.limit, settings.devices)
        for topic in {o.topic for o in found}
    }
    for one in found:
        try:
            answer = read_answer(course, one.topic, one.file, one.folder)
        except SubmissionError as error:
            work.refused.append((one, str(error)))
            continue
        key = key_of(one.topic, answer, depends[one.topic])
        by_key[key].append(one)
        work.counts[one.student, one.topic] = key
    known = set() if settings.regrade else store.known_of(by_key)
    have = [whose_of(one, key) for key in by_key if key in known for one in by_key[key]]
    store.hand_in(have)
    work.known = len(have)
    work.left = {key: whose for key, whose in by_key.items() if key not in known}
    return work


def grade_class(
    course: Course, work: Work, store: Store, settings: Settings
) -> Generator[Done, None, None]:
    """Grade what is left to be graded, and keep each grade; tells each answer that is done.

    Raises:
        GradusError: If a grade cannot be kept, or if there is no room to grade.
    """
    turns = Turns(course, work, store, settings)
    while turns.left:
        with closing(grade_all(course.root, turns.asked(), settings.jobs)) as graded:
            for answered in graded:
                yield from turns.said()
                yield from turns.take(answered)
        yield from turns.said()
