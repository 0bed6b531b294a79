"""Write what is made from `solutions/<topic>.py`: the stub and both notebooks."""

from collections.abc import Iterable
from pathlib import Path

from gradus.course import Course
from gradus.errors import needs
from gradus.grading.grader_file import read_checks
from gradus.topic import Topic, split_cells

HEADER = """\
# {title}: replace every line `raise NotImplementedError("TODO: ...")` by your answer.
#   check your work    pytest graders/test_{name}.py      (or: gradus check {name})
#   get a hint         gradus hint {name}.TASK
#   start again        gradus reset {name}                 (keeps a copy of your work)
"""


def stub_text(topic: Topic) -> str:
    """The file that a student edits; it ends with a code cell, for what is added there."""
    stub = topic.stub.rstrip("\n") + "\n"
    if split_cells(stub)[-1].markdown and not stub.endswith("\n# %%\n"):
        stub += "\n# %%\n"
    return HEADER.format(title=topic.title, name=topic.name) + "\n" + stub


def outputs(course: Course, name: str) -> dict[Path, str]:
    """Every generated file of a topic and what it must hold.

    Raises:
        TopicError: If the solution breaks the rules of its room.
        GraderError: If the grader's declarations do.
        GradusError: If nbgrader is not installed.
    """
    with needs("instructor", "exporting notebooks"):
        from gradus.authoring.notebooks import source_notebook, student_notebook, to_text
    topic = Topic.load(course.solution(name))
    source = source_notebook(topic, read_checks(course.grader(name)))
    return {
        course.exercise(name): stub_text(topic),
        course.exercise(name).with_suffix(".ipynb"): to_text(student_notebook(source)),
        course.solution(name).with_suffix(".ipynb"): to_text(source),
    }


def stale(course: Course, topics: Iterable[str]) -> dict[Path, str]:
    """Generated files that are missing or not as they must be, with what they must hold."""
    found = {}
    for name in topics:
        for path, text in outputs(course, name).items():
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                found[path] = text
    return found


def export(course: Course, topics: Iterable[str]) -> list[Path]:
    """Write every generated file that is stale; returns them."""
    files = stale(course, topics)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return list(files)
