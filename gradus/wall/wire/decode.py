"""Nodes and buffers to values: what comes off the wire, of which nothing is trusted."""

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from gradus.simulated_gpu.active import note_origin
from gradus.wall.wire.containers import named_tuple, require_spread
from gradus.wall.wire.limits import MAX_BODY, MAX_DEPTH, MAX_DIMS, MAX_ORIGIN, MAX_SIZE
from gradus.wall.wire.nodes import (
    CONSTANTS,
    DTYPES,
    MAPPINGS,
    SEQUENCES,
    TUPLES,
    Node,
    Unpack,
    WireError,
    hexadecimal,
)

_CPU = torch.device("cpu")
MOST_KINDS = 256  # classes that are made for one message: each takes some kilobytes


class Decoder:
    """Turns nodes back into values. Every byte of the body is given out at most once.

    Args:
        body: The buffers of the message.
        special: Gives the value of a node with a word of a higher layer, or raises `WireError`.
    """

    def __init__(self, body: memoryview, special: Unpack) -> None:
        self._body, self._special = body, special
        self._left = len(body)
        self._gaps = MAX_BODY  # bytes that strides may leave unused
        self._kinds: dict[tuple[str, ...], Any] = {}  # what was made for this message

    def value(self, node: Node) -> Any:
        """The value of a node.

        Raises:
            WireError: If the node is malformed in any way.
        """
        try:
            return self._value(node, 0)
        except WireError:
            raise
        except (
            *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError),
            *(RecursionError, MemoryError, RuntimeError, NotImplementedError),
        ) as error:
            raise WireError(f"malformed node ({type(error).__name__})") from None

    def _value(self, node: Node, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise WireError("nested too deeply")
        kind = type(node)
        if kind is list:
            return [self._value(item, depth + 1) for item in node]
        if kind is not dict:
            return node
        word = node.get("$")
        if word == "tensor":
            return self._tensor(node)
        if word in SEQUENCES:
            parts = [self._value(item, depth + 1) for item in _list(node["v"])]
            if word in ("set", "frozenset"):
                require_spread(parts)
            return SEQUENCES[word](parts)
        if word in MAPPINGS:
            keys, items = [], []
            for key, item in map(_list, _list(node["v"])):
                keys.append(self._value(key, depth + 1))
                items.append(self._value(item, depth + 1))
            require_spread(keys)
            mapping = MAPPINGS[word]()
            for key, item in zip(keys, items, strict=True):
                mapping[key] = item
            return mapping
        if word == "sparse":
            return self._sparse(node)
        if word == "array":
            return self._array(node)
        if word == "scalar":
            return self._array(node["v"]).reshape(-1)[0]
        if word == "bytes":
            return bytes(self._take(node["b"], node["n"]))
        if word == "int":
            return int(hexadecimal(node["v"]), 16)
        if word == "constant":
            return CONSTANTS[node["v"]]
        if word == "device":
            return torch.device(node["v"])
        if word == "named":
            return self._named_tuple(node, depth)
        return self._special(node)

    def _tensor(self, node: dict[str, Any]) -> torch.Tensor:
        dtype, shape = DTYPES[node["d"]], _sizes(node["s"])
        device = torch.device(node["at"]) if "at" in node else _CPU
        if device.type == "meta":
            return torch.empty(shape, dtype=dtype, device="meta")
        if math.prod(shape) * dtype.itemsize > self._left:
            raise WireError("more data promised than sent")
        with torch._C.DisableTorchFunction():
            tensor = torch.empty(shape, dtype=dtype, device=_CPU)
            if tensor.numel():  # no view of something else: it may become a leaf
                raw = self._take(node["b"], tensor.numel() * dtype.itemsize)
                # One copy: `raw` may be shared.
                ctypes.memmove(tensor.data_ptr(), _address(raw), len(raw))
                if dtype is torch.bool and bool((tensor.view(torch.uint8) > 1).any()):
                    raise WireError("a truth value that is neither 0 nor 1")
        note_origin(tensor, _text(node["made"], MAX_ORIGIN) if "made" in node else "")
        if device.type != "cpu":  # before the strides, which a move may change
            try:
                tensor = tensor.to(device)
            except Exception as error:  # torch has several for a device that is not there
                raise WireError(f"no such device ({type(error).__name__})") from None
        if "t" in node:
            tensor = self._with_strides(tensor, _sizes(node["t"]))
        if "x" in node:
            whole = _sizes(node["x"])
            if math.prod(whole) * dtype.itemsize > MAX_BODY:
                raise WireError("an expanded tensor beyond the limits")
            tensor = tensor.expand(whole)
        if "as" in node:
            name = str(node["as"])[:100]
            tensor = tensor.as_subclass(
                self._kind((name,), lambda: type(name, (torch.Tensor,), {}))
            )
        return tensor

    def _sparse(self, node: dict[str, Any]) -> torch.Tensor:
        shape = _sizes(node["s"])
        indices, values = (self._tensor(part) for part in _list(node["v"]))
        if math.prod(shape) * values.dtype.itemsize > MAX_BODY:
            raise WireError("a sparse tensor beyond the limits")
        made = torch.sparse_coo_tensor(indices, values, shape, check_invariants=True)
        return made.coalesce()

    def _with_strides(self, tensor: torch.Tensor, strides: list[int]) -> torch.Tensor:
        """The same values in another layout, where the layout has no gaps and no overlaps worth a copy."""
        if len(strides) != tensor.dim() or tensor.numel() == 0:
            return tensor
        extent = 1 + sum((n - 1) * step for n, step in zip(tensor.shape, strides, strict=True))
        if extent > 16 * tensor.numel() + 4096 or extent < tensor.numel():
            return tensor
        self._gaps -= (extent - tensor.numel()) * tensor.dtype.itemsize
        if self._gaps < 0:
            raise WireError("tensors with gaps beyond the limits")
        made = torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device=tensor.device)
        return made.copy_(tensor)

    def _array(self, node: dict[str, Any]) -> "np.ndarray[Any, Any]":
        shape = _sizes(node["s"])
        dtype = np.dtype(_text(node["d"], 4))
        if dtype.kind not in "biufc":
            raise WireError("no array of numbers")
        raw = bytearray(self._take(node["b"], math.prod(shape) * dtype.itemsize))
        if dtype.kind == "b" and bool((np.frombuffer(raw, dtype=np.uint8) > 1).any()):
            raise WireError("a truth value that is neither 0 nor 1")
        flat = np.frombuffer(raw, dtype=dtype)
        return flat.reshape(shape[::-1]).T if node.get("f") else flat.reshape(shape)

    def _named_tuple(self, node: dict[str, Any], depth: int) -> Any:
        items = [self._value(item, depth + 1) for item in _list(node["v"])]
        module, _, name = _text(node["type"], 200).rpartition(".")
        if module == "torch.return_types":
            kind = vars(torch.return_types)[name]
            if not isinstance(kind, type) or not issubclass(kind, tuple):
                raise WireError("no named tuple")
            return kind(items)
        if f"{module}.{name}" in TUPLES:
            return TUPLES[f"{module}.{name}"](*items)
        fields = [_text(field, 100) for field in _list(node["fields"])]
        if len(fields) != len(items):
            raise WireError("a named tuple with other names than items")
        return self._kind((name, *fields, ""), lambda: named_tuple(name, tuple(fields)))(*items)

    def _kind(self, key: tuple[str, ...], make: Callable[[], Any]) -> Any:
        """A class that values of this message are of, made once."""
        if key not in self._kinds:
            if len(self._kinds) >= MOST_KINDS:
                raise WireError(f"values of more than {MOST_KINDS} classes of their own")
            self._kinds[key] = make()
        return self._kinds[key]

    def _take(self, place: Any, count: Any) -> memoryview:
        if type(place) is not int or type(count) is not int or place < 0 or count < 0:
            raise WireError("no place in the body")
        self._left -= count
        if self._left < 0 or place + count > len(self._body):
            raise WireError("more data promised than sent")
        return self._body[place : place + count]


def _address(data: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(data))


def _list(node: Node) -> list[Any]:
    if not isinstance(node, list):
        raise WireError("a list is missing")
    return node


def _text(node: Node, limit: int) -> str:
    if not isinstance(node, str) or len(node) > limit:
        raise WireError("a text is missing or too long")
    return node


def _sizes(node: Node) -> list[int]:
    sizes = _list(node)
    if len(sizes) > MAX_DIMS:
        raise WireError("no shape")
    for size in sizes:
        if type(size) is not int or not 0 <= size <= MAX_SIZE:
            raise WireError("no shape")
    return sizes
