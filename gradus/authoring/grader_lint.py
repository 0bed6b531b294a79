"""Finds in graders what a submission can decide itself: `python -m gradus.authoring.grader_lint FILE`.

What `submission.f(...)` or a probe gives may be an object that answers `>`, `abs` or `.max()` as it likes, or
NaN, for which no comparison is true, or a list of nothing, over which a loop finds nothing wrong. So a check
first passes it to an assertion of `gradus.checks`. This follows values through each check and through the
helpers of the same file, in the order of the statements. It is a lint: it errs in both directions where code is
unusual. Not followed: what a submission passes to a function of the check, fixtures, lambdas.
"""

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

from gradus.authoring.grader_flow import Function
from gradus.authoring.grader_trains import REMEDY, WHAT, unmarked
from gradus.authoring.grader_values import Value
from gradus.course import Course, find_course
from gradus.errors import GraderError, GradusError

_DEEPEST = 40  # helpers that call helpers


@dataclass(frozen=True, order=True)
class Finding:
    """One place in a grader where a submission has a say, and what to do."""

    line: int
    where: str  # the function
    what: str
    remedy: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.where}: {self.what}. {self.remedy}"


def lint_grader(path: Path) -> list[Finding]:
    """Everything that is found in one grader file.

    Raises:
        GraderError: If it cannot be read.
    """
    try:
        return lint_text(path.read_text(encoding="utf-8"), str(path))
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise GraderError(f"{path}: cannot be read ({error}).") from error


def lint_text(text: str, path: str = "") -> list[Finding]:
    """Everything that is found in the text of a grader."""
    return _File(ast.parse(text), path).findings()


class _File:
    """A grader: its functions, and what calling each with such values leads to."""

    def __init__(self, tree: ast.Module, path: str) -> None:
        self._path = path
        self.functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
        self.constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        methods = [m for n in tree.body if isinstance(n, ast.ClassDef) for m in n.body]
        for method in methods:
            if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                self.functions[f".{method.name}"] = method
        self._known: dict[tuple[object, ...], Function] = {}
        self._open: list[str] = []  # functions that are being followed
        self._found: set[Finding] = set()

    def findings(self) -> list[Finding]:
        for name, function in self.functions.items():
            if name.startswith("test_"):
                self.called(function, {})
        for check in unmarked(self.functions):
            self.found(check.name, check, WHAT, REMEDY)
        return sorted(self._found)

    def called(self, function: ast.FunctionDef, given: dict[str, Value]) -> Function:
        """What comes of a call with these values for its parameters."""
        key = (
            function.name,
            function.lineno,
            *sorted((n, repr(v)) for n, v in given.items() if v != Value()),
        )
        if (
            key not in self._known
            and len(self._open) < _DEEPEST
            and function.name not in self._open
        ):
            self._open.append(function.name)
            self._known[key] = Function(self, function, given)
            self._known[key].run()
            self._open.pop()
        return self._known.get(key) or Function(self, function, given)

    def found(self, function: str, node: ast.AST, what: str, remedy: str) -> None:
        line = getattr(node, "lineno", 0)
        self._found.add(Finding(line, function, what, remedy, self._path))


def main(words: list[str]) -> int:
    """Print what is found in these files, or in this kit's; 1 where there is anything, 2 for an error."""
    if any(word.startswith("-") for word in words):
        print(
            "usage: python -m gradus.authoring.grader_lint [FILE ...]  (default: the kit's graders)"
        )
        return 0 if set(words) & {"-h", "--help"} else 2
    try:
        paths = [Path(word) for word in words] or _graders(find_course())
        findings = [finding for path in paths for finding in lint_grader(path)]
    except GradusError as error:
        print(f"gradus: {error}", file=sys.stderr)
        return 2
    for finding in findings:
        print(finding)
    print(f"{len(paths)} files, {len(findings)} findings")
    return 1 if findings else 0


def _graders(course: Course) -> list[Path]:
    return [course.grader(topic) for topic in course.topics]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
