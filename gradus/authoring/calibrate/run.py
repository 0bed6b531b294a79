"""`gradus calibrate`: measure, draw the bars, and write them down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gradus.authoring.calibrate.bars import Bar, Sample, direction_of, sample, steps
from gradus.authoring.calibrate.page import page, picture, write_page
from gradus.authoring.calibrate.picture import draw
from gradus.authoring.calibrate.plan import REFERENCE, Answer, Plan, plan_of
from gradus.authoring.calibrate.results import Results
from gradus.authoring.calibrate.tables import table_of, write_tables
from gradus.authoring.calibrate.workers import Job, Pool, Tries, cores
from gradus.checks.thresholds import AT_LEAST, read_tables
from gradus.course import Course
from gradus.errors import GraderError, GradusError

SEEDS = 30  # at least, and by default


@dataclass(frozen=True)
class Progress:
    """How a run tells how far it is: `start` with the number of runs, then `advance` for those done."""

    start: Callable[[str, int], None] = lambda words, total: None
    advance: Callable[[int], None] = lambda count: None


@dataclass(frozen=True)
class Outcome:
    """What a calibration found and did."""

    bars: list[Bar]
    thresholds: dict[str, float]
    changed: list[Path]
    left_out: list[str] = field(
        default_factory=list
    )  # versions of torch that the file spoke of before


def calibrate(
    course: Course,
    topic: str,
    *,
    seeds: int = SEEDS,
    workers: int = 1,
    python: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Measure and write the bars of a topic.

    Args:
        course: The kit.
        topic: One of its topics.
        seeds: For every answer; the reference on all cores gets a sixth of them.
        workers: Processes that measure side by side.
        python: Another interpreter, with another version of torch, to measure the reference with too.
        progress: What is told how far the run is.

    Raises:
        GradusError: If the topic lacks something, or an answer did not get as far as its bars.
        GraderError: If no bar is safe.
    """
    if seeds < SEEDS:
        raise GradusError(f"--seeds: a bar needs at least {SEEDS} seeds, got {seeds}.")
    path = course.grader(topic).with_name("thresholds.toml")
    old = read_tables(path).get(topic, {}) if path.exists() else {}
    told, results = progress or Progress(), Results(course, topic)
    numbers = range(1, seeds + 1)
    with Pool(course, topic, size=workers) as pool:
        plan, torch = plan_of(course, topic, pool.answers), pool.torch
        jobs = plan.jobs(plan.reference, numbers)
        for answer in plan.alternatives:
            jobs += plan.jobs(answer, numbers)
        for answer in plan.baselines.values():
            jobs += plan.jobs(answer, numbers)
        if cores() > 1:
            jobs += plan.jobs(plan.reference, numbers[: seeds // 6], threads=cores())
        _do(pool, jobs, results, topic, told)
    versions = results.versions - {torch}
    if python is not None:
        with Pool(course, topic, python, workers) as pool:
            versions.add(pool.torch)
            jobs = plan.jobs(plan.reference, numbers)
            _do(pool, jobs, results, f"{topic}: torch {pool.torch}", told)
    bars = _Found(plan, results, torch, seeds, old).bars(versions)
    tables = _tables(topic, bars, torch)
    before = {version for table in old.values() for version in table.get("other_torch", {})}
    return Outcome(
        bars,
        {name: table["threshold"] for name, table in tables.items()},
        _write(course, topic, path, bars, tables),
        sorted(before - set(bars[0].other_torch)),
    )


def _do(pool: Pool, jobs: list[Job], results: Results, words: str, told: Progress) -> None:
    """Do the jobs whose results are not known yet, and keep each result as soon as it is there."""
    left = [job for job in jobs if results.get(job, pool.torch) is None]
    told.start(words, len(jobs))
    told.advance(len(jobs) - len(left))
    for job, tries in pool.run(left):
        results.keep(job, pool.torch, tries)
        told.advance(1)


@dataclass(frozen=True)
class _Found:
    """Results, put together bar by bar; `old` is what the file says so far."""

    plan: Plan
    results: Results
    torch: str
    seeds: int
    old: dict[str, Any]

    def bars(self, versions: set[str]) -> list[Bar]:
        """Every bar of the topic, as measured."""
        signs = {name: 1 if self._direction(name) == AT_LEAST else -1 for name in self.plan.asked}
        return [self._bar(name, signs, versions) for name in self.plan.asked]

    def _direction(self, name: str) -> str:
        right = self._tries(self.plan.reference, name)
        wrong = self._tries(self.plan.baselines[name], name)
        return direction_of(name, right, wrong, self.old.get(name, {}).get("direction"))

    def _bar(self, name: str, signs: dict[str, int], versions: set[str]) -> Bar:
        plan = self.plan

        def of(answer: Answer, about: str = "", threads: int = 1, torch: str = "") -> Sample | None:
            tries = self._tries(answer, name, threads, torch)
            if not tries:
                return None
            return sample(about or answer.about, name, tries, signs, right=answer.right)

        reference, baseline = of(plan.reference), of(plan.baselines[name])
        assert reference is not None
        assert baseline is not None
        alternatives = [of(answer) for answer in plan.alternatives if name in answer.bars]
        others = {v: of(plan.reference, f"{REFERENCE}, torch {v}", torch=v) for v in versions}
        all_cores = None
        if cores() > 1:
            all_cores = of(plan.reference, f"{REFERENCE}, {cores()} threads", threads=cores())
        given = self.old.get(name, {}).get("step")
        return Bar(
            name,
            self._direction(name),
            steps([reference, baseline, *filter(None, alternatives)], given, name),
            reference,
            baseline,
            tuple(filter(None, alternatives)),
            all_cores,
            {v: s for v, s in others.items() if s is not None and len(s.values) == self.seeds},
        )

    def _tries(self, answer: Answer, bar: str, threads: int = 1, torch: str = "") -> list[Tries]:
        """Seed by seed what an answer reached, as far as it was measured."""
        jobs = self.plan.jobs(replace(answer, bars=(bar,)), range(1, self.seeds + 1), threads)
        found = [self.results.get(job, torch or self.torch) for job in jobs]
        return [tries for tries in found if tries is not None]


def _tables(topic: str, bars: Sequence[Bar], torch: str) -> dict[str, dict[str, Any]]:
    tables, problems = {}, []
    for bar in bars:
        try:
            tables[bar.name] = table_of(bar, torch)
        except GraderError as error:
            problems.append(f"{topic}.{error}")
    if problems:  # nothing is written then: the file keeps the last bars that were safe
        raise GraderError("\n".join(problems))
    return tables


def _write(
    course: Course, topic: str, path: Path, bars: Sequence[Bar], tables: dict[str, dict[str, Any]]
) -> list[Path]:
    """Write the file, the pictures and the page; returns those that changed."""
    changed = [path] if write_tables(path, topic, tables) else []
    places = {picture(course, topic, bar.name): bar for bar in bars}
    for place, bar in places.items():
        changed += [place] if draw(bar, tables[bar.name]["threshold"], place) else []
    for stray in set(picture(course, topic, "*").parent.glob(f"{topic}.*.svg")) - set(places):
        stray.unlink()
        changed.append(stray)
    changed += [page(course)] if write_page(course, read_tables(path)) else []
    return changed
