"""Commands of instructors for a class: grade, explain, replay."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from gradus.classroom.nbgrader.settings import (
    STORE,
    CourseSettings,
    kit_of_class,
    read_settings,
    settings_around,
)
from gradus.cli.app import NOT_YET, app, say
from gradus.cli.class_progress import Shown, ended_like_ctrl_c
from gradus.cli.classroom import AllowUnsandboxed
from gradus.cli.completion import targets
from gradus.errors import GradusError, needs

StoreFile = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="FILE",
        help="The store of grades, an SQLite file (default: gradus-grades.db, here or in the course).",
    ),
]
Student = Annotated[str, typer.Argument(metavar="STUDENT")]


@app.command(rich_help_panel="For instructors")
def grade(
    submissions: Annotated[
        Path, typer.Argument(metavar="SUBMISSIONS", help="A folder, a zip of a platform, a file.")
    ],
    topics: Annotated[
        list[str] | None, typer.Argument(metavar="[TOPIC]...", autocompletion=targets)
    ] = None,
    store: StoreFile = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the points there too.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Answers at a time.")] = None,
    limit: Annotated[
        float | None, typer.Option(min=1.0, help="Seconds for one answer in all (default: 600).")
    ] = None,
    regrade: Annotated[
        bool, typer.Option("--regrade", help="Grade anew what the store has, with new seeds.")
    ] = False,
    nbgrader: Annotated[
        Path | None,
        typer.Option(
            metavar="COURSE", help="Put answers into this nbgrader course's submitted/ too."
        ),
    ] = None,
    allow_unsandboxed: AllowUnsandboxed = False,
) -> None:
    """Grade a class: whatever students handed in, each in a sandbox; what is graded already costs nothing."""
    known = read_settings(nbgrader.resolve()) if nbgrader is not None else settings_around()
    kit, store = kit_of_class(known), _store(store, known)
    chosen = [kit.require(topic) for topic in topics or kit.topics]
    with needs("instructor", "grading a class"):
        from gradus.classroom.grade.grading import Settings, grade_class, plan
        from gradus.classroom.grade.pool import processors
        from gradus.classroom.grade.scratch import scratch_folder
        from gradus.classroom.grade.store import Store
        from gradus.classroom.grade.summary import summary, write_csv
        from gradus.classroom.placing.place import place
        from gradus.classroom.sandboxed import require_sandbox

    allowed = allow_unsandboxed or (known is not None and known.allow_unsandboxed)
    if note := require_sandbox(allowed=allowed, how="add --allow-unsandboxed"):
        typer.echo(note, err=True)
    limit = limit or (known.limit if known is not None else 600.0)
    settings = Settings(jobs or processors(), limit, regrade=regrade)
    shown = Shown()
    try:
        with ended_like_ctrl_c(), closing(Store(store)) as grades, scratch_folder() as scratch:
            placing = place([submissions], kit, chosen, scratch)
            for one in placing.found:
                if one.said:
                    say(f"{one.student}: {one.said}")
            for lost in placing.unplaced:
                say(f"not placed: {lost.path}: {lost.why}", err=True)
            put = None
            if nbgrader is not None and known is not None:
                from gradus.classroom.nbgrader.put import put_all  # imports all of nbgrader

                put = put_all(known, kit, placing.found)
            for handed_in, why in put.refused if put is not None else ():
                where = f"{handed_in.student}, {handed_in.topic}"
                say(f"not put into the gradebook: {where}: {why}", err=True)
            work = plan(kit, placing.found, grades, settings)
            if work.known:
                typer.echo(f"{work.known} are graded already")
            odd = len(work.refused)
            for handed_in, why in work.refused:
                say(f"no mark: {handed_in.student}, {handed_in.topic}: {why}", err=True)
            shown.begin(len(work.left))
            elsewhere = 0
            with closing(grade_class(kit, work, grades, settings)) as all_done:
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
                say(line)
            if csv is not None:
                write_csv(csv, marks, chosen, sorted({one.student for one in placing.found}))
                typer.echo(f"points: {csv}")
            for line in put.told() if put is not None else ():
                say(line)
    except KeyboardInterrupt:
        shown.clear()
        rest = "" if regrade else "; the same command goes on"  # that option begins anew
        typer.echo(f"what is graded is kept in {store}{rest}.", err=True)
        raise
    finally:
        shown.clear()
    say(f"why a mark is what it is: gradus explain STUDENT TOPIC  (kept in {store})")
    not_put = len(put.refused) if put is not None else 0
    counts = [("no mark", odd), ("not placed", len(placing.unplaced)), ("not put", not_put)]
    if said := ", ".join(f"{what}: {number}" for what, number in counts if number):
        typer.echo(f"{said} (named above)", err=True)
    if odd or not_put or placing.unplaced or not marks:
        raise typer.Exit(NOT_YET)


@app.command(rich_help_panel="For instructors")
def explain(
    student: Student,
    target: Annotated[list[str], typer.Argument(metavar="TOPIC[.TASK]", autocompletion=targets)],
    store: StoreFile = None,
) -> None:
    """Why a mark is what it is: every check, hidden ones too. Not for students' eyes."""
    with needs("instructor", "grades of a class"):
        from gradus.classroom.grade.explain import explanation, find_mark
        from gradus.classroom.grade.store import Store
    from gradus.student.targets import find_target

    known = settings_around()
    topic, task = find_target(kit_of_class(known), target)
    for line in explanation(find_mark(Store(_there(_store(store, known))), student, topic), task):
        say(line)


@app.command(rich_help_panel="For instructors")
def replay(
    student: Student,
    target: Annotated[str, typer.Argument(metavar="TOPIC", autocompletion=targets)],
    store: StoreFile = None,
) -> None:
    """Grade a stored answer again with the same seed, and say whether all agrees."""
    with needs("instructor", "grades of a class"):
        from gradus.classroom.grade.explain import find_mark
        from gradus.classroom.grade.explain import replay as grade_again
        from gradus.classroom.grade.store import Store
        from gradus.classroom.grade.summary import result_of
    from gradus.student.targets import find_target

    known = settings_around()
    kit = kit_of_class(known)
    mark = find_mark(Store(_there(_store(store, known))), student, find_target(kit, [target])[0])
    again, points = grade_again(kit, mark), result_of(mark).earned
    agrees = "and every check agrees" if not again.differences else "and not every check agrees"
    typer.echo(f"{mark.student}, {mark.topic}: graded again with the same seed, {agrees}.")
    if again.points != points:
        typer.echo(f"  points: {points}, {again.points} now")
    for line in (*again.differences, *(f"note: {note}" for note in again.notes)):
        say(f"  {line}")
    if again.differences:
        raise typer.Exit(NOT_YET)


def _store(named: Path | None, known: CourseSettings | None) -> Path:
    """The store: as named, else of the nbgrader course, else in the working folder."""
    return named or (known.store if known is not None else Path(STORE))


def _there(store: Path) -> Path:
    if not store.is_file():
        raise GradusError(
            f"{store}: there is no store of grades. Run gradus grade, or name it: --store FILE"
        )
    return store
