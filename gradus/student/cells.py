"""Which code a notebook's kernel has run: what stands below an error in a cell, or was never run, has not."""

import ast
import sys
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any
from weakref import WeakKeyDictionary

from gradus.grading.remembered.statements import statements
from gradus.submission.notebook_source import plain_cell
from gradus.submission.pieces import parsed

_COMPOUND = (
    ast.If | ast.For | ast.AsyncFor | ast.While | ast.Try | ast.With | ast.AsyncWith | ast.Match
)


class Cells:
    """The cells that a kernel has run, noted as they end. Cells of before are taken to have come to their end.

    Args:
        shell: IPython's.
    """

    def __init__(self, shell: Any) -> None:
        self._names: dict[str, Any] = shell.user_ns
        *before, now = ["", *map(str, shell.history_manager.input_hist_raw)]
        self._ran = [text for raw in before for text in _done(raw)]
        self._running = [now]
        shell.events.register("pre_run_cell", self._begins)
        shell.events.register("post_run_cell", self._ends)

    def pieces(self) -> list[str]:
        """The source that was run, with the statements above the one that is being run now."""
        frame: FrameType | None = sys._getframe()
        while frame is not None and frame.f_locals is not self._names:
            frame = frame.f_back
        line = frame.f_lineno if frame is not None else None
        running = [text for raw in self._running[-1:] for text in _until(raw, line)]
        return [*self._ran, *running]

    def _begins(self, info: Any) -> None:
        self._running.append(str(info.raw_cell))

    def _ends(self, result: Any) -> None:
        raw = self._running.pop() if self._running else str(result.info.raw_cell)
        if raw.lstrip().startswith("%reset"):
            self._ran.clear()
        elif result.error_in_exec is not None:
            self._ran += _until(raw, self._line_in(result.error_in_exec.__traceback__))
        elif result.error_before_exec is None and not raw.lstrip().startswith("%%capture"):
            self._ran += _done(raw)  # what that magic runs is told as a cell of its own

    def _line_in(self, trace: TracebackType | None) -> int | None:
        """The line of the cell that an error came through."""
        while trace is not None and trace.tb_frame.f_locals is not self._names:
            trace = trace.tb_next
        return trace.tb_lineno if trace is not None else None


_KNOWN: "WeakKeyDictionary[Any, Cells]" = WeakKeyDictionary()


def cells_of(shell: Any) -> Cells:
    """What is noted of a kernel's cells, from the first time on that it is asked for."""
    if shell not in _KNOWN:
        _KNOWN[shell] = Cells(shell)
    return _KNOWN[shell]


def _done(raw: str) -> list[str]:
    """The source of a cell that came to its end; none where its magic does something else with it."""
    text, magic = plain_cell(raw)
    return [text] if magic is None else []


def _until(raw: str, line: int | None) -> Iterator[str]:
    """What a cell has run that came to a line and no further; of what nobody knows, that it is unknown."""
    text, magic = plain_cell(raw)
    tree = parsed(text) if magic is None else None
    if tree is None:
        return
    is_known = line is not None and not raw.lstrip().startswith("%%")  # these count lines otherwise
    for node in tree.body:
        one = ast.Module([node], [])
        if is_known and line is not None and (node.end_lineno or node.lineno) < line:
            yield from (statement.text for statement in statements(text, one))
        elif not is_known or (isinstance(node, _COMPOUND) and node.lineno <= (line or 0)):
            for statement in statements(text, one):
                for name in sorted(statement.binds | statement.changes):
                    yield f"{name} = 'stopped in the middle'"
