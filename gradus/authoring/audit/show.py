"""An audit in a terminal: a progress bar while it runs, then tables, survivors, and records to paste."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gradus.authoring.audit.equivalents import as_record
from gradus.authoring.audit.report import Findings, Plan, difference
from gradus.authoring.audit.run import Outcome
from gradus.course import Course

COLOURS = {"-": "red", "+": "green", "@": "cyan"}


class Bar:
    """Counts that grow. Drawn when asked to: a thread of its own would be missing in forked children."""

    def __init__(self, out: Console, plan: Plan) -> None:
        out.file = out.file  # pytest puts something else in the place of sys.stdout while it runs
        self._progress = Progress(
            TextColumn(plan.topic.name),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("survived {task.fields[survived]}"),
            TimeElapsedColumn(),
            console=out,
            auto_refresh=False,
            transient=True,
            disable=not out.is_terminal,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._records, self._survived = plan.records, 0
        self._task = self._progress.add_task("", total=len(plan.mutants), survived=0)

    @contextmanager
    def shown(self) -> Iterator["Bar"]:
        """Show it while the block runs."""
        with self._progress:
            yield self

    def count(self, outcome: Outcome) -> None:
        """One more mutant is graded."""
        known = self._records.are_equivalent(outcome.mutant)
        self._survived += outcome.survived and not known
        self._progress.update(self._task, advance=1, survived=self._survived)

    def tick(self) -> None:
        """Draw it anew."""
        self._progress.refresh()


def show(out: Console, course: Course, findings: Findings) -> None:
    """Print everything that was found out about one topic."""
    _show_counts(out, findings)
    for number, outcome in enumerate(findings.survivors, start=1):
        _show_survivor(out, course, findings, number, outcome)
    if findings.survivors:
        path = findings.plan.records.path.relative_to(course.root)
        _print(out, f"\nNo mistake? Put its table into {path}, with the reason.", "bold")
        for number, outcome in enumerate(findings.survivors, start=1):
            _print(out, f"\n# {number}\n{as_record(outcome.mutant).rstrip()}", "dim")
    for complaint in findings.complaints():
        path = findings.plan.records.path.relative_to(course.root)
        _print(out, f"\n{path}: {complaint}", "red")
    for outcome in findings.broken:
        what = outcome.check or "the audit"
        _print(
            out, f"\nBROKEN: {what} fails by itself where the reference is changed to", "bold red"
        )
        _print(out, f"{outcome.mutant.task}, line {outcome.mutant.line}: {outcome.mutant.new}")
        _print(out, outcome.message)


def _show_counts(out: Console, findings: Findings) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(findings.plan.topic.name)
    for name in ("mutants", "noticed", "share", "by other tasks only", "equivalent"):
        table.add_column(name, justify="right")
    counts = findings.counts()
    for count in counts:
        share = count.noticed / count.total if count.total else 1.0
        table.add_row(
            count.task,
            str(count.total),
            str(count.noticed),
            f"[{'green' if count.noticed == count.total else 'yellow'}]{share:.0%}[/]",
            str(count.elsewhere or ""),
            str(count.equivalent or ""),
        )
    table.add_row(
        "total",
        str(sum(count.total for count in counts)),
        str(sum(count.noticed for count in counts)),
        f"{findings.share:.1%}",
        str(sum(count.elsewhere for count in counts) or ""),
        str(sum(count.equivalent for count in counts) or ""),
        style="bold",
    )
    out.print(table)


def _show_survivor(
    out: Console, course: Course, findings: Findings, number: int, outcome: Outcome
) -> None:
    mutant = outcome.mutant
    place = f"{course.solution(findings.plan.topic.name).relative_to(course.root)}:{mutant.line}"
    _print(out, f"\n{number}. {mutant.task}, {place}: {mutant.operator}", "bold")
    for line in difference(findings.plan.topic, mutant):
        _print(out, line, COLOURS.get(line[:1]))


def _print(out: Console, text: str, style: Any = None) -> None:
    """Words as they are: no markup, and no line is cut, so that it can be pasted."""
    out.print(text, style=style, markup=False, soft_wrap=True)
