"""The `gradus` command."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gradus import __version__
from gradus.course import Course, find_course
from gradus.errors import GradusError

EXIT_CODES = (
    "Exit codes: 0 all right; 1 not right yet (an answer is wrong, an export is stale, the doctor found "
    "a fault); 2 the command could not be carried out, and the message says what to do; "
    "3 a grader is broken."
)
NOT_YET, BAD_INPUT, BROKEN = 1, 2, 3

app = typer.Typer(
    help="Auto-graded PyTorch exercises. Without a command: your progress.",
    epilog=EXIT_CODES,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

TopicOrTask = Annotated[str, typer.Argument(metavar="TOPIC[.TASK]")]
AllowUnsandboxed = Annotated[
    bool,
    typer.Option(
        "--allow-unsandboxed",
        help="Grade also where this system has no sandbox: submissions can then harm it.",
    ),
]
TopicName = Annotated[str, typer.Argument(metavar="TOPIC")]


def console() -> Console:
    """Colours and the terminal's width; plain and wide when piped."""
    out = Console(highlight=False, soft_wrap=False)
    return out if out.is_terminal else Console(highlight=False, width=160, no_color=True)


def split_target(course: Course, target: str) -> tuple[str, str | None]:
    """`cnn.conv2d` -> its topic and task."""
    topic, _, task = target.partition(".")
    return course.require(topic), task or None


@app.callback(invoke_without_command=True)
def progress(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Your progress over all topics."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is not None:
        return
    from gradus.student.progress import overview

    lines = overview(find_course())
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("topic", "points", "", "last check", "next task"):
        table.add_column(name, no_wrap=True)
    for line in lines:
        if line.result is None:
            table.add_row(line.topic, "", "", line.note, "")
            continue
        share = line.result.earned / max(1, line.result.possible)
        colour = "green" if share == 1 else "yellow"
        table.add_row(
            line.topic,
            f"{line.result.earned} / {line.result.possible}",
            f"[{colour}]{'#' * int(10 * share):.<10}[/]",
            line.checked + (" edited" if line.changed else ""),
            line.next_task or "done",
        )
    out = console()
    out.print(table)
    begun = next((line for line in lines if line.result is None or line.next_task), None)
    if begun is not None:
        target = f"{begun.topic}.{begun.next_task}" if begun.next_task else begun.topic
        out.print(f"next: gradus check {target}")


@app.command()
def check(
    target: TopicOrTask,
    submission: Annotated[
        Path | None,
        typer.Option(help="A file or folder to check in place of exercises/."),
    ] = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="Run hidden checks too.")] = False,
    isolated: Annotated[
        bool, typer.Option("--isolated", help="Run the submission in a sandbox (docs/security.md).")
    ] = False,
) -> None:
    """Run the checks of a topic or of one task; a crash or hang costs only the check that it is in."""
    from gradus.grading.checks import require_task
    from gradus.grading.supervise import grade_apart
    from gradus.submission.status import Status

    course = find_course()
    topic, task = split_target(course, target)
    tasks = [require_task(course.grader(topic), task)] if task else []
    where = submission.resolve() if submission else None
    report = grade_apart(
        course, topic, where, hidden=hidden, isolated=isolated, tasks=tasks, show=True
    )
    chosen = [t for t in report.topic(topic).tasks if not tasks or t.name in tasks]
    if any(c.status is Status.BROKEN for t in chosen for c in t.checks):
        raise typer.Exit(BROKEN)
    if not all(t.earned == t.possible and t.complete for t in chosen):
        raise typer.Exit(NOT_YET)


@app.command()
def hint(
    target: Annotated[str, typer.Argument(metavar="TOPIC.TASK")],
    again: Annotated[bool, typer.Option("--again", help="Only those shown before.")] = False,
) -> None:
    """One more hint for a task each time."""
    from gradus.student.hints import next_hint

    course = find_course()
    topic, task = split_target(course, target)
    if task is None:
        raise GradusError(f"{target}: name a task too, for instance gradus hint {topic}.TASK")
    hints = next_hint(course, topic, task, again=again)
    out = console()
    for number, text in enumerate(hints.shown, start=1):
        style = "bold" if number == len(hints.shown) else "dim"
        out.print(f"{number} of {hints.total}: {text}", style=style, markup=False)
    if len(hints.shown) == hints.total:
        out.print("That was the last hint.", style="dim")


