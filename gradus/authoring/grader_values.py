"""What `grader_lint` knows of a value in a grader: where it comes from, and what was asserted about it."""

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import IntEnum


class Level(IntEnum):
    """How far a value is the submission's to choose; of two values that meet, the higher level counts."""

    OWN = 0  # the check's
    SETTLED = 1  # the submission's, and asserted to be what was expected, or finite
    KNOWN = 2  # the submission's; its type is asserted, and a number in it may still be NaN
    MODULE = 3  # a network of the submission's: parameters are real ones, results of calls are not checked
    SHELL = 4  # a container of the check's, or one whose type is asserted, with unchecked items
    RAW = 5  # anything of the submission's: what it answers to an operator is its own choice


FALSE_ON_NAN, TRUE_ON_NAN = "false", "true"  # what a comparison with NaN comes out as


@dataclass(frozen=True)
class Value:
    """One value: its level, whether the number of its items is known, and what it is as a condition."""

    level: Level = Level.OWN
    counted: bool = True
    on_nan: frozenset[str] = frozenset()
    parts: tuple["Value", ...] | None = None  # of a tuple or list that is written out
    fields: tuple[tuple[str, "Value"], ...] = ()  # of a dict, by the text of the key
    each: "Value | None" = None  # what every item is, where that is known
    observed: bool = False  # what `submission.f.observe(...)` gave

    @property
    def unchecked(self) -> bool:
        """Whether no operator may see it."""
        return self.level >= Level.MODULE

    def item(self) -> "Value":
        """One of its items, or what one of its attributes or methods gives."""
        if self.each is not None:
            return self.each
        return RAW if self.level >= Level.MODULE else Value(self.level)

    def negated(self) -> "Value":
        """`not value`, `~value`."""
        other = {FALSE_ON_NAN: TRUE_ON_NAN, TRUE_ON_NAN: FALSE_ON_NAN}
        return replace(self, on_nan=frozenset(other[word] for word in self.on_nan), parts=None)


OWN, SETTLED, KNOWN = Value(), Value(Level.SETTLED), Value(Level.KNOWN)
MODULE = Value(Level.MODULE)
SHELL, RAW = Value(Level.SHELL), Value(Level.RAW, counted=False)
OBSERVED = Value(Level.SHELL, observed=True)


def joined(values: Iterable[Value]) -> Value:
    """A value that may be any of these, or that is computed from all of them."""
    known = list(values)
    level = max((value.level for value in known), default=Level.OWN)
    return Value(
        level,
        counted=all(value.counted for value in known),
        on_nan=frozenset().union(*(value.on_nan for value in known)),
    )


def container(parts: Iterable[Value]) -> Value:
    """A tuple, list or dict that is written out: its items keep what is known of them."""
    known = tuple(parts)
    level = max((value.level for value in known), default=Level.OWN)
    return Value(Level.SHELL if level >= Level.MODULE else level, parts=known)


def improved(before: Value, asserted: Value) -> Value:
    """What is known of a value after one more assertion about it."""
    best = before if before.level <= asserted.level else asserted
    return replace(best, counted=before.counted or asserted.counted)


def path_of(node: ast.expr) -> str | None:
    """`got`, `seen.result`, `got[0]`: a place whose value may be known; None for any other expression."""
    inner = node
    while isinstance(inner, ast.Attribute | ast.Subscript):
        if isinstance(inner, ast.Subscript):
            index = inner.slice.operand if isinstance(inner.slice, ast.UnaryOp) else inner.slice
            if not isinstance(index, ast.Constant | ast.Name):
                return None
        inner = inner.value
    return ast.unparse(node) if isinstance(inner, ast.Name) else None


class Places:
    """The values that are known at one point of a function, by the place that holds them."""

    def __init__(self, known: dict[str, Value] | None = None) -> None:
        self.known = dict(known or {})

    def copy(self) -> "Places":
        """The same, to go another way with."""
        return Places(self.known)

    def get(self, path: str) -> Value | None:
        """What is known of a place itself."""
        return self.known.get(path)

    def put(self, path: str, value: Value) -> None:
        """Another value at a place; what was known of its parts is over."""
        for other in [p for p in self.known if p.startswith((f"{path}.", f"{path}["))]:
            del self.known[other]
        self.known[path] = value

    def meet(self, others: Iterable["Places"]) -> None:
        """Be what is true whichever way was taken: the worse of what is known."""
        ways = list(others)
        names = {name for way in ways for name in way.known}
        for name in names:
            values = [way.known[name] for way in ways if name in way.known]
            if len(values) == len(ways) or ("." not in name and "[" not in name):
                whole = joined(values)
                same = all(v == values[0] for v in values)
                self.known[name] = values[0] if same else whole
            else:
                self.known.pop(name, None)
        for name in set(self.known) - names:
            del self.known[name]


Report = Callable[[ast.AST, str, str], None]
