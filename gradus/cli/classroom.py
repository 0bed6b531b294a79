"""Commands of instructors: course, demo."""

from pathlib import Path
from typing import Annotated

import typer

from gradus.cli.app import NOT_YET, app, console, say
from gradus.course import PACKAGE, find_whole_kit
from gradus.errors import GradusError, needs

AllowUnsandboxed = Annotated[
    bool,
    typer.Option(
        "--allow-unsandboxed",
        help="Grade also where this system has no sandbox: submissions can then harm it.",
    ),
]


@app.command(rich_help_panel="For instructors")
def course(
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    topic: Annotated[list[str] | None, typer.Option(help="Only this topic (repeatable).")] = None,
    course_id: Annotated[str, typer.Option("--id", help="nbgrader's course id.")] = "gradus",
    allow_unsandboxed: AllowUnsandboxed = False,
) -> None:
    """Build an nbgrader course; nbgrader's own commands take it from there."""
    from gradus.authoring.export import stale
    from gradus.classroom.course_folder import CONFIG_FILE, HOW_TO_LOAD, build_course, loads_gradus

    kit = find_whole_kit()
    with needs("instructor", "a course for nbgrader"):
        import nbgrader  # noqa: F401  what is built needs it

    packed = PACKAGE in kit.root.parents  # made when the wheel was, with other versions perhaps
    notebooks = {} if packed else stale(kit, kit.topics)
    old = [path for path in notebooks if path.parent.name == "solutions"]
    if old:
        raise GradusError(f"{old[0].relative_to(kit.root)} is stale. Run `gradus export` first.")
    topics = tuple(topic or kit.topics)
    told = build_course(kit, folder, course_id, topics, allow_unsandboxed=allow_unsandboxed)
    for line in told:
        say(line)
    typer.echo(
        f"{folder}: a course with {', '.join(topics)}. Its README.txt lists nbgrader's commands."
    )
    if not loads_gradus(folder):
        typer.echo(
            f"{folder / CONFIG_FILE} is yours and was left as it is. Put these lines into it, below those with "
            f"get_config():\n\n{HOW_TO_LOAD}",
            err=True,
        )
        raise typer.Exit(NOT_YET)


@app.command(rich_help_panel="For instructors")
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR")] = Path("demo"),
    topic: Annotated[str, typer.Option(help="The topic to grade.")] = "tensors",
) -> None:
    """Grade a class of six through nbgrader and print the gradebook."""
    from rich.markup import escape
    from rich.table import Table

    with needs("instructor", "the demo"):
        from gradus.classroom.demo import run_demo

    kit = find_whole_kit()
    kit.require(topic)
    out = console()
    with out.status("starting") as status:

        def say(text: str) -> None:
            status.update(escape(text))
            if not out.is_terminal:
                typer.echo(text)

        students, marks = run_demo(kit, folder.resolve(), topic, say)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("student", "score", "of", "the submission"):
        table.add_column(name, justify="right" if name in ("score", "of") else "left")
    about = {student.name: student.about for student in students}
    for mark in sorted(marks, key=lambda mark: list(about).index(mark.student)):
        table.add_row(
            escape(mark.student), f"{mark.score:g}", f"{mark.max_score:g}", about[mark.student]
        )
    out.print(table)
    typer.echo(f"feedback for students: {folder}/feedback/STUDENT/{topic}/{topic}.html")
