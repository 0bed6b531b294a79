"""Values to nodes and buffers: what goes onto the wire."""

import collections
from types import EllipsisType
from typing import Any

import numpy as np
import torch

from gradus.simulated_gpu.active import device_of, made_at
from gradus.submission.copies import is_expanded, unexpanded
from gradus.wall.wire.limits import MAX_BODY, MAX_DEPTH, MAX_ORIGIN
from gradus.wall.wire.nodes import (
    CONSTANTS,
    DTYPE_NAMES,
    MAPPINGS,
    QUICK,
    Node,
    Pack,
    WireError,
    hexadecimal,
)

_AS_THEY_ARE = frozenset({type(None), bool, str, float})
_MAPPINGS = frozenset({*MAPPINGS.values(), collections.defaultdict})
_CONSTANTS = frozenset({torch.dtype, torch.layout, torch.memory_format, EllipsisType})
_ITEMS = frozenset({tuple, set, frozenset, collections.deque})
_WORDS = frozenset(
    {*_ITEMS, *_CONSTANTS, torch.Size, slice, range, complex, bytes, bytearray, torch.device}
)


class Encoder:
    """Turns values into nodes and collects their buffers.

    Args:
        special: Gives the node of a value that the wire has no word for, or raises.
        tensor: Asked first for every tensor: gives its node, or None to send its values.
    """

    def __init__(self, special: Pack, tensor: Pack = lambda value: None) -> None:
        self._special, self._tensor = special, tensor
        self.buffers: list[memoryview] = []
        self.size = 0

    def node(self, value: Any, depth: int = 0) -> Node:
        """The node of a value.

        Raises:
            WireError: If it is nested too deeply or too large.
        """
        kind = type(value)
        if kind in _AS_THEY_ARE:
            return value
        if kind is int:
            if value.bit_length() <= 63:
                return value
            return {"$": "int", "v": hexadecimal(hex(value))}
        if depth > MAX_DEPTH:
            raise WireError(f"a value is nested more than {MAX_DEPTH} deep (is it inside itself?)")
        if kind is list:
            return [self.node(item, depth + 1) for item in value]
        if kind in _MAPPINGS:
            name = kind.__name__ if kind.__name__ in MAPPINGS else "dict"
            pairs = [
                [self.node(key, depth + 1), self.node(item, depth + 1)]
                for key, item in value.items()
            ]
            return {"$": name, "v": pairs}
        if isinstance(value, torch.Tensor):
            node = self._tensor(value)
            return self.tensor(value) if node is None else node
        if isinstance(value, tuple) and kind is not tuple and kind is not torch.Size:
            return self._named_tuple(value, depth)
        if kind in _WORDS:
            return self._plain(value, kind, depth)
        if isinstance(value, np.generic) and value.dtype.kind in "biufc":
            return {"$": "scalar", "v": self._array(np.asarray(value))}
        if kind is np.ndarray and value.dtype.kind in "biufc" and value.dtype.itemsize <= 16:
            return self._array(value)
        return self._special(value)

    def _plain(self, value: Any, kind: type, depth: int) -> Node:
        if kind in _ITEMS:
            items = [self.node(item, depth + 1) for item in value]
            return {"$": kind.__name__, "v": items}
        if kind is torch.Size:
            return {"$": "size", "v": list(value)}
        if kind is slice:
            return {
                "$": "slice",
                "v": [self.node(v) for v in (value.start, value.stop, value.step)],
            }
        if kind is range:
            return {"$": "range", "v": [value.start, value.stop, value.step]}
        if kind is complex:
            return {"$": "complex", "v": [value.real, value.imag]}
        if kind is bytes or kind is bytearray:
            return {"$": "bytes", "b": self._place(memoryview(bytes(value))), "n": len(value)}
        if kind is torch.device:
            return {"$": "device", "v": str(value)}
        if str(value) in CONSTANTS:
            return {"$": "constant", "v": str(value)}
        return self._special(value)

    def tensor(self, value: torch.Tensor, *, dense: bool = False) -> Node:
        """The node that carries a tensor's values, strides and device.

        Args:
            value: The tensor.
            dense: Whether an expanded one is sent as if every element had memory of its own.
        """
        with torch._C.DisableTorchFunction():
            if value.layout is torch.strided and value.dtype in DTYPE_NAMES:
                return self._strided(value, dense=dense)
        with torch._C.DisableTorchFunctionSubclass():
            value = value.detach()
            if value.layout is not torch.sparse_coo:
                return self._special(value)
            parts = value.coalesce()
            inside = [self.tensor(parts.indices()), self.tensor(parts.values())]
            return {"$": "sparse", "v": inside, "s": list(value.shape)}

    def _strided(self, value: torch.Tensor, *, dense: bool) -> Node:
        kind, device = type(value), device_of(value)
        node: dict[str, Any] = {"$": "tensor", "d": DTYPE_NAMES[value.dtype]}
        if device.type != "cpu":
            node["at"] = str(device)
        elif origin := made_at(value):
            node["made"] = origin[:MAX_ORIGIN]
        value = value.detach()
        size = value.numel()
        if size and value.is_contiguous():
            node["s"] = list(value.shape)
        else:
            value = self._laid_out(value, node, dense=dense)
        if kind is not torch.Tensor and kind is not torch.nn.Parameter:
            node["as"] = kind.__name__[:100]
        node["b"] = 0
        if size and device.type != "meta":
            node["b"] = self._place(_bytes_of(value))
        return node

    def _laid_out(self, value: torch.Tensor, node: dict[str, Any], *, dense: bool) -> torch.Tensor:
        """Note shape and strides of a tensor; the one whose values are to be sent."""
        if is_expanded(value):
            if dense:
                value = value.contiguous()
            else:
                node["x"], value = list(value.shape), unexpanded(value)
        node["s"] = list(value.shape)
        if not value.is_contiguous():
            node["t"] = list(value.stride())
        return value

    def _array(self, value: "np.ndarray[Any, Any]") -> Node:
        node = {"$": "array", "d": value.dtype.newbyteorder("=").str[1:], "s": list(value.shape)}
        if value.flags.f_contiguous and not value.flags.c_contiguous:
            node["f"] = True
            value = value.T
        data = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("="))
        node["b"] = self._place(memoryview(data.tobytes()))
        return node

    def _named_tuple(self, value: Any, depth: int) -> Node:
        kind = type(value)
        fields = getattr(kind, "_fields", None)
        if fields is None and kind.__module__ != "torch.return_types":
            return self.node(tuple(value), depth)
        return {
            "$": "named",
            "type": f"{kind.__module__}.{kind.__qualname__}"[:200],
            "fields": list(fields or ()),
            "v": [self.node(item, depth + 1) for item in tuple(value)],
        }

    def _place(self, data: memoryview) -> int:
        place = self.size
        self.size += data.nbytes
        if self.size > MAX_BODY:
            raise WireError(f"more than {MAX_BODY >> 20} MB of tensors in one message")
        if data.nbytes:
            self.buffers.append(data.cast("B") if data.format != "B" or data.ndim != 1 else data)
        return place


def _bytes_of(tensor: torch.Tensor) -> memoryview:
    """The values of a detached tensor, row by row."""
    if tensor.dtype in QUICK and tensor.device.type == "cpu" and tensor.is_contiguous():
        return memoryview(tensor.numpy().data).cast("B")
    dense = tensor.cpu().resolve_conj().resolve_neg().contiguous()
    flat = dense.as_strided((dense.numel(),), (1,)).view(torch.uint8)
    return memoryview(flat.numpy().data)
