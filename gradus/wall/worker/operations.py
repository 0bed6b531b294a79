"""What the judge may do with an object of the student's, in the worker."""

import copy
from typing import Any

from torch import nn


class Operations:
    """Each method is one operation."""

    def do_get(self, target: Any, name: str) -> Any:
        """An attribute."""
        return getattr(target, name)

    def do_set(self, target: Any, name: str, value: Any) -> None:
        """Set an attribute."""
        setattr(target, name, value)

    def do_delete(self, target: Any, name: str) -> None:
        """Delete an attribute."""
        delattr(target, name)

    def do_dir(self, target: Any) -> list[str]:
        """Names of the attributes."""
        return dir(target)

    def do_repr(self, target: Any) -> str:
        """The text of an object."""
        return repr(target)[:2_000]

    def do_copy(self, target: Any, deep: bool) -> Any:
        """A copy of an object."""
        return copy.deepcopy(target) if deep else copy.copy(target)

    def do_call(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call an object."""
        return target(*args, **kwargs)

    def do_train(self, module: nn.Module, mode: bool) -> None:
        """Put a module into training or evaluation mode."""
        module.train(mode)

    def do_next(self, target: Any) -> list[Any]:
        """The next item in a list, or an empty list."""
        try:
            return [next(target)]
        except StopIteration:
            return []

    def do_special(self, target: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A special method: `len` for `__len__`."""
        if name == "call":
            return target(*args, **kwargs)
        return getattr(type(target), f"__{name}__")(target, *args, **kwargs)
