"""Operators that know torch: the small slips of people who write tensor code.

What mutmut has is not repeated here (`dim + 1`, keepdim flipped, + for -): see library_operators.py.
"""

from collections.abc import Iterable

import libcst as cst
import libcst.matchers as m

from gradus.authoring.audit.operators import Operator, called, expression, text_of, unit

REDUCTIONS = frozenset({
    "all", "amax", "amin", "any", "argmax", "argmin", "cumprod", "cumsum", "logsumexp", "max",
    "mean", "min", "norm", "prod", "std", "sum", "var",
})  # fmt: skip
SWAPPED = {
    "mean": "sum", "sum": "mean", "amax": "amin", "amin": "amax", "max": "min", "min": "max",
    "argmax": "argmin", "argmin": "argmax", "maximum": "minimum", "minimum": "maximum",
    "any": "all", "all": "any", "std": "var", "var": "std", "cumsum": "cumprod",
    "softmax": "log_softmax", "log_softmax": "softmax", "train": "eval", "eval": "train",
    "zeros": "ones", "ones": "zeros", "zeros_like": "ones_like", "ones_like": "zeros_like",
    "new_zeros": "new_ones", "new_ones": "new_zeros", "floor": "ceil", "ceil": "floor",
    "no_grad": "enable_grad", "inference_mode": "enable_grad",
}  # fmt: skip
DTYPES = {
    "float32": "float64", "float64": "float32", "int64": "int32", "int32": "int64", "long": "int32"
}  # fmt: skip
IN_PLACE = frozenset({
    "abs", "add", "clamp", "clamp_max", "clamp_min", "div", "exp", "fill", "index_fill", "log",
    "masked_fill", "mul", "neg", "pow", "relu", "scatter", "scatter_add", "sigmoid", "sqrt",
    "square", "squeeze", "sub", "tanh", "tril", "triu", "unsqueeze", "zero",
})  # fmt: skip
TRANSPOSED = frozenset({"T", "mT", "H", "mH"})
NEW = frozenset({
    "arange", "as_tensor", "empty", "eye", "full", "linspace", "new_zeros", "ones", "rand",
    "randint", "randn", "randperm", "tensor", "zeros", "zeros_like",
})  # fmt: skip
MODULES = frozenset({"torch", "F", "nn", "math", "np"})
SYMMETRIC = frozenset({"add", "maximum", "minimum", "mul", "swapaxes", "transpose"})
BUILT_IN = frozenset({
    "bool", "dict", "enumerate", "float", "int", "isinstance", "len", "list", "range", "reversed",
    "set", "slice", "sorted", "super", "tuple", "zip",
})  # fmt: skip


def torch_operators() -> list[Operator]:
    """Every operator of this file."""
    return [
        Operator("off by one", cst.Integer, _one_less),
        Operator("bound off by one", cst.Slice, _bounds_moved),
        Operator("keepdim added", cst.Call, _keepdim_added),
        Operator("detach added", cst.Return, _detached),
        Operator("detach added", cst.Assign, _detached),
        Operator("transpose dropped", cst.Attribute, _transpose_dropped),
        Operator("transpose added", cst.BinaryOperation, _transpose_added),
        Operator("call dropped", cst.Call, _call_dropped),
        Operator("statement dropped", cst.Expr, _statement_dropped),
        Operator("device or dtype dropped", cst.Call, _place_dropped),
        Operator("other dtype", cst.Attribute, _other_dtype),
        Operator("other function", cst.Call, _other_function),
        Operator("in place", cst.Call, _in_place_or_not),
        Operator("operand dropped", cst.BinaryOperation, _operand_dropped),
        Operator("operand dropped", cst.BooleanOperation, _operand_dropped),
        Operator("operands swapped", cst.BinaryOperation, _operands_swapped),
        Operator("arguments swapped", cst.Call, _arguments_swapped),
        Operator("index reversed", cst.Subscript, _index_reversed),
        Operator("condition ignored", cst.If, _condition_ignored),
        Operator("sign", cst.Return, _negated),
    ]


