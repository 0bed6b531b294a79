"""Names that a notebook has without defining them, for a submission that is loaded outside of Jupyter."""

import contextlib
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import gradus
from gradus.submission.magics import GIVE_NAMES


class NotRunHereError(Exception):
    """A magic that would have given the notebook names, and cannot be run without IPython."""


def stand_ins(module: ModuleType, filenames: set[str]) -> dict[str, object]:
    """The names, for a module that is about to be loaded; what the student defines takes their place.

    Args:
        module: The module.
        filenames: Of the submission; a file that `%run` runs is added.
    """
    shell = _Shell(module, filenames)
    return {"check": idle_check, "display": display, "get_ipython": lambda: shell}


def idle_check(*ignored: Any, **ignored_too: Any) -> float:
    """What `check("task")` does while the notebook itself is graded: nothing."""
    return 0.0


@contextlib.contextmanager
def checks_idle() -> Iterator[None]:
    """Inside the block `gradus.checker("topic")`, with which a notebook begins, needs no kit and gives a
    check that does nothing.
    """
    known = vars(gradus)
    before = known["checker"]
    idle: Callable[[str], Callable[..., float]] = lambda topic: idle_check  # noqa: E731
    known["checker"] = idle
    try:
        yield
    finally:
        known["checker"] = before


def display(*values: Any, **ignored: Any) -> None:
    """Show values as plain text."""
    for value in values:
        print(repr(value))


class _Shell:
    """What `get_ipython()` gives: every method is there, and almost all do nothing."""

    def __init__(self, module: ModuleType, filenames: set[str]) -> None:
        self._module, self._filenames = module, filenames

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _nothing

    def getoutput(self, *ignored: Any, **ignored_too: Any) -> list[str]:
        """The lines that a command wrote; it was not run."""
        return []

    def magic(self, line: str) -> None:
        """An older name."""
        name, _, words = line.lstrip("%").partition(" ")
        self.run_line_magic(name, words)

    def run_line_magic(self, name: str, line: str, *ignored: Any, **ignored_too: Any) -> None:
        """Run a file; other magics do nothing.

        Raises:
            NotRunHereError: If the magic would have defined names.
        """
        if name == "run":
            self._run(shlex.split(line))
        elif name in GIVE_NAMES:
            raise NotRunHereError(
                f"%{name} is not run here, and names that it defines in Jupyter are missing. "
                "Write what it stands for into the notebook itself."
            )

    def _run(self, words: list[str]) -> None:
        options = [word for word in words if word.startswith("-")]
        files = [word for word in words if not word.startswith("-")]
        if not files or {"-m", "-G"} & set(options) or files[0].endswith(".ipynb"):
            raise NotRunHereError(
                f"%run {' '.join(words)} is not run here, and names that it defines in Jupyter are missing. "
                "Write what it runs into the notebook itself."
            )
        path = Path(str(self._module.__file__)).absolute().parent / files[0]
        path = path if path.is_file() else path.with_name(path.name + ".py")
        if not path.is_file():
            raise NotRunHereError(
                f"%run {files[0]}: there is no such file beside the notebook, so the names that it defines "
                "are missing. Write its code into the notebook itself."
            )
        self._filenames.add(str(path))
        own = vars(self._module)
        given = {name: own[name] for name in own if "-i" in options and not name.startswith("__")}
        arguments, sys.argv = sys.argv, [str(path), *files[1:]]
        try:
            name = "__main__" if "-n" not in options else path.stem
            found = runpy.run_path(str(path), init_globals=given, run_name=name)
        finally:
            sys.argv = arguments
        own.update({name: found[name] for name in found if not name.startswith("__")})


def _nothing(*ignored: Any, **ignored_too: Any) -> None:
    return None
