"""Single keys from the terminal, without Enter."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator

KEY_SECONDS = 0.1  # between two looks whether keys are still wanted


@contextlib.contextmanager
def keys(hear: Callable[[str], object]) -> Iterator[Callable[[], None]]:
    """Call `hear` in a thread with each key that is pressed inside the block.

    Gives a function that sets the terminal so again, should somebody have changed it. Behind the block the
    terminal is as it was.
    """
    over = threading.Event()
    with contextlib.ExitStack() as stack:
        again: Callable[[], None] = lambda: None  # noqa: E731
        if sys.platform != "win32":
            again = stack.enter_context(_single_keys(sys.stdin.fileno()))
        reader = threading.Thread(target=_read, args=(hear, over), name="gradus-keys", daemon=True)
        reader.start()
        try:
            yield again
        finally:
            over.set()
            reader.join(1.0)


if sys.platform == "win32":

    def _read(hear: Callable[[str], object], over: threading.Event) -> None:
        import msvcrt

        while not over.wait(KEY_SECONDS):
            while msvcrt.kbhit():
                hear(msvcrt.getwch())

else:
    import select
    import termios
    import tty

    @contextlib.contextmanager
    def _single_keys(terminal: int) -> Iterator[Callable[[], None]]:
        before = termios.tcgetattr(terminal)
        tty.setcbreak(terminal)
        try:
            yield lambda: tty.setcbreak(terminal)
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)

    def _read(hear: Callable[[str], object], over: threading.Event) -> None:
        terminal = sys.stdin.fileno()
        while not over.is_set():
            if select.select([terminal], [], [], KEY_SECONDS)[0]:
                data = os.read(terminal, 64)
                if not data:
                    return  # the terminal is gone
                for key in data.decode("utf-8", "ignore"):
                    hear(key)
