"""What a student gets beside the notebook of a topic: public checks, data sets, hints."""

import json
from collections.abc import Callable

from gradus.course import FILE, Course
from gradus.grading.grader_file import without_hidden
from gradus.topic import Topic

HINTS = "hints.json"


def release_files(course: Course, topic: str) -> dict[str, Callable[[], str]]:
    """The files by their path below the released folder, each with what makes its text."""
    grader = course.grader(topic)
    thresholds = grader.with_name("thresholds.toml")
    files: dict[str, Callable[[], str]] = {
        FILE: lambda: f'topics = ["{topic}"]\n',
        f"graders/{grader.name}": lambda: without_hidden(grader.read_text(encoding="utf-8")),
        HINTS: lambda: _hints(course, topic),
    }
    for path in [
        *([thresholds] if thresholds.exists() else []),
        *sorted((course.root / "datasets").glob("*.py")),
    ]:
        files[f"{path.parent.name}/{path.name}"] = lambda path=path: path.read_text("utf-8")  # type: ignore[misc]
    return files


def _hints(course: Course, topic: str) -> str:
    tasks = Topic.load(course.solution(topic)).tasks
    hints = {name: list(task.hints) for name, task in tasks.items()}
    return json.dumps({topic: hints}, indent=1, ensure_ascii=False) + "\n"
