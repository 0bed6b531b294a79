"""Known wrong and unusual right answers: how `tests/mistakes/` and `tests/alternatives/` write them down.

An answer is the reference with one task's definition replaced, by other text or by an edited one.
"""

import ast
import runpy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradus.authoring.notice import affected_by, tasks_that_may_notice
from gradus.grading.grader_file import parse_grader, read_checks
from gradus.topic import Topic

__all__ = [
    "Answer", "affected_by", "alternative", "answers_in", "edit", "mistake", "tasks_that_may_notice",
    "trained_checks",
]  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """An answer to one task: a whole definition, or an edit of the reference's.

    For `gradus calibrate`: a wrong answer may be the baseline of some bars, which it must miss; a right
    one may be `trained`: what it reaches counts, beside the reference, where bars are drawn.
    """

    task: str
    about: str
    text: str = ""
    old: str = ""
    new: str = ""
    baseline_of: tuple[str, ...] = ()
    trained: bool = False

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


def edit(
    task: str,
    about: str,
    old: str,
    new: str,
    *,
    baseline_of: Iterable[str] = (),
    trained: bool = False,
) -> Answer:
    """The reference of `task` with `old`, which occurs once in it, replaced by `new`."""
    bars = (baseline_of,) if isinstance(baseline_of, str) else tuple(baseline_of)
    return Answer(task, about, old=old, new=new, baseline_of=bars, trained=trained)


def mistake(task: str, about: str, **marks: Any) -> Callable[[Any], Any]:
    """Mark a function or class as a wrong answer to `task`; `answers_in` reads it from the file."""
    return lambda target: target


alternative = mistake  # the same form; here the answer is right


def answers_in(path: Path) -> list[Answer]:
    """Every answer of a file: those of its list `EDITS`, then the marked definitions."""
    source = path.read_text(encoding="utf-8")
    return [*runpy.run_path(str(path)).get("EDITS", []), *_marked(source)]


def trained_checks(grader: Path) -> frozenset[str]:
    """Checks that train a network for seconds: those that compare with a bar."""
    nodes = {n.name: n for n in parse_grader(grader).body if isinstance(n, ast.FunctionDef)}
    checks = [nodes[check.name] for check in read_checks(grader)]
    return frozenset(c.name for c in checks if "threshold" in {a.arg for a in c.args.args})


def _marked(source: str) -> Iterator[Answer]:
    """Marked functions and classes without the mark, under the name of their task."""
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        for mark in getattr(node, "decorator_list", []):
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) in ("mistake", "alternative"):
                task, about = (ast.literal_eval(word) for word in mark.args)
                marks = {str(word.arg): ast.literal_eval(word.value) for word in mark.keywords}
                others = [f"@{ast.unparse(m)}\n" for m in node.decorator_list if m is not mark]
                text = "".join(lines[node.lineno - 1 : node.end_lineno])
                text = "".join([*others, text.replace(f" {node.name}", f" {task}", 1)])
                answer = edit(task, about, "", "", **marks)
                yield replace(answer, text=text)
