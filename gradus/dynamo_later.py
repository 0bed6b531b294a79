"""Put off the import of `torch._dynamo`, the compiler's front end, until something is compiled.

The first optimizer of a process makes torch import it, only to say "do not compile this" (`disable`) and
"do not compile beyond this place" (`graph_break`). That takes 1 to 2 seconds, as long as all checks of a topic.
Nothing can be compiled before it is there, so until then a stand-in answers: it runs the function, or does
nothing. Whoever asks for anything else of `torch._dynamo`, as `torch.compile` does, gets the real one.
torchvision asks for one function of `torch._dynamo.utils` on import, for which there is a stand-in too.
So there is for `torch.fx.experimental.symbolic_shapes`, which imports sympy, 0.3 to 1 second: a backward pass
that is given a gradient asks it whether two shapes are equal.

pytest's gradus plugin and workers behind the wall call `install()`.
"""

import functools
import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"
UTILS = f"{NAME}.utils"
SHAPES = "torch.fx.experimental.symbolic_shapes"


class _StandIn(ModuleType):
    """`torch._dynamo` as far as a process that compiles nothing needs it."""

    def disable(self, fn: Any = None, recursive: bool = True, **settings: Any) -> Any:
        """Give a function that runs `fn`: with the compiler kept out, once there is one."""
        if fn is None:
            return functools.partial(self.disable, recursive=recursive, **settings)

        @functools.wraps(fn)
        def uncompiled(*args: Any, **kwargs: Any) -> Any:
            if sys.modules.get(NAME) is self:
                return fn(*args, **kwargs)
            return _real().disable(fn, recursive, **settings)(*args, **kwargs)

        return uncompiled

    def graph_break(self, *args: Any, **kwargs: Any) -> None:
        """End the graph that is being compiled: there is none."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked of all modules, as by `inspect.getmodule` for their files
            raise AttributeError(name)
        return getattr(_real(), name)


class _Utils(ModuleType):
    """`torch._dynamo.utils` as far as importing torchvision needs it."""

    def is_compile_supported(self, device_type: str) -> bool:
        """Whether the compiler knows such a device, once somebody wants to know."""
        return bool(_real().utils.is_compile_supported(device_type))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_real().utils, name)


class _Shapes(ModuleType):
    """`torch.fx.experimental.symbolic_shapes` as far as shapes of plain numbers need it."""

    def sym_eq(self, x: Any, y: Any) -> Any:
        """Whether two shapes are equal."""
        if isinstance(x, tuple) and isinstance(y, tuple) and _are_plain(x) and _are_plain(y):
            return tuple(x) == tuple(y)
        return _real_shapes().sym_eq(x, y)

    def expect_true(self, a: Any, skip: int = 0) -> Any:
        """Give back what is known to be true or false."""
        return a if type(a) is bool else _real_shapes().expect_true(a, skip + 1)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_real_shapes(), name)


def _are_plain(sizes: tuple[Any, ...]) -> bool:
    return all(type(size) is int for size in sizes)


def _real_shapes() -> Any:
    """The real `torch.fx.experimental.symbolic_shapes`, imported now if it was not there."""
    if isinstance(sys.modules.get(SHAPES), _Shapes):
        del sys.modules[SHAPES]
    return importlib.import_module(SHAPES)


class _Known(importlib.abc.Loader):
    """Hands out a module that has been imported already, as it is."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _BeforeItsParts:
    """A finder for `import torch._dynamo.config`: the real package comes first, and may have imported it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not name.startswith(f"{NAME}.") or self not in sys.meta_path:
            return None
        if name == UTILS and isinstance(sys.modules[NAME], _StandIn):
            return importlib.machinery.ModuleSpec(name, _Known(_Utils(UTILS)))
        sys.meta_path.remove(self)  # once is enough
        _real()
        known = sys.modules.get(name)
        return None if known is None else importlib.machinery.ModuleSpec(name, _Known(known))


def _real() -> Any:
    """The real `torch._dynamo`, imported now if it was not there."""
    if isinstance(sys.modules.get(NAME), _StandIn):
        import torch

        del sys.modules[NAME]
        sys.modules.pop(UTILS, None)
        vars(torch).pop("_dynamo", None)
    return importlib.import_module(NAME)


def install() -> None:
    """Let stand-ins take the place of modules that have not been imported yet."""
    import torch
    import torch.fx.experimental as around_shapes

    if NAME not in sys.modules:
        stand_in = sys.modules[NAME] = _StandIn(NAME)
        stand_in.__path__ = []  # a package: imports of its parts go through the finder
        torch._dynamo = stand_in
        sys.meta_path.insert(0, _BeforeItsParts())
    if SHAPES not in sys.modules:
        around_shapes.symbolic_shapes = sys.modules[SHAPES] = _Shapes(SHAPES)
