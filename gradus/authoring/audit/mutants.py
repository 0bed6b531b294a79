"""Mutants of a topic's reference: the same ones, in the same order, in every run."""

import ast
import difflib
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from gradus.authoring.audit.library_operators import library_operators
from gradus.authoring.audit.operators import Operator, text_of
from gradus.authoring.audit.torch_operators import torch_operators
from gradus.topic import BEGIN, END, Task, Topic


@dataclass(frozen=True)
class Mutant:
    """The reference of one task with one small change in it.

    Attributes:
        task: The task whose reference was changed.
        operator: What kind of change it is.
        line: Number of the first changed line in solutions/<topic>.py.
        old: The changed lines as they are in the reference, without indentation.
        new: The same lines after the change.
        text: The whole of the changed task.
    """

    task: str
    operator: str
    line: int
    old: str
    new: str
    text: str

    def source(self, topic: Topic) -> str:
        """The submission: the reference with this mutant in place of its task."""
        return topic.with_answer(self.task, self.text)


def mutants_of(topic: Topic, tasks: Iterable[str] = ()) -> list[Mutant]:
    """Every mutant of these tasks (default: all), each once, and only those that compile."""
    operators = [*torch_operators(), *library_operators()]
    found = []
    for name in tasks or topic.tasks:
        task = topic.require(name)
        seen = {task.source, _meaning(task.source)}
        for operator, text in _changed(task, operators):
            meaning = None if text in seen else _meaning(text)
            if meaning is not None and meaning not in seen:
                found.append(_mutant(topic, task, operator, text))
            seen |= {text, meaning}
    return found


def _meaning(text: str) -> str | None:
    """What a text says to Python; the same for other spaces and parentheses. None if it does not compile."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "1 is not callable": a mutant may be as silly as that
            tree = ast.parse(text)
            compile(tree, "<mutant>", "exec", dont_inherit=True)
            return ast.dump(tree, annotate_fields=False)
    except SyntaxError:
        return None


def _changed(task: Task, operators: Sequence[Operator]) -> Iterator[tuple[str, str]]:
    """The name of an operator, and the task after it; for every operator at every place."""
    answers = _answer_lines(task.source)
    whole = MetadataWrapper(cst.parse_module(task.source))
    lines = {
        node: (place.start.line, place.end.line)
        for node, place in whole.resolve(PositionProvider).items()
    }
    for node, line in _nodes(whole.module, None):
        if node not in lines or not set(lines[node]) <= answers:
            continue
        for operator in operators:
            if isinstance(node, operator.kind):
                for replacement in operator.replacements(node):
                    text = None
                    if line is not None:
                        text = _in_its_line(task.source, lines[line], line, node, replacement)
                    if text is None:
                        module = whole.module.deep_replace(node, replacement)
                        text = text_of(module)
                    yield operator.name, text


def _in_its_line(
    source: str,
    place: tuple[int, int],
    line: cst.SimpleStatementLine,
    node: cst.CSTNode,
    replacement: cst.CSTNode,
) -> str | None:
    """The source with `node`, a part of the statement `line`, replaced: far quicker than to rebuild all of it.

    None where the statement cannot be written anew alone: a text over several lines.
    """
    lines = source.splitlines(keepends=True)
    old = lines[place[0] - 1 : place[1]]
    margin = old[0][: len(old[0]) - len(old[0].lstrip())]
    bare = line.with_changes(leading_lines=())
    if textwrap.indent(text_of(bare), margin) != "".join(old):
        return None
    changed = bare.deep_replace(node, replacement)
    lines[place[0] - 1 : place[1]] = [textwrap.indent(text_of(changed), margin)]
    return "".join(lines)


def _answer_lines(source: str) -> set[int]:
    """Numbers of the lines between the answer markers."""
    found: set[int] = set()
    inside = False
    for number, line in enumerate(source.splitlines(), start=1):
        if line.strip() in (BEGIN, END):
            inside = line.strip() == BEGIN
        elif inside:
            found.add(number)
    return found


def _nodes(
    node: cst.CSTNode, line: cst.SimpleStatementLine | None
) -> Iterator[tuple[cst.CSTNode, cst.SimpleStatementLine | None]]:
    """A node and all below it that may be changed, with the simple statement that each is a part of.

    Annotations, docstrings and the words of errors tell a person something; no check could judge them.
    """
    if isinstance(node, cst.Annotation | cst.Raise | cst.Decorator):
        return
    if isinstance(node, cst.Expr) and isinstance(
        node.value, cst.BaseString | cst.ConcatenatedString
    ):
        return
    line = node if isinstance(node, cst.SimpleStatementLine) else line
    yield node, line
    for child in node.children:
        yield from _nodes(child, line)


def _mutant(topic: Topic, task: Task, operator: str, text: str) -> Mutant:
    before, after = task.source.splitlines(), text.splitlines()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    changes = [change for change in matcher.get_opcodes() if change[0] != "equal"]
    first, last = changes[0], changes[-1]
    start = topic.source[: topic.source.index(task.source)].count("\n") + 1
    return Mutant(
        task.name,
        operator,
        start + first[1],
        _stripped(before[first[1] : last[2]]),
        _stripped(after[first[3] : last[4]]),
        text,
    )


def _stripped(lines: Sequence[str]) -> str:
    return "\n".join(line.strip() for line in lines)
