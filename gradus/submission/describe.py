"""Values in a student's words: `float32 tensor (2, 3)`, `a list of 3`, `None`."""

from typing import Any

import torch
from torch import nn

from gradus.shown import safe

LONGEST = 1_500  # characters of a text of the student's that a message repeats
MOST_LINES = 100
SMALL = 8  # tensors up to this many elements are shown in full


def shape_text(shape: Any) -> str:
    """`(2, 3)`; a scalar's shape is `()`."""
    return str(tuple(shape))


def dtype_text(dtype: torch.dtype) -> str:
    """`float32` for `torch.float32`."""
    return str(dtype).removeprefix("torch.")


def number_text(value: Any) -> str:
    """A number in at most six significant digits, an integer or truth value as it is."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return repr(value)


def numbers_apart(a: Any, b: Any) -> tuple[str, str]:
    """Two numbers in six significant digits, or in as many as show that they differ."""
    if isinstance(a, float) and isinstance(b, float):
        for digits in (6, 9, 12, 17):
            one, other = f"{a:.{digits}g}", f"{b:.{digits}g}"
            if one != other:
                return one, other
    return number_text(a), number_text(b)


def values_text(tensor: torch.Tensor) -> str:
    """The elements of a small tensor as nested lists."""
    return str(_rounded(tensor.detach().cpu().tolist())).replace("'", "")


def _rounded(values: Any) -> Any:
    if isinstance(values, list):
        return [_rounded(value) for value in values]
    return number_text(values) if isinstance(values, float) else values


def describe(value: Any, depth: int = 0) -> str:
    """One line that tells what a value is."""
    if isinstance(value, torch.Tensor):
        return _describe_tensor(value)
    if value is None or isinstance(value, bool | int | float | torch.dtype | torch.device):
        return str(value) if isinstance(value, torch.dtype | torch.device) else number_text(value)
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    if isinstance(value, list | tuple) and depth < 2:
        inner = ", ".join(describe(item, depth + 1) for item in value[:4])
        more = ", ..." if len(value) > 4 else ""
        comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
        return f"[{inner}{more}]" if isinstance(value, list) else f"({inner}{more}{comma})"
    if isinstance(value, dict) and depth < 2:
        items = list(value.items())
        inner = ", ".join(f"{key!r}: {describe(item, depth + 1)}" for key, item in items[:4])
        return f"{{{inner}{', ...' if len(items) > 4 else ''}}}"
    if isinstance(value, nn.Module):
        return f"{type(value).__name__} module"
    if isinstance(value, torch.Generator):
        return "gen"
    if type(value).__module__ == "numpy" and hasattr(value, "dtype"):
        return f"{value.dtype} array {shape_text(value.shape)}"
    if isinstance(value, type) or callable(value):
        return str(getattr(value, "__name__", type(value).__name__))
    return f"{type(value).__name__} object"


def _describe_tensor(tensor: torch.Tensor) -> str:
    place = "" if tensor.device.type == "cpu" else f" on {tensor.device}"
    kind = dtype_text(tensor.dtype)
    if tensor.dim() == 0 and not tensor.is_meta:
        return f"{kind} tensor of {values_text(tensor)}{place}"
    return f"{kind} tensor {shape_text(tensor.shape)}{place}"


def describe_call(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """`conv2d(float32 tensor (2, 3, 8, 8), ..., stride=2)`."""
    parts = [describe(value) for value in args]
    parts += [f"{key}={describe(value)}" for key, value in kwargs.items()]
    return f"{name}({', '.join(parts)})"


def with_article(value: Any) -> str:
    """`a list of 3`, `None`, `a float32 tensor (2, 3)`: what was got where another type was wanted."""
    if isinstance(value, torch.Tensor):
        article = "an" if dtype_text(value.dtype).startswith("i") else "a"
        return f"{article} {describe(value)}"
    if isinstance(value, list | tuple | dict | set | str):
        return f"a {type(value).__name__} of {len(value)}: {describe(value)}"
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, int | float):
        return f"the {type(value).__name__} {number_text(value)}"
    return describe(value)


def shortened(text: str) -> str:
    """The beginning of a text that may be megabytes long, safe to show and to write to a file."""
    text = safe(text[: LONGEST + 1])
    text = text if len(text) <= LONGEST else text[:LONGEST] + " ..."
    lines = text.split("\n")
    return text if len(lines) <= MOST_LINES else "\n".join([*lines[:MOST_LINES], "..."])
