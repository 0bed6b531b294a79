"""Known wrong and unusual right answers: how `tests/mistakes/` and `tests/alternatives/` write them down.

An answer is the reference with one task's definition replaced, by other text or by an edited one.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from gradus.topic import Topic

ANSWER = "_gradus_answer"


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
    """Mark a function or class as a wrong answer to `task`."""

    def mark(target: Any) -> Any:
        setattr(target, ANSWER, Answer(task, about, text=_definition(target, task)))
        return target

    return mark


alternative = mistake  # the same form; here the answer is right


def _definition(target: Any, task: str) -> str:
    """The source of a function or class without the mark, under the task's name."""
    source = textwrap.dedent(inspect.getsource(target))
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef | ast.ClassDef)
    keep = "".join(source.splitlines(keepends=True)[node.lineno - 1 :])
    return keep.replace(f" {node.name}", f" {task}", 1)


def answers_in(module: ModuleType) -> list[Answer]:
    """Every answer of a file: those of its list `EDITS`, then the marked definitions."""
    marked = [getattr(value, ANSWER) for value in vars(module).values() if hasattr(value, ANSWER)]
    return [*getattr(module, "EDITS", []), *(a for a in marked if isinstance(a, Answer))]


def callers_of(topic: Topic, task: str) -> set[str]:
    """The task and every task whose reference uses it, directly or not."""
    uses = {
        name: {n.id for n in ast.walk(ast.parse(other.source)) if isinstance(n, ast.Name)}
        for name, other in topic.tasks.items()
    }
    affected = {task}
    while True:
        more = {name for name, used in uses.items() if used & affected} - affected
        if not more:
            return affected
        affected |= more
