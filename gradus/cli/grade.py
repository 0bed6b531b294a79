"""Commands of instructors for a class: grade, explain, replay."""

import tempfile
import time
from collections.abc import Sequence
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
from gradus.cli.app import NOT_YET, app, console
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
        from gradus.classroom.grade.placing import HandedIn, place
        from gradus.classroom.grade.pool import Answered, processors
        from gradus.classroom.grade.store import Store
        from gradus.classroom.grade.summary import summary, write_csv
        from gradus.classroom.nbgrader.put import put_all
        from gradus.classroom.sandboxed import require_sandbox

    allowed = allow_unsandboxed or (known is not None and known.allow_unsandboxed)
    if note := require_sandbox(allowed=allowed, how="add --allow-unsandboxed"):
        typer.echo(note, err=True)
    limit = limit or (known.limit if known is not None else 600.0)
    settings = Settings(jobs or processors(), limit, regrade=regrade)
    grades, root = Store(store), submissions.resolve()
    with tempfile.TemporaryDirectory(prefix="gradus-") as scratch:
        placing = place([submissions], kit, chosen, Path(scratch))
        for one in placing.found:
            if one.said:
                typer.echo(f"{one.student}: {one.said}")
        for lost in placing.unplaced:
            typer.echo(f"not placed: {lost.path}: {lost.why}", err=True)
        put = put_all(known, kit, placing.found) if nbgrader is not None and known else None
        for handed_in, why in put.refused if put is not None else ():
            where = f"{handed_in.student}, {handed_in.topic}"
            typer.echo(f"not put into the gradebook: {where}: {why}", err=True)
        work = plan(kit, placing.found, grades, settings, root)
        if work.known:
            typer.echo(f"{work.known} are graded already")
        for handed_in, why in work.refused:
            typer.echo(f"no mark: {handed_in.student}, {handed_in.topic}: {why}", err=True)
        shown = _Shown(len(work.asked))

        def tell(answered: Answered, whose: Sequence[HandedIn]) -> None:
            shown.one_more()

        odd = list(work.refused)
        try:
            for handed_in, why in grade_class(kit, work, grades, settings, root, tell):
                shown.clear()
                typer.echo(f"no mark: {handed_in.student}, {handed_in.topic}: {why}", err=True)
                odd.append((handed_in, why))
        except KeyboardInterrupt:
            shown.clear()
            rest = "" if regrade else "; the same command goes on"  # that option begins anew
            typer.echo(f"what is graded is kept in {store}{rest}.", err=True)
            raise
        finally:
            shown.clear()
    students = {one.student for one in placing.found}
    marks = [m for m in grades.marks() if m.student in students and m.topic in chosen]
    for line in summary(marks):
        typer.echo(line)
    if csv is not None:
        write_csv(csv, marks, chosen)
        typer.echo(f"points: {csv}")
    if put is not None:
        for line in put.told():
            typer.echo(line)
        odd += put.refused
    typer.echo(f"why a mark is what it is: gradus explain STUDENT TOPIC  (kept in {store})")
    if odd or placing.unplaced or not marks:
        raise typer.Exit(NOT_YET)


class _Shown:
    """A line on a terminal: how many are graded, how fast, and how long it will take."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._start = total, 0, time.monotonic()
        self._terminal = typer.get_text_stream("stderr")
        self._draw()

    def one_more(self) -> None:
        """One is graded."""
        self._done += 1
        self._draw()

    def clear(self) -> None:
        """Leave the line to other words."""
        if self._terminal.isatty():
            self._terminal.write("\r\x1b[K")
            self._terminal.flush()

    def _draw(self) -> None:
        if self._terminal.isatty() and self._total:
            seconds = time.monotonic() - self._start
            left = seconds / self._done * (self._total - self._done) if self._done else 0
            rate = (
                f", {60 * self._done / seconds:.0f} a minute, {left:.0f} s left"
                if self._done
                else ""
            )
            self._terminal.write(f"\r\x1b[K{self._done} of {self._total} graded{rate}"[:80])
            self._terminal.flush()


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
    out = console()
    for line in explanation(find_mark(Store(_there(_store(store, known))), student, topic), task):
        out.print(line, markup=False, soft_wrap=True)


@app.command(rich_help_panel="For instructors")
def replay(
    student: Student,
    topic: Annotated[str, typer.Argument(metavar="TOPIC", autocompletion=targets)],
    store: StoreFile = None,
) -> None:
    """Grade a stored answer again with the same seed, and say whether all agrees."""
    with needs("instructor", "grades of a class"):
        from gradus.classroom.grade.explain import find_mark
        from gradus.classroom.grade.explain import replay as grade_again
        from gradus.classroom.grade.store import Store

    known = settings_around()
    kit = kit_of_class(known)
    mark = find_mark(Store(_there(_store(store, known))), student, kit.require(topic))
    differences = grade_again(kit.root, mark)
    for line in differences:
        typer.echo(line)
    if differences:
        raise typer.Exit(NOT_YET)
    typer.echo(f"{student}, {topic}: graded again with the same seed, and every check agrees.")


def _store(named: Path | None, known: CourseSettings | None) -> Path:
    """The store: as named, else of the nbgrader course, else in the working folder."""
    return named or (known.store if known is not None else Path(STORE))


def _there(store: Path) -> Path:
    if not store.is_file():
        raise GradusError(
            f"{store}: there is no store of grades. Run gradus grade, or name it: --store FILE"
        )
    return store
