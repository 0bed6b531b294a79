"""What a statement on the outermost level does to names: those that it binds anew, changes, and uses."""

import ast
import io
import re
import symtable
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from gradus.submission.pieces import first_line

EVERY = "*"  # as a name: what `from x import *` may bind
_SETTING = re.compile(  # but of how numbers are printed, and of how many threads compute
    r"(?:set|use|allow|enable|disable|register)(?:$|_(?!printoptions|num_))"
)
_NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER)
_LAYOUT = {tokenize.INDENT: "\t", tokenize.DEDENT: "\b", tokenize.NEWLINE: "\n"}
_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
_BLOCKS = (
    ast.If | ast.For | ast.AsyncFor | ast.While | ast.Try | ast.With | ast.AsyncWith | ast.Match
)


@dataclass(frozen=True)
class Statement:
    """One statement, or one name of an import."""

    text: str
    binds: frozenset[str] = frozenset()  # whatever they were before
    changes: frozenset[str] = frozenset()  # or binds in some cases only
    touches: frozenset[str] = frozenset()  # calls a method of, for its effect
    sets: bool = False  # such a method looks like one that sets something
    node: ast.stmt | None = None  # None where it is not Python

    @cached_property
    def code(self) -> str:
        """The words, whatever comments and layout are."""
        return without_comments(self.text)

    @cached_property
    def uses(self) -> frozenset[str]:
        """Names of the outermost level that it reads, in the bodies of functions too."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                outer = symtable.symtable(self.text, "student", "exec")
        except (SyntaxError, ValueError, RecursionError):
            return frozenset()
        return frozenset(_read(outer, is_outermost=True))


def statements(piece: str, tree: ast.Module) -> Iterator[Statement]:
    """The statements of a piece of source that do something to names."""
    lines = piece.split("\n")
    for node in tree.body:
        text = "\n".join(lines[first_line(node) - 1 : node.end_lineno])
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _imports(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield Statement(text, frozenset({node.name}), node=node)
        elif isinstance(node, _BLOCKS):
            if not _is_main(node):
                yield _with_effects(Statement(text, node=node), node)
        else:
            binds = frozenset(name for target in _targets(node) for name in _names(target))
            yield _with_effects(Statement(text, binds, node=node), node)


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[Statement]:
    """Each name alone, so that one more import beside it is no change."""
    for alias in node.names:
        one: ast.stmt = ast.Import([alias])
        if isinstance(node, ast.ImportFrom):
            one = ast.ImportFrom(node.module, [alias], node.level)
        name = alias.asname or alias.name.partition(".")[0]
        yield Statement(ast.unparse(one), frozenset({name}), node=node)


def _targets(node: ast.stmt) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, ast.AnnAssign) and node.value is not None else []


def _with_effects(statement: Statement, node: ast.stmt) -> Statement:
    """The same with what it changes beyond the names that it binds."""
    calls = list(_calls(node))
    return replace(
        statement,
        changes=frozenset(_stored(node) - statement.binds),
        touches=frozenset(name for called in calls for name in _root(called)) - statement.binds,
        sets=any(isinstance(c, ast.Attribute) and bool(_SETTING.match(c.attr)) for c in calls),
    )


def _names(target: ast.expr) -> set[str]:
    """The plain names that an assignment binds."""
    if isinstance(target, ast.Tuple | ast.List):
        return {name for part in target.elts for name in _names(part)}
    if isinstance(target, ast.Starred):
        return _names(target.value)
    return {target.id} if isinstance(target, ast.Name) else set()


def _stored(node: ast.stmt) -> set[str]:
    """All names that a statement stores, stores into, or deletes."""
    found: set[str] = set()
    for part in _outermost(node):
        match part:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                found.add(name)
            case ast.Attribute(ctx=ast.Store() | ast.Del()):
                found |= _root(part)
            case ast.Subscript(ctx=ast.Store() | ast.Del()):
                found |= _root(part)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                found |= {alias.asname or alias.name.partition(".")[0] for alias in names}
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(part.name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                found.add(name)
    return found


def _calls(node: ast.stmt) -> Iterator[ast.expr]:
    """What statements call whose result nobody takes: methods, and what `setattr` is to change."""
    for part in _outermost(node):
        match part:
            case ast.Expr(value=ast.Call(func=ast.Attribute() as called)):
                yield called
            case ast.Expr(value=ast.Call(func=ast.Name("setattr" | "delattr"), args=[first, *_])):
                yield first


def _outermost(node: ast.stmt) -> Iterator[ast.AST]:
    """The parts of a statement, without the bodies of functions and classes."""
    parts: list[ast.AST] = [node]
    for part in parts:
        yield part
        if not isinstance(part, _SCOPES):
            parts += ast.iter_child_nodes(part)


def _root(node: ast.expr) -> set[str]:
    """The name that an attribute or an item is of, whatever is between them."""
    while True:
        match node:
            case ast.Attribute(value=inner) | ast.Subscript(value=inner):
                node = inner
            case ast.Name(id=name):
                return {name}
            case _:
                return set()


def _is_main(node: ast.stmt) -> bool:
    """Whether it is `if __name__ == "__main__":`, which a grader does not run."""
    return isinstance(node, ast.If) and any(
        isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test)
    )


def _read(table: symtable.SymbolTable, *, is_outermost: bool = False) -> Iterator[str]:
    for symbol in table.get_symbols():
        is_read = symbol.is_referenced() or symbol.is_declared_global()
        if is_read and (is_outermost or symbol.is_global()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _read(inner)


def without_comments(text: str) -> str:
    """The words of a piece of code, the same in every Python; those of `ast.dump` are not."""
    try:
        return " ".join(_words(text + "\n"))
    except (tokenize.TokenError, SyntaxError):  # with a mistake in it
        return text


def _words(text: str) -> Iterator[str]:
    """Tokens. An f-string is one, as it was before Python 3.12."""
    lines, depth, begin = io.StringIO(text).readlines(), 0, (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        if name.endswith("STRING_START"):
            begin = begin if depth else token.start
            depth += 1
        elif name.endswith("STRING_END"):
            depth -= 1
            if not depth:
                yield _between(lines, begin, token.end)
        elif not depth and token.type not in _NO_CODE:
            yield _LAYOUT.get(token.type, token.string)


def _between(lines: list[str], begin: tuple[int, int], end: tuple[int, int]) -> str:
    (first, left), (last, right) = begin, end
    if first == last:
        return lines[first - 1][left:right]
    inner = lines[first : last - 1]
    return "".join([lines[first - 1][left:], *inner, lines[last - 1][:right]])
