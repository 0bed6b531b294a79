"""What a mutation operator is, and text <-> syntax tree for those who write one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import libcst as cst

_EMPTY = cst.Module([])
_WHOLE = (cst.Name, cst.Call, cst.Attribute, cst.Subscript, cst.BaseNumber, cst.BaseString)


@dataclass(frozen=True)
class Operator:
    """One way to change code: what may stand in place of a node of the kind `kind`."""

    name: str
    kind: type[cst.CSTNode]
    replacements: Callable[[Any], Iterable[cst.CSTNode]]


def text_of(node: cst.CSTNode) -> str:
    """The source of a node."""
    return _EMPTY.code_for_node(node)


def unit(node: cst.BaseExpression) -> str:
    """The source of an expression, in parentheses where something may be written behind it only then."""
    text = text_of(node)
    return text if node.lpar or isinstance(node, _WHOLE) else f"({text})"


def expression(text: str) -> cst.BaseExpression:
    """The expression that a text stands for."""
    return cst.parse_expression(text)


def called(node: cst.Call) -> str:
    """The last name of what is called: `sum` in `x.sum(dim=1)`, `relu` in `F.relu(x)`."""
    match node.func:
        case cst.Attribute(attr=cst.Name(value=name)) | cst.Name(value=name):
            return str(name)
    return ""
