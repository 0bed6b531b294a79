"""What a student may call a topic or a task on the command line."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from gradus.course import Course
from gradus.errors import GradusError
from gradus.grading.grader_file import tasks_in
from gradus.submission.reading import find_submission


def find_target(course: Course, words: Sequence[str]) -> tuple[str, str | None]:
    """Topic and task of `cnn`, `cnn.conv2d`, `cnn conv2d`, `conv2d` or `exercises/cnn.py`.

    The task is None where the whole topic is meant. A name that a topic and a task have is the topic's.

    Raises:
        GradusError: If there is no such topic or task; with what comes near.
    """
    first, *more = words
    topic, dot, task = _topic_of_file(course, first).partition(".")
    more = [*([task] if dot else []), *more]
    if len(more) > 1:
        raise GradusError(f"{' '.join(words)}: name one topic, and one task of it at most.")
    if topic in course.topics:
        if not more or not more[0]:
            return topic, None
        known = tasks_in(course.grader(topic))
        if more[0] in known:
            return topic, more[0]
        near = _near(more[0], known)
        remedy = f"Is {topic}.{near} meant? " if near else ""
        there = ", ".join(known)
        raise GradusError(f"{topic}: no task {more[0]!r}. {remedy}There are: {there}.")
    found = None if more else _topics_by_task(course, topic).get(topic)
    if found is not None:
        return found, topic
    tasks = {} if more else _topics_by_task(course)
    near = _near(topic, [*course.topics, *tasks])
    where = f"{tasks[near]}.{near}" if near in tasks else near
    remedy = f"Is {where} meant? " if near else ""
    there = ", ".join(course.topics)
    what = "topic" if more else "topic or task"
    raise GradusError(f"no {what} {topic!r} here. {remedy}The topics: {there}.")


def _topics_by_task(course: Course, word: str = "") -> dict[str, str]:
    """The topic of each task; of a task of two topics, the first that has it.

    Only graders whose text has the `word` are looked at: to parse them all takes half a second.
    """
    found: dict[str, str] = {}
    for topic in course.topics:
        grader = course.grader(topic)
        if grader.exists() and word in grader.read_text(encoding="utf-8", errors="replace"):
            for task in tasks_in(course.grader(topic)):
                found.setdefault(task, topic)
    return found


def _topic_of_file(course: Course, word: str) -> str:
    """The topic of an exercise's file, from the working folder or the kit's root; any other word as it is."""
    path = Path(word)
    if path.suffix not in (".py", ".ipynb"):
        return word
    own = [find_submission(course.exercises, topic).resolve() for topic in course.topics]
    for place in (path.resolve(), (course.root / path).resolve()):
        if place in own:
            return place.stem
    raise GradusError(
        f"{word} is none of the files in {course.exercises} that are checked by name. "
        f"To check another file: gradus check TOPIC --submission {word}"
    )


def _near(word: str, known: Sequence[str]) -> str | None:
    by_lower = {name.lower(): name for name in reversed(known)}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None
