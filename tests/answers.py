"""Known wrong and unusual right answers: how `tests/mistakes/` and `tests/alternatives/` write them down.

An answer is the reference with one task's definition replaced, by other text or by an edited one.
"""

import ast
import runpy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradus.grading.checks import read_checks
from gradus.topic import Topic


@dataclass(frozen=True)
class Answer:
    """An answer to one task: a whole definition, or an edit of the reference's."""

    task: str
    about: str
    text: str = ""
    old: str = ""
    new: str = ""

    def source(self, topic: Topic) -> str:
        """The submission: the reference with this answer in it."""
        reference = topic.require(self.task).source
        if self.text:
            return topic.with_answer(self.task, self.text)
        count = reference.count(self.old)
        if count != 1:
            raise ValueError(
                f"{topic.name}.{self.task}: {self.old!r} must occur once in the reference, "
                f"occurs {count} times; mend the edit {self.about!r}"
            )
        return topic.with_answer(self.task, reference.replace(self.old, self.new))


def edit(task: str, about: str, old: str, new: str) -> Answer:
    """The reference of `task` with `old`, which occurs once in it, replaced by `new`."""
    return Answer(task, about, old=old, new=new)


def mistake(task: str, about: str) -> Callable[[Any], Any]:
    """Mark a function or class as a wrong answer to `task`; `answers_in` reads it from the file."""
    return lambda target: target


alternative = mistake  # the same form; here the answer is right


def answers_in(path: Path) -> list[Answer]:
    """Every answer of a file: those of its list `EDITS`, then the marked definitions."""
    source = path.read_text(encoding="utf-8")
    return [*runpy.run_path(str(path)).get("EDITS", []), *_marked(source)]


def _marked(source: str) -> Iterator[Answer]:
    """Marked functions and classes without the mark, under the name of their task."""
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        for mark in getattr(node, "decorator_list", []):
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) in ("mistake", "alternative"):
                task, about = (ast.literal_eval(word) for word in mark.args)
                text = "".join(lines[node.lineno - 1 : node.end_lineno])
                yield Answer(task, about, text=text.replace(f" {node.name}", f" {task}", 1))


def affected_by(topic: Topic, task: str, mistakes: Path) -> set[str]:
    """The task and every task that may lose points with it.

    Those whose reference uses it, directly or not, and those whose checks cannot do without it: a
    file of mistakes names them in `CHECKS_CALL = {task: {tasks that its checks call}}`.
    """
    uses = {
        name: {n.id for n in ast.walk(ast.parse(other.source)) if isinstance(n, ast.Name)}
        for name, other in topic.tasks.items()
    }
    for name, called in runpy.run_path(str(mistakes)).get("CHECKS_CALL", {}).items():
        uses[name] |= called
    affected = {task}
    while True:
        more = {name for name, used in uses.items() if used & affected} - affected
        if not more:
            return affected
        affected |= more


def tasks_that_may_notice(topic: Topic, task: str, grader: Path, mistakes: Path) -> list[str]:
    """The tasks to grade for an answer to `task`: those that it affects, and those whose checks name it.

    All others would run the very code of the reference under checks that never touch the answer.
    """
    tree = ast.parse(grader.read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}

    def names(function: str, seen: set[str]) -> set[str]:
        if function in seen or function not in functions:
            return set()
        nodes = list(ast.walk(functions[function]))
        found = {n.attr for n in nodes if isinstance(n, ast.Attribute)}
        found |= {
            str(n.value) for n in nodes if isinstance(n, ast.Constant)
        }  # getattr(student, "name")
        for node in nodes:
            if isinstance(node, ast.Name):
                found |= names(node.id, seen | {function})
        return found

    affected = affected_by(topic, task, mistakes)
    noticing = {c.task for c in read_checks(grader) if affected & names(c.name, set())}
    return [name for name in topic.tasks if name in affected | noticing]