def _one_less(node: cst.Integer) -> Iterable[cst.CSTNode]:
    value = node.evaluated_value - 1
    yield expression(str(value) if value >= 0 else f"({value})")


def _bounds_moved(node: cst.Slice) -> Iterable[cst.CSTNode]:
    """`x[:n]` -> `x[:n + 1]`, `x[:n - 1]`; the same for the lower bound. Numbers have their own operator."""
    for name in ("lower", "upper"):
        bound = getattr(node, name)
        if bound is not None and not isinstance(bound, cst.Integer):
            for sign in "+-":
                moved = expression(f"{unit(bound)} {sign} 1")
                yield node.with_changes(**{name: moved})


def _keepdim_added(node: cst.Call) -> Iterable[cst.CSTNode]:
    words = {argument.keyword.value for argument in node.args if argument.keyword}
    over_dims = "dim" in words or (isinstance(node.func, cst.Attribute) and bool(node.args))
    if called(node) in REDUCTIONS and over_dims and "keepdim" not in words:
        yield expression(f"{text_of(node.func)}({_texts(node.args)}, keepdim=True)")


def _detached(node: cst.Return | cst.Assign) -> Iterable[cst.CSTNode]:
    """Of values that are computed; what is new, or true or false, never had a gradient."""
    computed = (cst.Call, cst.BinaryOperation, cst.Subscript, cst.UnaryOperation)
    if isinstance(node.value, computed) and "detach" not in text_of(node.value):
        origin = _origin(node.value)
        new = isinstance(origin, cst.Call) and called(origin) in NEW
        if not new and not isinstance(origin, cst.Comparison):
            yield node.with_changes(value=expression(f"{unit(node.value)}.detach()"))


def _origin(node: cst.BaseExpression) -> cst.BaseExpression:
    """What a chain of methods and indices begins with: `torch.arange(3)` in `torch.arange(3)[None].float()`."""
    while True:
        match node:
            case cst.Subscript(value=value):
                node = value
            case cst.Call(func=cst.Attribute(value=value)) if not isinstance(value, cst.Name):
                node = value
            case _:
                return node


def _transpose_dropped(node: cst.Attribute) -> Iterable[cst.CSTNode]:
    if node.attr.value in TRANSPOSED:
        yield node.value


def _transpose_added(node: cst.BinaryOperation) -> Iterable[cst.CSTNode]:
    if isinstance(node.operator, cst.MatrixMultiply):
        for side in ("left", "right"):
            matrix = getattr(node, side)
            if not (isinstance(matrix, cst.Attribute) and matrix.attr.value in TRANSPOSED):
                yield node.with_changes(**{side: expression(f"{unit(matrix)}.mT")})


def _call_dropped(node: cst.Call) -> Iterable[cst.CSTNode]:
    """`x.sqrt()` -> `x`; `torch.sqrt(x)`, `F.relu(x)`, `self.pool(x)` and `relu(x)` -> `x`."""
    if called(node) in BUILT_IN or not called(node):
        return
    holder = node.func.value if isinstance(node.func, cst.Attribute) else None
    if holder is None or text_of(holder) in MODULES | {"self"}:
        if node.args and not node.args[0].star and node.args[0].keyword is None:
            yield expression(unit(node.args[0].value))
    else:
        yield expression(unit(holder))


def _statement_dropped(node: cst.Expr) -> Iterable[cst.CSTNode]:
    """`optimizer.zero_grad()`, `loss.backward()`, `model.train()`: forgotten."""
    if isinstance(node.value, cst.Call):
        yield cst.Pass()


def _place_dropped(node: cst.Call) -> Iterable[cst.CSTNode]:
    for word in ("device", "dtype"):
        kept = [a for a in node.args if a.keyword is None or a.keyword.value != word]
        if len(kept) < len(node.args):
            yield expression(f"{text_of(node.func)}({_texts(kept)})")


