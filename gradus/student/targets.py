"""What a student may call a topic or a task on the command line."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from gradus.course import Course
from gradus.errors import GraderError, GradusError
from gradus.student.index import index, topics_by_task


def find_target(course: Course, words: Sequence[str]) -> tuple[str, str | None]:
    """Topic and task of `cnn`, `cnn.conv2d`, `cnn conv2d`, `conv2d`, or `exercises/cnn.py` (or `.ipynb`).

    The task is None where the whole topic is meant. A name that a topic and a task have is the topic's.

    Raises:
        GradusError: If there is no such topic or task; with what comes near.
    """
    first, *more = words
    topic, dot, task = _topic_of_file(course, first).partition(".")
    more = [*([task] if dot else []), *more]
    if len(more) > 1:
        raise GradusError(f"{' '.join(words)}: name one topic, and one task of it at most.")
    topics = index(course)
    if topic in topics:
        if not more or not more[0]:
            return topic, None
        known = [task.name for task in topics[topic].tasks]
        if more[0] in known:
            return topic, more[0]
        if topics[topic].problem:
            raise GraderError(topics[topic].problem)
        near = _near(more[0], known)
        remedy = f"Is {topic}.{near} meant? " if near else ""
        there = ", ".join(known)
        raise GradusError(f"{topic}: no task {more[0]!r}. {remedy}There are: {there}.")
    tasks = {} if more else topics_by_task(topics.values())
    if topic in tasks:
        return tasks[topic], topic
    near = _near(topic, [*course.topics, *tasks])
    where = f"{tasks[near]}.{near}" if near in tasks else near
    remedy = f"Is {where} meant? " if near else ""
    there = ", ".join(course.topics)
    what = "topic" if more else "topic or task"
    raise GradusError(f"no {what} {topic!r} here. {remedy}The topics: {there}.")


def find_task(course: Course, words: Sequence[str], command: str) -> tuple[str, str]:
    """Topic and task, where one task must be named.

    Raises:
        GradusError: If there is no such task, or a whole topic is named; with its tasks.
    """
    topic, task = find_target(course, words)
    if task is None:
        tasks = ", ".join(task.name for task in index(course)[topic].tasks)
        raise GradusError(
            f"{topic}: name one of its tasks, such as gradus {command} {topic}.TASK: {tasks}."
        )
    return topic, task


def own_file(course: Course, word: str) -> Path | None:
    """The student's module or notebook that a word names, from the working folder or the course's root."""
    path = Path(word)
    if path.suffix not in (".py", ".ipynb"):
        return None
    forms = {form.resolve() for topic in course.topics for form in course.forms(topic)}
    return next((p for p in (path.resolve(), (course.root / path).resolve()) if p in forms), None)


def _topic_of_file(course: Course, word: str) -> str:
    """The topic of one of the student's files, there or not; any other word as it is."""
    path = Path(word)
    if path.suffix not in (".py", ".ipynb"):
        return word
    found = own_file(course, word)
    if found is not None:
        return found.stem
    own = [course.exercise(topic).resolve() for topic in course.topics]
    for place in (path.resolve(), (course.root / path).resolve()):
        if place.with_suffix(".py") in own:
            return place.stem
    raise GradusError(
        f"{word} is none of the files in {course.exercises} that are checked by name. "
        f"To check another file: gradus check TOPIC --submission {word}"
    )


def _near(word: str, known: Sequence[str]) -> str | None:
    same = [name for name in known if _plain(name) == _plain(word)]
    if same:
        return min(same, key=lambda name: name.lower() != name)  # a function rather than a class
    by_lower = {name.lower(): name for name in reversed(known)}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
