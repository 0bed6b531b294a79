"""What `gradus watch` shows: one screen, drawn anew each time, never taller than the terminal."""

import shutil
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from gradus.student.outcome import Line

CLEAR = "\x1b[2J\x1b[H"
KEYS = "[h]int  [n]ext  [l]ist  [s]olution  [a]ll messages  [r]un again  [q]uit"


def draw(title: str, body: Sequence[Line], status: str) -> None:
    """Draw the screen: a title, what there is to say as far as there is room, a line of keys."""
    columns, rows = shutil.get_terminal_size()
    sys.stdout.write(CLEAR)
    sys.stdout.write(render(title, body, status, columns, rows))
    sys.stdout.flush()


def render(title: str, body: Sequence[Line], status: str, columns: int, rows: int) -> str:
    """The text of one screen."""
    console = Console(width=max(20, columns), highlight=False, force_terminal=True, file=sys.stdout)
    room = max(1, rows - 4)  # beside title, a blank line, status and keys
    shown = [row for line in body for row in _wrapped(console, line)]
    while shown and not shown[-1].plain.strip():
        shown.pop()
    if len(shown) > room:
        left = len(shown) - room + 1
        shown = [
            *shown[: room - 1],
            _cut(
                f"... {left} more lines: make the window taller, or gradus check --all",
                "dim",
                console.width,
            ),
        ]
    with console.capture() as captured:
        console.print(_cut(title, "bold", console.width))
        console.print()
        for row in shown:
            console.print(row, no_wrap=True, overflow="crop")
        console.print(_cut(status, "dim", console.width))
        console.print(_cut(KEYS, "reverse", console.width), end="")
    return captured.get()


def _cut(text: str, style: str, width: int) -> Text:
    row = Text(text, style)
    row.truncate(width, overflow="ellipsis")
    return row


def _wrapped(console: Console, line: Line) -> list[Text]:
    text = Text.from_ansi(line.text, style=line.style)
    return list(text.wrap(console, console.width)) or [text]
