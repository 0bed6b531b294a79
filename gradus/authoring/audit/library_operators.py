"""mutmut's operators: numbers, comparisons, arithmetic, arguments, assignments, strings."""

from collections.abc import Callable, Iterable
from typing import Any

import libcst as cst
from mutmut.mutation.mutators import mutation_operators

from gradus.authoring.audit.operators import Operator


def library_operators() -> list[Operator]:
    """Every operator of mutmut, under its own name."""
    found = []
    for kind, function in mutation_operators:
        name = function.__name__.removeprefix("operator_").replace("_", " ")
        replacements = _marked_strings(function) if kind is cst.BaseString else function
        found.append(Operator(f"mutmut: {name}", kind, replacements))
    return found


def _marked_strings(
    function: Callable[[Any], Iterable[cst.CSTNode]],
) -> Callable[[Any], Iterable[cst.CSTNode]]:
    """Strings with other text in them, but not those with other letter case.

    "ij,jk->ik" and "IJ,JK->IK" mean the same to einsum, and upper case says no more of a grader than XX does.
    """

    def replacements(node: cst.BaseString) -> Iterable[cst.CSTNode]:
        for changed in function(node):
            if isinstance(changed, cst.SimpleString) and "XX" in changed.value:
                yield changed

    return replacements
