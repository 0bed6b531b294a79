"""Commands of instructors for a class: grade, explain, replay."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from gradus.cli.app import NOT_YET, app, console
from gradus.cli.class_progress import Shown, ended_like_ctrl_c
from gradus.cli.classroom import AllowUnsandboxed
from gradus.cli.completion import targets
from gradus.course import find_whole_kit
from gradus.errors import GradusError, needs

StoreFile = Annotated[
    Path, typer.Option("--store", metavar="FILE", help="The store of grades, an SQLite file.")
]
Student = Annotated[str, typer.Argument(metavar="STUDENT")]
DEFAULT = Path("gradus-grades.db")


@app.command(rich_help_panel="For instructors")
def grade(
    submissions: Annotated[
        Path, typer.Argument(metavar="SUBMISSIONS", help="A folder, a zip of a platform, a file.")
    ],
    topics: Annotated[
        list[str] | None, typer.Argument(metavar="[TOPIC]...", autocompletion=targets)
    ] = None,
    store: StoreFile = DEFAULT,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the points there too.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Answers at a time.")] = None,
    limit: Annotated[float, typer.Option(min=1.0, help="Seconds for one answer in all.")] = 600.0,
    regrade: Annotated[
        bool, typer.Option("--regrade", help="Grade anew what the store has, with new seeds.")
    ] = False,
    allow_unsandboxed: AllowUnsandboxed = False,
) -> None:
    """Grade a class: whatever students handed in, each in a sandbox; what is graded already costs nothing."""
    kit = find_whole_kit()
    chosen = [kit.require(topic) for topic in topics or kit.topics]
    with needs("instructor", "grading a class"):
        from gradus.classroom.grade.grading import Settings, grade_class, plan
        from gradus.classroom.grade.placing import place
        from gradus.classroom.grade.pool import processors
        from gradus.classroom.grade.scratch import scratch_folder
        from gradus.classroom.grade.store import Store
        from gradus.classroom.grade.summary import summary, write_csv
        from gradus.classroom.sandboxed import require_sandbox

    if note := require_sandbox(allowed=allow_unsandboxed, how="add --allow-unsandboxed"):
        typer.echo(note, err=True)
    settings, root = Settings(jobs or processors(), limit, regrade=regrade), submissions.resolve()
    shown = Shown()
    try:
        with ended_like_ctrl_c(), closing(Store(store)) as grades, scratch_folder() as scratch:
            placing = place([submissions], kit, chosen, scratch)
            for one in placing.found:
                if one.said:
                    typer.echo(f"{one.student}: {one.said}")
            for lost in placing.unplaced:
                typer.echo(f"not placed: {lost.path}: {lost.why}", err=True)
            work = plan(kit, placing.found, grades, settings, root)
            if work.known:
                typer.echo(f"{work.known} are graded already")
            odd = len(work.refused)
            for handed_in, why in work.refused:
                typer.echo(f"no mark: {handed_in.student}, {handed_in.topic}: {why}", err=True)
            shown.begin(len(work.left))
            elsewhere = 0
            with closing(grade_class(kit, work, grades, settings, root)) as all_done:
                for done in all_done:
                    shown.one_more()
                    elsewhere += done.elsewhere
                    for who in done.whose if done.problem else ():
                        shown.say(f"no mark: {who.student}, {who.topic}: {done.problem}")
                        odd += 1
                    for who in done.whose if done.odd else ():
                        shown.say(f"odd: {who.student}, {who.topic}: {done.odd}")
            shown.clear()
            if elsewhere:
                typer.echo(f"{elsewhere} were graded by another run meanwhile")
            marks = work.marks(grades)
            for line in summary(marks):
                typer.echo(line)
            if csv is not None:
                write_csv(csv, marks, chosen, sorted({one.student for one in placing.found}))
                typer.echo(f"points: {csv}")
    except KeyboardInterrupt:
        shown.clear()
        rest = "" if regrade else "; the same command goes on"  # that option begins anew
        typer.echo(f"what is graded is kept in {store}{rest}.", err=True)
        raise
    finally:
        shown.clear()
    typer.echo(f"why a mark is what it is: gradus explain STUDENT TOPIC  (kept in {store})")
    if odd or placing.unplaced or not marks:
        raise typer.Exit(NOT_YET)


@app.command(rich_help_panel="For instructors")
def explain(
    student: Student,
    target: Annotated[list[str], typer.Argument(metavar="TOPIC[.TASK]", autocompletion=targets)],
    store: StoreFile = DEFAULT,
) -> None:
    """Why a mark is what it is: every check, hidden ones too. Not for students' eyes."""
    with needs("instructor", "grades of a class"):
        from gradus.classroom.grade.explain import explanation, find_mark
        from gradus.classroom.grade.store import Store
    from gradus.student.targets import find_target

    topic, task = find_target(find_whole_kit(), target)
    out = console()
    for line in explanation(find_mark(Store(_there(store)), student, topic), task):
        out.print(line, markup=False, soft_wrap=True)


@app.command(rich_help_panel="For instructors")
def replay(
    student: Student,
    topic: Annotated[str, typer.Argument(metavar="TOPIC", autocompletion=targets)],
    store: StoreFile = DEFAULT,
) -> None:
    """Grade a stored answer again with the same seed, and say whether all agrees."""
    with needs("instructor", "grades of a class"):
        from gradus.classroom.grade.explain import find_mark
        from gradus.classroom.grade.explain import replay as grade_again
        from gradus.classroom.grade.store import Store

    kit = find_whole_kit()
    mark = find_mark(Store(_there(store)), student, kit.require(topic))
    differences = grade_again(kit.root, mark)
    for line in differences:
        typer.echo(line)
    if differences:
        raise typer.Exit(NOT_YET)
    typer.echo(f"{student}, {topic}: graded again with the same seed, and every check agrees.")


def _there(store: Path) -> Path:
    if not store.is_file():
        raise GradusError(
            f"{store}: there is no store of grades. Run gradus grade, or name it: --store FILE"
        )
    return store
