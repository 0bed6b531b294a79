"""What all of `gradus`'s commands share."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from gradus.cli.completion import targets, topics

if TYPE_CHECKING:
    from rich.console import Console

EXIT_CODES = (
    "Exit codes: 0 all right; 1 not right yet (an answer is wrong, an export is stale, the doctor found "
    "a fault); 2 the command could not be carried out, and the message says what to do; "
    "3 a grader is broken."
)
NOT_YET, BAD_INPUT, BROKEN = 1, 2, 3
INDENT = 4  # of what is left of a line that is wrapped
INTERRUPTED = 130  # typer's exit code where a person has stopped it

app = typer.Typer(
    help="Auto-graded PyTorch exercises. Without a command: your progress.",
    epilog=EXIT_CODES,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

TopicOrTask = Annotated[
    list[str],
    typer.Argument(
        metavar="TOPIC[.TASK]",
        help="cnn, cnn.conv2d, conv2d or exercises/cnn.py.",
        autocompletion=targets,
    ),
]
OneTopic = Annotated[str | None, typer.Argument(metavar="[TOPIC]", autocompletion=topics)]
TopicName = Annotated[str, typer.Argument(metavar="TOPIC")]


def styled(text: str, **style: object) -> str:
    """A text in colours (`fg="green"`, `bold=True`) for `typer.echo`, which drops them in a pipe."""
    return text if os.environ.get("NO_COLOR") else typer.style(text, **style)  # type: ignore[arg-type]


def say(line: str, *, err: bool = False) -> None:
    """Print a line; on a terminal its words are not cut at the edge, and what follows is indented."""
    if not typer.get_text_stream("stderr" if err else "stdout").isatty():
        typer.echo(line, err=err)  # whole: for `grep`
        return
    from rich.text import Text

    out, indent = console(), len(line) - len(line.lstrip()) + INDENT
    first, *more = Text(line).wrap(out, out.width)
    typer.echo(first, err=err)
    if more:
        rest = Text(line[len(first.plain) :].lstrip())
        for row in rest.wrap(out, out.width - indent):
            typer.echo(f"{' ' * indent}{row}", err=err)


def console() -> "Console":
    """Colours and the terminal's width; plain and wide when piped."""
    from rich.console import Console

    out = Console(highlight=False, soft_wrap=False)
    return out if out.is_terminal else Console(highlight=False, width=160, no_color=True)
