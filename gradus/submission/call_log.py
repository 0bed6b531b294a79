"""Which torch functions are called."""

import functools
from typing import Any

from torch.overrides import TorchFunctionMode, resolve_name


@functools.lru_cache(maxsize=4096)
def _names_of(func: Any) -> frozenset[str]:
    """What a torch function is called; torch takes longer to tell than to add two small tensors."""
    name = resolve_name(func) or f"{func.__module__}.{func.__qualname__}"
    return frozenset(
        {name, name.replace("torch.functional.", "torch.")}
    )  # people write torch.einsum


class CallLog(TorchFunctionMode):
    """Notes the name of every torch function that is called while it is active."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names |= _names_of(func)
        return func(*args, **(kwargs or {}))
