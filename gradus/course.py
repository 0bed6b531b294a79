"""Where a kit is and which topics it has: `course.toml`, at the bottom of all imports."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from gradus.errors import CourseError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "course.toml"
NOTE = "kit.json"  # in .gradus/: what a course was made from (gradus/student/made.py)
PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Course:
    """A kit: its root folder, and its topics in teaching order."""

    root: Path
    topics: tuple[str, ...]

    def solution(self, topic: str) -> Path:
        """The one source of a topic."""
        return self.root / "solutions" / f"{topic}.py"

    def grader(self, topic: str) -> Path:
        """The checks of a topic."""
        return self.root / "graders" / f"test_{topic}.py"

    @property
    def exercises(self) -> Path:
        """The folder of the files that a student edits: the root itself where notebooks were handed out."""
        own = self.root / "exercises"
        if own.is_dir() or (self.root / "solutions").is_dir():
            return own
        names = (f"{topic}{kind}" for topic in self.topics for kind in (".ipynb", ".py"))
        handed_out = any((self.root / name).exists() for name in names)
        return self.root if handed_out else own

    def exercise(self, topic: str) -> Path:
        """The file that a student edits."""
        return self.exercises / f"{topic}.py"

    def forms(self, topic: str) -> tuple[Path, ...]:
        """The files that a student works in and that are there: the module, then the notebook.

        Without exercises/, as nbgrader releases a course, they lie in its root.
        """
        files = (self.exercises / f"{topic}{ending}" for ending in (".py", ".ipynb"))
        return tuple(path for path in files if path.is_file())

    def source(self, topic: str) -> Path | None:
        """The solution of a topic: this kit's own, else that of the kit that the course was made from.

        That is the installed one, unless another one was named; None where the kit or the topic is not there.
        """
        own = self.solution(topic)
        if own.exists():
            return own
        kit = self.origin() or installed_kit()
        if kit is None or topic not in kit.topics:
            return None
        path = kit.solution(topic)
        return path if path.exists() else None

    def origin(self) -> "Course | None":
        """The kit that this course was made from, where it is not the installed one and is there."""
        try:
            note = json.loads((self.state / NOTE).read_text(encoding="utf-8"))
            root = Path(note["kit"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return load_course(root) if (root / FILE).is_file() else None

    @property
    def state(self) -> Path:
        """What gradus remembers between runs on this machine: results, hints shown, backups."""
        return self.root / ".gradus"

    def require(self, topic: str) -> str:
        """Return `topic` when the course has it.

        Raises:
            CourseError: If it does not; names the topics that there are.
        """
        if topic in self.topics:
            return topic
        raise CourseError(
            f"{self.root / FILE}: no topic {topic!r}. There are: {', '.join(self.topics)}."
        )


def installed_kit() -> Course | None:
    """The kit that came with this installation: the wheel's, or the checkout that gradus is run from.

    Raises:
        CourseError: If its `course.toml` is damaged.
    """
    for root in (PACKAGE / "kit", PACKAGE.parent):
        if (root / FILE).is_file():
            return load_course(root)
    return None


def find_whole_kit() -> Course:
    """The kit around the working folder; where there is none, or one without solutions, the installed one.

    Raises:
        CourseError: If there is neither, or a `course.toml` is damaged.
    """
    here = Path.cwd().resolve()
    around = next((f for f in (here, *here.parents) if (f / FILE).is_file()), None)
    if around is not None and (around / "solutions").is_dir():
        return load_course(around)
    return installed_kit() or find_course(here)


def find_course(start: Path | None = None) -> Course:
    """The course whose root is `start` (default: the working folder) or the nearest folder above.

    Raises:
        CourseError: If there is none, or `course.toml` does not list its topics.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return load_course(folder)
    raise CourseError(
        f"{here}: no {FILE} here or in a folder above, so this is no gradus course. "
        "cd into yours (the folder that holds exercises/ and graders/), or make one: gradus init my-course"
    )


def load_course(root: Path) -> Course:
    """Read `root/course.toml`.

    Raises:
        CourseError: If the file is not TOML, or `topics` is not a list of names.
    """
    path = root / FILE
    try:
        topics = tomllib.loads(path.read_text(encoding="utf-8"))["topics"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise CourseError(
            f'{path}: expected a line such as `topics = ["tensors"]`, got {error!r}. '
            "Restore the file from the kit."
        ) from error
    if not isinstance(topics, list) or not all(
        isinstance(topic, str) and topic.isidentifier() for topic in topics
    ):
        raise CourseError(f"{path}: `topics` must be a list of Python names, got {topics!r}.")
    return Course(root, tuple(topics))
