"""One more hint each time: what was shown is remembered in `.gradus/hints.json`."""

import json
from dataclasses import dataclass
from pathlib import Path

from gradus.course import Course
from gradus.errors import TopicError
from gradus.files import write_whole
from gradus.grading.remembered.memory import not_kept
from gradus.topic import Topic

HANDED_OUT = "hints.json"  # in copies of the kit that have no solutions/


@dataclass(frozen=True)
class Hints:
    """Hints of a task: those shown so far, the newest last, and how many there are."""

    task: str
    shown: tuple[str, ...]
    total: int
    note: str = ""  # where it cannot be remembered which were shown: all are


def hints_of(course: Course, topic: str) -> dict[str, tuple[str, ...]]:
    """Hints of every task of a topic, gentle ones first.

    Raises:
        TopicError: If there is neither the solution nor handed-out hints.
    """
    handed_out = course.root / HANDED_OUT
    source = course.source(topic)
    if source is not None and (source == course.solution(topic) or not handed_out.exists()):
        return {name: task.hints for name, task in Topic.load(source).tasks.items()}
    try:
        tasks = json.loads(handed_out.read_text(encoding="utf-8"))[topic]
        return {name: tuple(hints) for name, hints in tasks.items()}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise TopicError(
            f"{course.root}: no hints for {topic} here (no {HANDED_OUT}, and neither this folder nor the "
            f"installed kit has solutions/{topic}.py). Ask your instructor."
        ) from error


def next_hint(course: Course, topic: str, task: str, again: bool = False) -> Hints:
    """Show one more hint; with `again`, only those that were shown before.

    Raises:
        TopicError: If there is no such task, or there are no hints here.
    """
    hints = hints_of(course, topic)
    if task not in hints:
        raise TopicError(f"{topic}: no task {task!r}. There are: {', '.join(hints)}.")
    state = course.state / "hints.json"
    shown = _read(state)
    key = f"{topic}.{task}"
    count = min(shown.get(key, 0) + (0 if again else 1), len(hints[task]))
    try:
        write_whole(state, json.dumps({**shown, key: count}, indent=1) + "\n")
    except OSError as error:
        return Hints(task, hints[task], len(hints[task]), not_kept(course, error))
    return Hints(task, hints[task][:count], len(hints[task]))


def _read(state: Path) -> dict[str, int]:
    try:
        data = json.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # a lost memory only means that hints start again
    return {k: v for k, v in data.items() if isinstance(v, int)} if isinstance(data, dict) else {}
