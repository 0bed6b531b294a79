"""What `gradus calibrate` shows in a terminal: a bar of progress, then a few lines for each bar."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich import progress as rich_progress
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gradus.authoring.calibrate.asked import bars_asked
from gradus.authoring.calibrate.fresh import SEEDS as FRESH_SEEDS
from gradus.authoring.calibrate.fresh import check_bars
from gradus.authoring.calibrate.limits import RIGHT_FAILS, WRONG_PASSES
from gradus.authoring.calibrate.run import SEEDS, Progress, calibrate
from gradus.authoring.calibrate.workers import cores
from gradus.course import Course
from gradus.errors import GradusError

THREADS_MATTER = 1e-3  # p below which the number of threads is said to move the results


def topics_with_bars(course: Course) -> list[str]:
    """The topics with a check that asks for a bar.

    Raises:
        GradusError: If there is none.
    """
    found = [topic for topic in course.topics if bars_asked(course.grader(topic))]
    if not found:
        raise GradusError(f"{course.root / 'graders'}: no check asks for a bar.")
    return found


def measure_and_show(
    out: Console,
    course: Course,
    topic: str,
    seeds: int | None,
    jobs: int | None,
    python: str | None,
) -> None:
    """Calibrate a topic, and show its bars and the files that were written."""
    with _shown(out) as progress:
        outcome = calibrate(
            course, topic,
            seeds=seeds or SEEDS, workers=jobs or cores(), python=python, progress=progress,
        )  # fmt: skip
    for bar in outcome.bars:
        threshold = outcome.thresholds[bar.name]
        hardest, limit = bar.hardest()
        out.print(f"[bold]{topic}.{bar.name}[/]: {bar.direction} {threshold:g}")
        rows = Table.grid(padding=(0, 2, 0, 0))
        for sample in (*bar.right, bar.baseline):
            low, high = min(sample.values), max(sample.values)
            role = "[red]wrong[/]" if sample is bar.baseline else "[green]right[/]"
            rows.add_row("", role, f"{low:.3g}", f"to {high:.3g}", escape(sample.about))
        out.print(rows)
        out.print(
            f"A right answer fails at most once in {1 / bar.false_fail(threshold):,.0f} runs. Limits: right "
            f"{limit.value:.3g} once in {1 / RIGHT_FAILS:,.0f} ({escape(hardest.about)}), wrong "
            f"{bar.wrong_limit():.3g} once in {1 / WRONG_PASSES:,.0f}."
        )
        if limit.two_piece:
            out.print(
                "  [yellow]No normal curve fits these values; the limit comes from their worse half. "
                "Look at the picture.[/]"
            )
        if bar.all_cores is not None and bar.threads_p() < THREADS_MATTER:
            out.print(
                f"  [yellow]With {cores()} threads the mean is {bar.all_cores.mean:.4g} in place of "
                f"{bar.same_seeds().mean:.4g} (p {bar.threads_p():.2g}).[/]"
            )
    for version in outcome.left_out:
        out.print(
            f"[yellow]torch {version} was measured with other code, and is left out now; "
            "--python PATH measures it again.[/]"
        )
    for path in outcome.changed:
        done = "wrote" if path.exists() else "deleted"
        out.print(f"{done} {path.relative_to(course.root)}", markup=False, soft_wrap=True)
    if not outcome.changed:
        out.print("Everything is as it was.")


def check_and_show(
    out: Console, course: Course, topic: str, seeds: int | None, jobs: int | None
) -> bool:
    """Compare the bars of a topic with fresh seeds; True when all hold."""
    with _shown(out) as progress:
        verdicts = check_bars(
            course, topic, seeds=seeds or FRESH_SEEDS, workers=jobs or cores(), progress=progress
        )
    for verdict in verdicts:
        right, wrong = verdict.reference.values, verdict.baseline.values
        word = "[red]fails[/]" if verdict.problems else "[green]holds[/]"
        out.print(
            f"{word} [bold]{topic}.{verdict.name}[/], {verdict.direction} {verdict.threshold:g}: right "
            f"{min(right):.4g} to {max(right):.4g}, wrong {min(wrong):.4g} to {max(wrong):.4g}"
        )
        for problem in verdict.problems:
            out.print(f"  {problem}", markup=False)
    good = not any(verdict.problems for verdict in verdicts)
    if not good:
        out.print(f"Look into it, or measure anew: gradus calibrate {topic}")
    return good


@contextmanager
def _shown(out: Console) -> Iterator[Progress]:
    """A progress bar in a terminal; elsewhere nothing."""
    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(
        *columns, console=out, transient=True, disable=not out.is_terminal
    ) as shown:
        tasks = []

        def start(words: str, total: int) -> None:
            tasks.append(shown.add_task(words, total=total))

        yield Progress(start, lambda count: shown.advance(tasks[-1], count))
