"""Let torchvision's wheel be imported beside a CPU-only torch.

torchvision's compiled operators are built against one torch build. Beside another (the usual case:
a CUDA wheel of torchvision, a CPU wheel of torch) they do not load, and `import torchvision` stops with
`RuntimeError: operator torchvision::nms does not exist`, because its Python code registers shape rules
for operators that are not there. Declaring those operators first lets the import go on:
transforms, models and datasets then work. `torchvision.io` and detection models do not.

pytest's gradus plugin and the notebook's `check` call `install()`; it costs nothing until somebody
imports torchvision.
"""

import contextlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
OPERATORS = ("nms", "qnms")

_kept_alive: list[Any] = []  # operators live as long as the library object that defined them


def compiled_operators_load() -> bool:
    """Whether torchvision's compiled operators are there, after loading what it has of them.

    torchvision has them in `_C.so`, from 0.29 on in `_C_stable.so`. To declare an operator that such a
    file registers ends Python, so torch is asked which ones it knows.
    """
    import torch

    load: Any = torch.ops.load_library
    found = importlib.util.find_spec("torchvision")
    folders = (found.submodule_search_locations if found else None) or []
    for folder in folders:
        for path in sorted(Path(folder).glob("_C*")):
            if path.name.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES)):
                with contextlib.suppress(OSError):
                    load(str(path))
    return hasattr(torch.ops.torchvision, OPERATORS[0])


def declare_missing_operators() -> bool:
    """Declare torchvision's operators where its compiled ones do not load; True where that was needed."""
    import torch

    make: Any = torch.library.Library
    if not _kept_alive and not compiled_operators_load():
        library = make("torchvision", "DEF")
        for name in OPERATORS:
            library.define(f"{name}{SCHEMA}")
        _kept_alive.append(library)
    return bool(_kept_alive)


class _BeforeTorchvision:
    """A finder that finds nothing: it declares the operators when torchvision is first looked for."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        if name == "torchvision" and self in sys.meta_path:
            sys.meta_path.remove(self)  # first, since declaring looks for torchvision itself
            declare_missing_operators()


def install() -> None:
    """Arrange that the first `import torchvision` of this process works."""
    if "torchvision" not in sys.modules and not any(
        isinstance(finder, _BeforeTorchvision) for finder in sys.meta_path
    ):
        sys.meta_path.insert(0, _BeforeTorchvision())
