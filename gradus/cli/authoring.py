"""Commands of authors: export, new, audit, calibrate."""

import os
from pathlib import Path
from typing import Annotated

import typer

from gradus.cli.app import BAD_INPUT, BROKEN, NOT_YET, TopicName, app, console
from gradus.course import find_course
from gradus.errors import GradusError, needs


@app.command(rich_help_panel="For authors")
def export(
    topic: Annotated[str | None, typer.Argument(metavar="[TOPIC]")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say what is stale.")] = False,
) -> None:
    """Write stubs and notebooks from solutions/."""
    from gradus.authoring.export import export as write_files
    from gradus.authoring.export import stale

    course = find_course()
    topics = [course.require(topic)] if topic else course.topics
    if check:
        files = list(stale(course, topics))
        for path in files:
            typer.echo(f"{path.relative_to(course.root)} is stale; run `gradus export`")
        raise typer.Exit(NOT_YET if files else 0)
    for path in write_files(course, topics):
        typer.echo(f"wrote {path.relative_to(course.root)}")


@app.command(rich_help_panel="For authors")
def new(topic: TopicName) -> None:
    """Write the files of a new topic, to be filled in; in an empty folder a kit of your own begins."""
    with needs("instructor", "a new topic"):
        from gradus.authoring.new import kit_for, new_topic

    course = kit_for(Path.cwd())
    for path in new_topic(course, topic):
        typer.echo(f"wrote {path.relative_to(course.root)}")
    typer.echo(
        f"next: fill them in, gradus export, gradus check {topic} --submission solutions/{topic}.py --hidden, "
        f"gradus audit {topic}"
    )


@app.command(rich_help_panel="For authors")
def audit(
    topic: Annotated[str | None, typer.Argument(metavar="[TOPIC]")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Only this task (repeatable).")] = None,
    least: Annotated[
        float | None,
        typer.Option(
            "--min", min=0.0, max=1.0, help="Exit with 1 below this share of noticed ones."
        ),
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Mutants at a time.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random inputs.")] = 0,
) -> None:
    """Change the reference in many small ways, and list the changes that no check notices."""
    from gradus.engine import one_thread

    one_thread()
    with needs("dev", "an audit"):
        from gradus.authoring.audit.report import Findings, make_plan
    from gradus.authoring.audit.run import grade_mutants
    from gradus.authoring.audit.show import Bar, show

    course = find_course()
    if task and topic is None:
        raise GradusError(
            "--task: name its topic too, for instance gradus audit tensors --task one_hot"
        )
    out = console()
    code = 0
    for name in [course.require(topic)] if topic else course.topics:
        plan = make_plan(course, name, task or ())
        with Bar(out, plan).shown() as bar:
            outcomes = grade_mutants(
                course, plan.topic, plan.mutants,
                jobs=jobs or os.cpu_count() or 1, seed=seed, on_outcome=bar.count, tick=bar.tick,
            )  # fmt: skip
        findings = Findings(plan, outcomes)
        show(out, course, findings)
        below = least is not None and findings.share < least
        code = max(code, NOT_YET * below, BAD_INPUT * bool(findings.complaints()))
        code = max(code, BROKEN * bool(findings.broken))
    raise typer.Exit(code)


@app.command(rich_help_panel="For authors")
def calibrate(
    topic: Annotated[str | None, typer.Argument(metavar="[TOPIC]")] = None,
    seeds: Annotated[
        int | None, typer.Option(metavar="N", help="Seeds; 30 or more, with --check 5 by default.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Runs at a time.")] = None,
    python: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Measure with this interpreter and its torch too."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the bars hold, for fresh seeds.")
    ] = False,
) -> None:
    """Measure what trained answers reach, and write the bars of their checks (docs/thresholds.md)."""
    with needs("dev", "calibrating"):
        from gradus.authoring.calibrate.show import (
            check_and_show,
            measure_and_show,
            topics_with_bars,
        )

    course = find_course()
    if check and python is not None:
        raise GradusError("--python: it measures and writes; leave it out, or leave --check out.")
    good = True
    for name in [course.require(topic)] if topic else topics_with_bars(course):
        if check:
            good &= check_and_show(console(), course, name, seeds, jobs)
        else:
            measure_and_show(console(), course, name, seeds, jobs, python)
    raise typer.Exit(0 if good else NOT_YET)