@app.command()
def reset(topic: TopicName) -> None:
    """Bring exercises/TOPIC.py back to its start; your work is kept as a backup."""
    from gradus.authoring.export import stub_text
    from gradus.student.reset import reset as reset_exercise
    from gradus.topic import Topic

    course = find_course()
    course.require(topic)
    source = course.solution(topic)
    stub = stub_text(Topic.load(source)) if source.exists() else None
    backup = reset_exercise(course, topic, stub)
    typer.echo(f"exercises/{topic}.py is as it was at the start.")
    if backup is not None:
        typer.echo(f"Your work is kept in {backup.relative_to(course.root)}")


@app.command()
def export(
    check: Annotated[bool, typer.Option("--check", help="Only say what is stale.")] = False,
) -> None:
    """Write stubs and notebooks from solutions/."""
    from gradus.authoring.export import export as write_files
    from gradus.authoring.export import stale

    course = find_course()
    if check:
        files = list(stale(course))
        for path in files:
            typer.echo(f"{path.relative_to(course.root)} is stale; run `gradus export`")
        raise typer.Exit(NOT_YET if files else 0)
    for path in write_files(course):
        typer.echo(f"wrote {path.relative_to(course.root)}")


@app.command()
def new(topic: TopicName) -> None:
    """Write the files of a new topic, to be filled in."""
    from gradus.authoring.new import new_topic

    course = find_course()
    for path in new_topic(course, topic):
        typer.echo(f"wrote {path.relative_to(course.root)}")
    typer.echo(f"next: fill them in, gradus export, pytest tests -k {topic}")


@app.command()
def course(
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    topic: Annotated[list[str] | None, typer.Option(help="Only this topic (repeatable).")] = None,
    course_id: Annotated[str, typer.Option("--id", help="nbgrader's course id.")] = "gradus",
    allow_unsandboxed: AllowUnsandboxed = False,
) -> None:
    """Build an nbgrader course; nbgrader's own commands take it from there."""
    from gradus.authoring.export import stale
    from gradus.classroom.course_folder import build_course

    kit = find_course()
    old = [path for path in stale(kit) if path.parent.name == "solutions"]
    if old:
        raise GradusError(f"{old[0].relative_to(kit.root)} is stale. Run `gradus export` first.")
    topics = build_course(
        kit, folder, course_id, tuple(topic or ()), allow_unsandboxed=allow_unsandboxed
    )
    typer.echo(
        f"{folder}: a course with {', '.join(topics)}. Its README.txt lists nbgrader's commands."
    )


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR")] = Path("demo"),
    topic: Annotated[str, typer.Option(help="The topic to grade.")] = "tensors",
) -> None:
    """Grade a class of six through nbgrader and print the gradebook."""
    from gradus.classroom.demo import run_demo

    kit = find_course()
    kit.require(topic)
    out = console()
    with out.status("starting") as status:

        def say(text: str) -> None:
            status.update(text)
            if not out.is_terminal:
                typer.echo(text)

        students, marks = run_demo(kit, (kit.root / folder), topic, say)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("student", "score", "of", "the submission"):
        table.add_column(name, justify="right" if name in ("score", "of") else "left")
    about = {student.name: student.about for student in students}
    for mark in sorted(marks, key=lambda mark: list(about).index(mark.student)):
        table.add_row(mark.student, f"{mark.score:g}", f"{mark.max_score:g}", about[mark.student])
    out.print(table)
    typer.echo(f"feedback for students: {folder}/feedback/STUDENT/{topic}/{topic}.html")


@app.command()
def doctor() -> None:
    """Look over this machine's setup: what is wrong, and the command that mends it."""
    from gradus.student.doctor import Level, examine

    out = console()
    colours = {Level.OK: "green", Level.NOTE: "yellow", Level.BAD: "red"}
    bad = False
    for finding in examine():
        bad |= finding.level is Level.BAD
        out.print(f"[{colours[finding.level]}]{finding.level.value:<5}[/]{finding.what}: ", end="")
        out.print(finding.words, markup=False)
        if finding.remedy:
            out.print(f"     -> {finding.remedy}", markup=False, style="bold", soft_wrap=True)
    raise typer.Exit(NOT_YET if bad else 0)


def main() -> None:
    """Run the command; errors that people are meant to read come without a traceback."""
    try:
        app()
    except GradusError as error:
        typer.secho(f"gradus: {error}", err=True, fg="red")
        raise SystemExit(BROKEN if type(error).__name__ == "GraderError" else BAD_INPUT) from None


if __name__ == "__main__":
    main()
