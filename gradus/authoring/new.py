"""Write the files of a new topic: a small example that works, to be replaced step by step."""

import keyword
from importlib.resources import files
from pathlib import Path

import tomlkit

from gradus.course import FILE, Course, find_course, load_course
from gradus.errors import CourseError, TopicError

TEMPLATES = files("gradus.authoring").joinpath("templates")


def kit_for(folder: Path) -> Course:
    """The kit that a new topic belongs to: the one around a folder, or a new one in an empty folder.

    Raises:
        CourseError: If there is none, and the folder is not empty.
    """
    try:
        return find_course(folder)
    except CourseError:
        if any(folder.iterdir()):
            raise
    (folder / FILE).write_text(
        "# A kit of gradus's: its topics in teaching order.\ntopics = []\n", "utf-8"
    )
    return load_course(folder)


def new_topic(course: Course, topic: str) -> list[Path]:
    """Write a solution, a grader, mistakes and alternatives, and add the topic to `course.toml`.

    Raises:
        TopicError: If the name is not a Python name in small letters, or one of the files exists.
    """
    if not topic.isidentifier() or keyword.iskeyword(topic) or topic != topic.lower():
        raise TopicError(
            f"{topic!r} cannot name a topic: use small letters, digits and _, for instance image_folders"
        )
    places = {
        course.solution(topic): "solution",
        course.grader(topic): "grader",
        course.root / "tests" / "mistakes" / f"{topic}.py": "mistakes",
        course.root / "tests" / "alternatives" / f"{topic}.py": "alternatives",
    }
    for path in places:
        if path.exists():
            raise TopicError(f"{path}: exists already; choose another name, or edit that topic.")
    for path, template in places.items():
        text = TEMPLATES.joinpath(f"{template}.py.txt").read_text("utf-8")
        text = text.replace("TOPIC", topic).replace("TITLE", topic.replace("_", " ").capitalize())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    _add_to_course(course.root / FILE, topic)
    return [*places, course.root / FILE]


def _add_to_course(path: Path, topic: str) -> None:
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    topics = document["topics"]
    assert isinstance(topics, tomlkit.items.Array)
    if topic not in topics:
        topics.append(topic)
    path.write_text(tomlkit.dumps(document), encoding="utf-8")
