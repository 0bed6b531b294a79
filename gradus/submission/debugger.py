"""Student code that calls a debugger where no keyboard is: it stops there, in place of what pdb would do."""

import bdb
import sys
from typing import Any, NoReturn

QUIT = "bdb.BdbQuit"  # how messages show what it raises


def let_debuggers_quit() -> None:
    """Make `breakpoint()` and `pdb.set_trace()` of this process raise `bdb.BdbQuit`.

    Without a keyboard pdb goes on after some calls, and stops others.
    """
    sys.breakpointhook = _quit
    pdb: Any = sys.modules.get("pdb")  # pytest imports it; others raise the same by themselves
    if pdb is not None:
        pdb.set_trace = _quit


def _quit(*args: object, **options: object) -> NoReturn:
    raise bdb.BdbQuit
