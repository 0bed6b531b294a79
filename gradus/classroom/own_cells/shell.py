"""IPython without a kernel: runs cells one after another and keeps what each puts out, in its order."""

import io
import sys
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from gradus.classroom.own_cells.outputs import OF_A_CELL, OF_ALL, Output, Recorded, size_of


class NoInput(RuntimeError):
    """A cell has asked for input: nobody is there to type."""


class _Publisher(DisplayPublisher):
    def publish(self, data: dict[str, Any], metadata: Any = None, **more: Any) -> None:
        self.shell.recorded.data("display_data", data)

    def clear_output(self, wait: bool = False) -> None:
        self.shell.recorded.clear()


class _Hook(DisplayHook):
    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: dict[str, Any], md_dict: Any = None) -> None:
        self.shell.recorded.data("execute_result", format_dict)

    def finish_displayhook(self) -> None:
        pass


class _Stream(io.TextIOBase):
    """Takes the place of `sys.stdout` or `sys.stderr`."""

    encoding = "utf-8"

    def __init__(self, shell: "CellShell", name: str) -> None:
        self._shell, self._name = shell, name

    def write(self, text: str) -> int:
        self._shell.recorded.stream(self._name, str(text))
        return len(text)

    def writable(self) -> bool:
        return True


class CellShell(InteractiveShell):
    """Runs cells as Jupyter does: magics, `await`, rich output, pictures of matplotlib."""

    displayhook_class = Type(_Hook)
    display_pub_class = Type(_Publisher)

    def __init__(self) -> None:
        self.recorded, self._room = Recorded(), OF_ALL
        settings = Config()
        settings.HistoryManager.enabled = False  # no file, no thread
        settings.InteractiveShell.colors = "nocolor"
        super().__init__(config=settings)

    def run(self, number: int, text: str) -> list[Output]:
        """Run the cell `[number]`; never raises, whatever it does."""
        self.recorded, self.execution_count = Recorded(), number
        before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _Stream(self, "stdout"), _Stream(self, "stderr")
        try:
            self.run_cell(text, store_history=True)
        except (
            BaseException
        ) as error:  # a time limit that struck between two lines of IPython's own
            self.recorded.error(type(error).__name__, str(error), [])
        finally:
            sys.stdout, sys.stderr = before
        outputs = self.recorded.finished(min(self._room, OF_A_CELL))
        self._room -= sum(map(size_of, outputs))
        return outputs

    def enable_gui(self, gui: Any = None) -> None:
        """`%matplotlib inline`, or any other: pictures are shown inline all the same."""

    def ask_exit(self) -> None:
        """`exit()` ends its cell, and not the notebook."""

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        self.recorded.error(str(getattr(etype, "__name__", etype)), str(evalue), stb)


def no_input(*words: object) -> str:
    """Takes the place of `input`.

    Raises:
        NoInput: Always.
    """
    raise NoInput("input() was called, but nobody is there to type while a notebook is graded.")
