"""What a student's course is made of: the files that `gradus init` writes and `gradus update` brings."""

import contextlib
import gc
import json
import re
from collections.abc import Iterator, Sequence

from gradus.authoring.export import stub_text
from gradus.course import FILE, Course
from gradus.errors import GraderError, GradusError
from gradus.grading.grader_file import without_hidden
from gradus.topic import Topic, todo_line

EXERCISES, READ_ME, THRESHOLDS = "exercises", "README.md", "graders/thresholds.toml"
_TABLE = re.compile(r"^\[(\w+)\.")

_READ_ME = """\
# PyTorch exercises

Every topic is a file in `exercises/`: Python (`{first}.py`), and the same as a
notebook (`{first}.ipynb`). Take the one that you like. Open it, read, and
replace each line `raise NotImplementedError("TODO: ...")` by your answer.

```
gradus watch           grades what you have changed, each time you save
gradus                 your progress, and what comes next
gradus list            every task: points, minutes, difficulty
gradus check TASK      grades one task, or a topic
gradus hint TASK       one more hint each time
gradus solution TASK   the solution, after full marks
gradus reset TASK      start a task or a topic again; your work is kept
gradus restore         undo that
gradus update          bring what a newer kit has; your work stays as it is
gradus doctor          what is wrong with the setup, and how to fix it
gradus --help          all commands
```

In a notebook, the cells `check("TASK")` grade what you have written above
them. `pytest` alone grades everything, `pytest -k TASK` one task, and its
`-x` and `--pdb` work as ever.

Topics: {topics}.

`graders/` holds the checks, `datasets/` the data; leave both as they are. The
folder `.gradus` holds what is remembered: progress, hints that you have seen,
backups.
"""


def course_files(kit: Course, topics: Sequence[str], own: Sequence[str] = ()) -> dict[str, bytes]:
    """Each file of a course by its path in the course, with `/`. No solutions, no hidden checks.

    Args:
        kit: Where the files come from; it has the solutions.
        topics: Topics of the kit.
        own: Further topics that the course keeps, of which nothing is written here.

    Raises:
        TopicError: If a solution of the kit is damaged.
        GraderError: If a grader is.
        GradusError: If the kit has no solution, grader or notebook of a topic, or the notebook is not as
            `gradus export` wrote it.
    """
    try:
        with _no_collection():
            found = dict(_texts(kit, topics, own))
    except (OSError, UnicodeDecodeError) as error:
        raise GradusError(f"{kit.root}: the kit cannot be read ({error}).") from error
    return {path: text.encode("utf-8") for path, text in found.items()}


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Syntax trees are large and have no cycles: looking for some takes half the time of an `init`."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _texts(kit: Course, topics: Sequence[str], own: Sequence[str]) -> Iterator[tuple[str, str]]:
    listed = ", ".join(f'"{topic}"' for topic in (*topics, *own))
    yield (
        FILE,
        f"# The topics in teaching order. It marks this folder as a course.\ntopics = [{listed}]\n",
    )
    names = ", ".join((*topics, *own))
    yield READ_ME, _READ_ME.format(first=topics[0] if topics else "TOPIC", topics=names)
    for name in topics:
        yield from _topic(kit, name)
    bars = kit.root / THRESHOLDS
    if bars.exists():
        text = tables_of(bars.read_text(encoding="utf-8"), topics)
        if _TABLE.search(text) or "\n[" in text:
            yield THRESHOLDS, text
    for path in sorted((kit.root / "datasets").glob("*.py")):
        yield f"datasets/{path.name}", path.read_text(encoding="utf-8")


def _topic(kit: Course, name: str) -> Iterator[tuple[str, str]]:
    for path in (kit.solution(name), kit.grader(name)):
        if not path.exists():
            raise GradusError(
                f"{path}: is missing, so no exercise can be made from {kit.root}. "
                "A course is made from a whole kit, which has solutions/ and graders/."
            )
    topic = Topic.load(kit.solution(name))
    yield f"{EXERCISES}/{name}.py", stub_text(topic)
    notebook = kit.root / EXERCISES / f"{name}.ipynb"
    text = notebook.read_text(encoding="utf-8") if notebook.exists() else ""
    if not all(json.dumps(todo_line(task))[1:-1] in text for task in topic.tasks):
        raise GradusError(
            f"{notebook}: is missing, or not as `gradus export` wrote it (has somebody worked in it?). "
            f"Move your work elsewhere, then run `gradus export {name}` in {kit.root}."
        )
    yield f"{EXERCISES}/{name}.ipynb", text
    grader = kit.grader(name)
    try:
        yield f"graders/{grader.name}", without_hidden(grader.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise GraderError(f"{grader}:{error.lineno}: {error.msg}.") from error


def tables_of(text: str, topics: Sequence[str]) -> str:
    """A `thresholds.toml` with the tables of these topics alone; other lines are kept byte for byte."""
    kept, wanted = [], True
    for line in text.splitlines(keepends=True):
        table = _TABLE.match(line)
        if table is not None:
            wanted = table[1] in topics
        if wanted:
            kept.append(line)
    return "".join(kept)
