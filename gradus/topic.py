"""Read `solutions/<topic>.py`, the one source of a topic: its cells, tasks, hints and stub."""

import ast
import re
import textwrap
from collections.abc import Container
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gradus.errors import TopicError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
_REGION = re.compile(rf"^([ \t]*){BEGIN}\n(.*?)^[ \t]*{END}$", re.MULTILINE | re.DOTALL)
_MARKER = re.compile(r"^[ \t]*### ?(?:BEGIN|END) SOLUTION.*$", re.MULTILINE)
_HINT = re.compile(r"^[ \t]*# HINT: (.+)$", re.MULTILINE)
DIFFICULTIES = ("easy", "medium", "hard")
# Directly below the first marker of a task.
_EFFORT = re.compile(rf"(?<={BEGIN}\n)[ \t]*# TASK: (\d+) minutes, ({'|'.join(DIFFICULTIES)})\n")
_CELL = re.compile(r"^# %%(?: \[(markdown)\])?([^\n]*)$", re.MULTILINE)
CHECK_PREFIX = "check-"  # grade_id of the cell that grades a task
PICTURE = (
    "picture"  # the tag of a cell that draws one, for readers of the notebook: it is never graded
)
_DRAWS = re.compile(rf'^# %% tags=\["{PICTURE}"\]\n.*?(?=^# %%|\Z)', re.MULTILINE | re.DOTALL)
_INSTEAD = """\
# %% [markdown]
# (Here the notebook `exercises/{name}.ipynb` draws a picture.)

"""


@dataclass(frozen=True)
class Cell:
    """One cell of a percent file; `line` is the number of its first line of text."""

    text: str
    line: int
    markdown: bool = False
    picture: bool = False


@dataclass(frozen=True)
class Task:
    """One TODO: a function or class that the student writes."""

    name: str
    source: str
    docstring: str
    hints: tuple[str, ...]
    minutes: int | None = None  # for a student who has read the page
    difficulty: str = ""  # one of DIFFICULTIES


def split_cells(source: str, no_marks: Container[int] = ()) -> list[Cell]:
    """Cut a percent file at its `# %%` lines; text before the first one is a code cell.

    Positions are kept: line `cell.line` of the file is the first line of `cell.text`. At the lines
    `no_marks` it is not cut, whatever they look like.
    """
    starts, ends, kinds, line, at = [(0, 1)], [], [(False, False)], 1, 0
    for mark in _CELL.finditer(source):
        line, at = line + source.count("\n", at, mark.start()), mark.start()
        if line not in no_marks:
            starts.append((mark.end() + 1, line + 1))
            ends.append(mark.start())
            kinds.append((bool(mark[1]), mark[2] == f' tags=["{PICTURE}"]'))
    return [
        Cell(source[start:end], number, *kind)
        for (start, number), end, kind in zip(starts, [*ends, len(source)], kinds, strict=True)
        if source[start:end].strip()
    ]


def without_effort(source: str) -> str:
    """The source of a topic or a task without the lines `# TASK: 10 minutes, easy`."""
    return _EFFORT.sub("", source)


def todo_line(task: str) -> str:
    """The line that stands where the student's answer goes."""
    return f'raise NotImplementedError("TODO: {task}")'


def _unanswered(task: str, text: str) -> str:
    return _REGION.sub(rf"\g<1>{todo_line(task)}", text)


