"""The `gradus` command."""

import io
import sys

import typer

from gradus.cli import kit  # first: the order of the commands in the help

# isort: split
from gradus.cli import student

# isort: split
from gradus.cli import check, tasks, watch

# isort: split
from gradus.cli import authoring, classroom, grade
from gradus.cli.app import BAD_INPUT, BROKEN, INTERRUPTED, app
from gradus.errors import GradusError
from gradus.shown import continued

__all__ = [
    "app",
    "authoring",
    "check",
    "classroom",
    "grade",
    "kit",
    "main",
    "student",
    "tasks",
    "watch",
]


def main() -> None:
    """Run the command; errors that people are meant to read come without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # what a terminal or a file cannot hold is written out
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            typer.secho("\ngradus: stopped by Ctrl+C before it was done.", err=True)
        raise
    except GradusError as error:
        typer.secho(f"gradus: {continued(str(error))}", err=True, fg="red")
        raise SystemExit(BROKEN if type(error).__name__ == "GraderError" else BAD_INPUT) from None
