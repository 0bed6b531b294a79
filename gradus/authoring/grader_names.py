"""What `grader_lint` knows by name: the assertions of gradus.checks, methods of tensors, harmless functions."""

import torch

from gradus.authoring.grader_values import KNOWN, MODULE, SETTLED, SHELL, Level, Value

# Assertions that settle their first argument, for good.
SETTLING = {
    "assert_matches",
    "assert_history",
    "assert_number",
    "assert_mean_losses",
    "assert_falls",
}
# Assertions that call the submission and give back what it returned.
CALLING = {"assert_inputs_unchanged", "assert_avoids"}
ASSERTIONS = SETTLING | CALLING | {
    *("assert_tensor", "assert_items", "assert_kind", "assert_form", "assert_length"),
    *("assert_raises", "assert_same_gradients", "assert_trained", "assert_not_trained"),
}  # fmt: skip
FAILING = {"fail"}
# They look at a value's type or identity, or make a text of it.
LOOKING = {
    *("isinstance", "type", "id", "repr", "str", "describe", "callable", "fail", "with_article", "shape_text"),
    *("hasattr", "print"),
}  # fmt: skip
FEEDING = {
    "DataLoader",
    "vmap",
    "copies",
}  # they hand an object on, or ask it for its items one by one
COLLECTING = {
    "list",
    "tuple",
    "set",
    "dict",
    "enumerate",
    "zip",
    "reversed",
    "iter",
    "islice",
    "product",
}
CONVERTING = {
    "abs",
    "float",
    "int",
    "bool",
    "complex",
    "len",
    "max",
    "min",
    "sum",
    "round",
    "sorted",
    "all",
    "any",
}
WHOLE = {"len", "int", "bool"}  # what they give is no NaN
# Attributes and methods that give no number which may be NaN.
PLAIN = {
    *("shape", "dtype", "device", "ndim", "requires_grad", "is_leaf", "grad_fn", "numel", "dim", "size"),
    *("isfinite", "isnan", "isinf", "argmax", "argmin", "keys", "element_size", "is_contiguous", "stride"),
    *("data_ptr", "is_floating_point", "training", "nonzero", "count_nonzero", "bincount", "argsort"),
    *("long", "int"),
}  # fmt: skip
PARAMETERS = {"parameters", "named_parameters", "buffers", "named_buffers", "state_dict"}
MODES = {
    "train",
    "eval",
    "to",
    "double",
    "float",
    "half",
    "zero_grad",
    "requires_grad_",
    "cpu",
    "cuda",
    "modules",
}
KINDS = {
    **dict.fromkeys(
        ("int", "bool", "str", "bytes", "NoneType", "torch.dtype", "torch.device"), SETTLED
    ),
    **dict.fromkeys(
        ("float", "torch.Tensor", "Tensor", "nn.Parameter", "torch.nn.Parameter", "np.ndarray"),
        KNOWN,
    ),
    **dict.fromkeys(("list", "tuple", "dict", "set"), Value(Level.SHELL, counted=False)),
    **dict.fromkeys(("nn.Module", "torch.nn.Module"), MODULE),
}

_OF_MODULES = set(dir(torch.nn.Module))
_STUDENTS = {"backward", "grad", "data", "T", "index_fill", "index", "name", "names", "values"}
TENSOR = {
    name
    for name in dir(torch.Tensor)
    if not name.startswith("_") and name not in _OF_MODULES | _STUDENTS
}  # what only a tensor should be asked; students' classes have names of their own
TENSOR |= {"shape", "dtype", "device"}


def of_items(kind: str) -> Value:
    """A container whose items are asserted to be of a kind."""
    if kind in ("int", "bool", "str", "float", "torch.Tensor"):
        return SETTLED
    return SHELL