def _other_dtype(node: cst.Attribute) -> Iterable[cst.CSTNode]:
    if m.matches(node.value, m.Name("torch")) and node.attr.value in DTYPES:
        yield expression(f"torch.{DTYPES[node.attr.value]}")


def _other_function(node: cst.Call) -> Iterable[cst.CSTNode]:
    if isinstance(node.func, cst.Attribute) and called(node) in SWAPPED:
        yield _renamed(node, SWAPPED[called(node)])


def _in_place_or_not(node: cst.Call) -> Iterable[cst.CSTNode]:
    """`x.clamp(0)` -> `x.clamp_(0)`, which changes the caller's tensor; and the other way round."""
    name = called(node)
    if isinstance(node.func, cst.Attribute):
        by_module = text_of(node.func.value) in MODULES and bool(node.args)
        changed = node.args[0].value if by_module else node.func.value
        kept = isinstance(changed, cst.Name | cst.Attribute | cst.Subscript)
        if name in IN_PLACE and kept:  # nobody sees a change of what was made a moment ago
            yield _renamed(node, f"{name}_")
        elif name.endswith("_") and name[:-1] in IN_PLACE:
            yield _renamed(node, name[:-1])


def _operand_dropped(node: cst.BinaryOperation | cst.BooleanOperation) -> Iterable[cst.CSTNode]:
    """A term of a sum, a factor of a product, a part of a condition is forgotten."""
    one_sided = (cst.Subtract, cst.Divide, cst.FloorDivide, cst.Modulo, cst.Power)
    two_sided = (cst.Add, cst.Multiply, cst.BitAnd, cst.BitOr, cst.And, cst.Or)
    if isinstance(node.operator, (*one_sided, *two_sided)):
        yield node.left
    if isinstance(node.operator, two_sided):
        yield node.right


def _operands_swapped(node: cst.BinaryOperation) -> Iterable[cst.CSTNode]:
    ordered = (cst.Subtract, cst.Divide, cst.FloorDivide, cst.Modulo, cst.Power, cst.MatrixMultiply)
    if isinstance(node.operator, ordered):
        yield expression(f"{unit(node.right)}{text_of(node.operator)}{unit(node.left)}")


def _arguments_swapped(node: cst.Call) -> Iterable[cst.CSTNode]:
    first, second = (*node.args[:2], None, None)[:2]
    if first is None or second is None or called(node) in SYMMETRIC:
        return
    if not any(a.star or a.keyword for a in (first, second)):
        swapped = first.with_changes(value=second.value), second.with_changes(value=first.value)
        yield node.with_changes(args=[*swapped, *node.args[2:]])


def _index_reversed(node: cst.Subscript) -> Iterable[cst.CSTNode]:
    """`x[:, None]` -> `x[None, :]`: the new axis, or the choice, is on another side."""
    if len(node.slice) > 1:
        parts = [text_of(element.slice) for element in reversed(node.slice)]
        yield expression(f"{text_of(node.value)}[{', '.join(parts)}]")


def _condition_ignored(node: cst.If) -> Iterable[cst.CSTNode]:
    yield node.with_changes(test=cst.Name("False"))
    yield node.with_changes(test=cst.Name("True"))


def _negated(node: cst.Return) -> Iterable[cst.CSTNode]:
    if isinstance(node.value, cst.Call | cst.BinaryOperation | cst.Subscript):
        yield node.with_changes(value=expression(f"-{unit(node.value)}"))


def _texts(arguments: Iterable[cst.Arg]) -> str:
    return ", ".join(
        f"{a.star}{a.keyword.value + '=' if a.keyword else ''}{text_of(a.value)}" for a in arguments
    )


def _renamed(node: cst.Call, name: str) -> cst.Call:
    assert isinstance(node.func, cst.Attribute)
    return node.with_changes(func=node.func.with_changes(attr=cst.Name(name)))
