"""A topic as it is handed out: the stub's text, and the notebook, made without nbgrader."""

import hashlib
import json
from typing import Any

from gradus.course import Course, installed_kit
from gradus.errors import TopicError
from gradus.topic import Topic


def source_of(course: Course, topic: str) -> Topic:
    """The solution of a topic, the kit's own or the installed one's.

    Raises:
        TopicError: If there is none at hand; with another way to a fresh file.
    """
    path = course.source(topic)
    if path is None:
        files = " ".join(f.relative_to(course.root).as_posix() for f in course.forms(topic))
        raise TopicError(
            f"{course.root}: the start of {topic} cannot be made anew: neither this folder nor the "
            "installed gradus has it. A file of your course: download it again, and keep yours under "
            f"another name. A git checkout: git checkout -- {files or f'exercises/{topic}.py'}"
        )
    return Topic.load(path)


def fresh_module(topic: Topic) -> str:
    """`exercises/<topic>.py` as it was at the start."""
    from gradus.authoring.export import stub_text

    return stub_text(topic)


def fresh_notebook(course: Course, topic: Topic) -> str:
    """`exercises/<topic>.ipynb` as it was at the start.

    Raises:
        TopicError: If neither the instructor's notebook nor another kit's exercise is at hand.
    """
    source = topic.path.with_suffix(".ipynb")
    if source.exists():
        return _cleared(json.loads(source.read_text(encoding="utf-8")), topic)
    kit = installed_kit()
    if kit is not None and kit.root != course.root:
        exercise = kit.root / "exercises" / source.name
        if exercise.exists():
            return exercise.read_text(encoding="utf-8")
    raise TopicError(
        f"{source}: is missing, and the notebook of {topic.name} is made from it. "
        "In a git checkout: git checkout -- " + f"solutions/{source.name}"
    )


def _cleared(notebook: dict[str, Any], topic: Topic) -> str:
    """The instructor's notebook without answers, its cells locked as nbgrader does it."""
    for cell in notebook["cells"]:
        about = cell["metadata"].get("nbgrader")
        if about is None:
            continue
        cell["metadata"]["deletable"] = False
        if about["solution"]:
            task = about["grade_id"]
            cell["source"] = topic.stub_of(task).rstrip("\n").splitlines(keepends=True)
        else:
            cell["metadata"]["editable"] = False
        about["cell_type"] = cell["cell_type"]
        about["checksum"] = _checksum(cell, about)
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _checksum(cell: dict[str, Any], about: dict[str, Any]) -> str:
    """What nbgrader knows an untouched cell by (`nbgrader.utils.compute_checksum`)."""
    locked = not about["solution"] and (about["grade"] or about["locked"])
    words = ["".join(cell["source"]), cell["cell_type"], str(about["grade"])]
    words += [str(about["solution"]), str(locked), about["grade_id"]]
    words += [str(float(about["points"]))] if about["grade"] else []
    return hashlib.md5("".join(words).encode(), usedforsecurity=False).hexdigest()
