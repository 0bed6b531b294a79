"""A module that was handed in as a notebook for people: nbgrader's gradebook and its pages know no other form.

The module is what is graded. As in `gradus.classroom.placing.content`, nothing of a student's is parsed or run.
"""

import itertools
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from gradus.errors import SubmissionError
from gradus.submission.encoding import decode_source
from gradus.submission.lines import Reader

MARK = "gradus"  # in a notebook's metadata
MODULE = "module"  # ... the name of the file that the notebook shows
UNREADABLE = "unreadable"  # ... what was handed in is no notebook
MOST_SHOWN = 200_000  # characters
_NAMED = re.compile(r"(?:(?:async\s+def|def|class)\s+(\w+))|(?:(\w+)\s*(?::[^=]*)?=(?!=))")
_GOES_ON = re.compile(r"(?:elif|else|except|finally)\b|[)\]}]")
_CELL = re.compile(r"# %%( \[markdown\])?")
_BY = """\
**{name} was handed in, and is what is graded.** gradus made this notebook of it, for people to read: \
each task's code stands in its cell, all else in the next one."""


@dataclass(frozen=True)
class Block:
    """A statement of the outermost level with the comments above it; the last one may be comments alone.

    Args:
        name: What it defines; "" where that is nothing.
        lines: Of the file, from 1.
        text: Without a handout's words, which the release holds anyway.
    """

    name: str
    lines: range
    text: str


def blocks(text: str) -> Iterator[Block]:
    """The statements of a module, whether it is Python or not."""
    lines = text.split("\n")
    starts = [*_starts(lines), len(lines)]
    above = lines[: starts[0]]
    for start, end in itertools.pairwise(starts):
        last = end
        while last > start + 1 and _is_between(lines[last - 1]):
            last -= 1
        named = next((line for line in lines[start:last] if not line.startswith("@")), "")
        code = "\n".join([*_without_handout(above), *lines[start:last]])
        yield Block(_defined(named), range(start + 1, last + 1), code.strip("\n").rstrip())
        above = lines[last:end]
    if any(left := list(_without_handout(above))):
        yield Block("", range(0), "\n".join(left).strip("\n").rstrip())


def _starts(lines: list[str]) -> Iterator[int]:
    """Where the outermost statements begin, as far as a reader can tell who never refuses."""
    reader, decorated = Reader(), False
    for number, line in enumerate(lines):
        begins = reader.at_statement and not (line[:1].isspace() or _is_between(line))
        if begins and not _GOES_ON.match(line):
            if not decorated:
                yield number
            decorated = line.startswith("@")
        reader.read(line)


def _is_between(line: str) -> bool:
    return not line.strip() or line.startswith("#")


def _without_handout(lines: list[str]) -> Iterator[str]:
    words = False
    for line in lines:
        if mark := _CELL.match(line):
            words = mark[1] is not None
        elif not (words and line.startswith("#")):
            yield line


def _defined(line: str) -> str:
    found = _NAMED.match(line)
    return (found[1] or found[2]) if found else ""


def text_of(name: str, data: bytes) -> tuple[str, str]:
    """A module's text, and why it is not shown."""
    try:
        text = decode_source(data, python=True)
    except SubmissionError as error:
        return "", f"{name} {error}"
    if len(text) > MOST_SHOWN:
        return "", f"{name} holds {len(text):,} characters: too many to be shown. Read the file."
    return text, ""


def module_notebook(released: dict[str, Any], name: str, data: bytes) -> str:
    """The released notebook with what a module answers.

    Args:
        released: The notebook that students get.
        name: Of the module's file, beside which the notebook will lie.
        data: Of the module's file.
    """
    text, problem = text_of(name, data)
    tasks = {task for cell in released["cells"] if (task := _task(cell))}
    given = "\n\n".join(_source(cell) for cell in released["cells"] if not _task(cell))
    found: dict[str, list[str]] = {task: [] for task in tasks}
    rest = [f"# {problem}"] if problem else []
    for block in blocks(text):
        if block.name in tasks:
            found[block.name].append(block.text)
        elif block.text not in given:
            rest.append(block.text)
    cells = [
        {"cell_type": "markdown", "id": "gradus-by", "metadata": {}, "source": _BY.format(name=f"`{name}`")},
        _code("gradus-rest", "\n\n".join(rest) or f"# {name} holds nothing but its tasks."),
    ]  # fmt: skip
    for cell in released["cells"]:
        if task := _task(cell):
            source = "\n\n\n".join(found[task]) or f"# {name} defines no {task}."
            cell = {**cell, "source": source}
        cells.append(cell)
    metadata = {**released.get("metadata", {}), MARK: {MODULE: name}}
    return json.dumps({**released, "cells": cells, "metadata": metadata}, indent=1) + "\n"


def lines_of(text: str, tasks: Collection[str]) -> dict[str, list[Block]]:
    """Where each of the tasks stands in a module."""
    found: dict[str, list[Block]] = {task: [] for task in tasks}
    for block in blocks(text):
        if block.name in found:
            found[block.name].append(block)
    return found


def _task(cell: dict[str, Any]) -> str:
    """The task that a cell of the release asks for; "" where it asks for none."""
    about = cell.get("metadata", {}).get("nbgrader", {})
    asks = cell["cell_type"] == "code" and about.get("solution") and not about.get("grade")
    return str(about.get("grade_id", "")) if asks else ""


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"]) if cell["cell_type"] == "code" else ""


def _code(name: str, source: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"execution_count": None, "metadata": {}, "outputs": []}
    return {"cell_type": "code", "id": name, "source": source, **empty}


def marks(text: str) -> dict[str, Any]:
    """What gradus has noted in a notebook: the module that it shows, or that no notebook was handed in.

    A student may write it too: it then names one of their own files, or what they handed in.
    """
    if f'"{MARK}"' not in text:
        return {}
    try:
        mark = json.loads(text)["metadata"][MARK]
        name = mark.get(MODULE)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
    if mark == {UNREADABLE: True}:
        return {UNREADABLE: True}
    is_plain = isinstance(name, str) and name.endswith(".py") and not set(name) & set("/\\:\0")
    return {MODULE: name} if is_plain else {}


def module_named(text: str) -> str:
    """The file that a notebook shows; "" where it is a student's own notebook."""
    return str(marks(text).get(MODULE, ""))