@dataclass(frozen=True)
class Topic:
    """A parsed solution file."""

    name: str
    source: str
    path: Path

    @classmethod
    def load(cls, path: Path) -> "Topic":
        """Read and check one solution file.

        Raises:
            TopicError: If it cannot be read or parsed, markers do not pair up, a task's cell holds
                more than the task, or there is no task.
        """
        try:
            topic = cls(path.stem, path.read_text(encoding="utf-8"), path)
            ast.parse(topic.source)
        except (OSError, UnicodeDecodeError) as error:
            raise TopicError(f"{path}: cannot be read ({error}).") from error
        except SyntaxError as error:
            raise TopicError(f"{path}:{error.lineno}: {error.msg}.") from error
        topic._check_markers()
        if not topic.tasks:
            raise TopicError(f"{path}: no task; put `{BEGIN}` and `{END}` around an answer.")
        return topic

    def _check_markers(self) -> None:
        spelled = _MARKER.findall(self.source)
        regions = len(_REGION.findall(self.source))
        wrong = [text.strip() for text in spelled if text.strip() not in (BEGIN, END)]
        if wrong:
            raise TopicError(
                f"{self.path}: got the marker {wrong[0]!r}; write `{BEGIN}` or `{END}`."
            )
        if len(spelled) != 2 * regions:
            begins = sum(text.strip() == BEGIN for text in spelled)
            raise TopicError(
                f"{self.path}: {begins} `{BEGIN}` but {len(spelled) - begins} `{END}`; "
                "they must come in pairs and not be nested."
            )
        for number, line in enumerate(_EFFORT.sub("\n", self.source).split("\n"), start=1):
            if line.strip().startswith("# TASK:"):
                raise TopicError(
                    f"{self.path}:{number}: got {line.strip()!r}; write `# TASK: 10 minutes, easy` "
                    f"({', '.join(DIFFICULTIES)}) once a task, directly below its first `{BEGIN}`."
                )

    @cached_property
    def cells(self) -> list[Cell]:
        """Every cell, in reading order."""
        return split_cells(self.source)

    def task_of(self, cell: Cell) -> str | None:
        """The task that a cell asks for, if it asks for one.

        Raises:
            TopicError: If a cell with an answer holds anything but one function or class.
        """
        if cell.markdown or BEGIN not in cell.text:
            return None
        match ast.parse(cell.text).body:
            case [ast.FunctionDef(name=name) | ast.ClassDef(name=name)]:
                return name
        raise TopicError(
            f"{self.path}:{cell.line}: a cell with `{BEGIN}` must hold one function or class "
            "and nothing else; move the rest into a cell of its own."
        )

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """The tasks by name, in reading order."""
        found = {}
        for cell in self.cells:
            name = self.task_of(cell)
            if name is not None:
                node = ast.parse(cell.text).body[0]
                assert isinstance(node, ast.FunctionDef | ast.ClassDef)
                effort = _EFFORT.search(cell.text)
                if effort and _EFFORT.search(cell.text, effort.end()):
                    raise TopicError(f"{self.path}:{cell.line}: {name} has two lines `# TASK:`.")
                found[name] = Task(
                    name,
                    cell.text.strip("\n") + "\n",
                    ast.get_docstring(node) or "",
                    tuple(_HINT.findall(cell.text)),
                    int(effort[1]) if effort else None,
                    effort[2] if effort else "",
                )
        return found

    def require(self, task: str) -> Task:
        """The task of that name.

        Raises:
            TopicError: If there is none; names those that there are.
        """
        if task not in self.tasks:
            raise TopicError(f"{self.name}: no task {task!r}. There are: {', '.join(self.tasks)}.")
        return self.tasks[task]

    @cached_property
    def title(self) -> str:
        """The first heading of the handout."""
        found = re.search(r"^# # (.+)$", self.source, re.MULTILINE)
        return found[1] if found else self.name

    @cached_property
    def stub(self) -> str:
        """The file without answers and pictures: each region becomes one `TODO` line."""
        parts = []
        at = 0
        for cell in self.cells:
            start = self._offset(cell)
            task = self.task_of(cell)
            text = cell.text
            if task is not None:
                text = _unanswered(task, text)
            parts += [self.source[at:start], text]
            at = start + len(cell.text)
        return _DRAWS.sub(_INSTEAD.format(name=self.name), "".join(parts) + self.source[at:])

    def _offset(self, cell: Cell) -> int:
        return sum(len(line) + 1 for line in self.source.split("\n")[: cell.line - 1])

    def stub_of(self, task: str) -> str:
        """One task as a student gets it.

        Raises:
            TopicError: If there is no such task.
        """
        return _unanswered(task, self.require(task).source)

    def with_answer(self, task: str, text: str) -> str:
        """The whole source with one task's function or class written anew.

        Raises:
            TopicError: If there is no such task.
        """
        return self.source.replace(
            self.require(task).source, textwrap.dedent(text).strip("\n") + "\n"
        )
