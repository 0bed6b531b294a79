"""`gradus calibrate --check`: whether the bars of the file still hold, for seeds that nobody has seen."""

import math
import secrets
from dataclasses import dataclass
from typing import Any

from scipy import stats

from gradus.authoring.calibrate.bars import Sample, sample
from gradus.authoring.calibrate.plan import REFERENCE, plan_of
from gradus.authoring.calibrate.run import Progress
from gradus.authoring.calibrate.workers import Pool, Tries
from gradus.checks.thresholds import AT_LEAST, read_thresholds
from gradus.course import Course
from gradus.errors import GradusError

SEEDS = 5  # by default
MOVED = 1e-4  # chance of such a mean, if nothing has changed, below which it has


@dataclass(frozen=True)
class Verdict:
    """What fresh seeds say of a bar; `problems` is empty where it holds."""

    name: str
    direction: str
    threshold: float
    reference: Sample
    baseline: Sample
    problems: tuple[str, ...]


def check_bars(
    course: Course,
    topic: str,
    *,
    seeds: int = SEEDS,
    workers: int = 1,
    progress: Progress | None = None,
    first: int | None = None,
) -> list[Verdict]:
    """Measure the reference and the baselines with fresh seeds, and compare with the file; writes nothing.

    Args:
        course: The kit.
        topic: One of its topics.
        seeds: How many.
        workers: Processes that measure side by side.
        progress: What is told how far the run is.
        first: The first of the seeds; drawn at random by default.

    Raises:
        GradusError: If the topic lacks something, or an answer did not get as far as its bars.
        GraderError: If the file lacks a bar.
    """
    if seeds < 3:
        raise GradusError(f"--seeds: a check needs at least 3 seeds, got {seeds}.")
    told = progress or Progress()
    thresholds = read_thresholds(course.grader(topic).with_name("thresholds.toml"), topic)
    start = first if first is not None else 1000 + secrets.randbelow(10**6)
    found: dict[tuple[str, str], list[Tries]] = {}
    with Pool(course, topic, size=workers) as pool:
        plan = plan_of(course, topic, pool.answers)
        bars = {name: thresholds(name) for name in plan.asked}  # before anything is measured
        jobs = []
        for answer in (plan.reference, *plan.baselines.values()):
            jobs += plan.jobs(answer, range(start, start + seeds))
        told.start(f"{topic}: seeds from {start}", len(jobs))
        for job, tries in pool.run(jobs):
            found.setdefault((job.about, job.check), []).append(tries)
            told.advance(1)
    tables = {name: thresholds.tables[name] for name in bars}
    signs = {name: 1 if table["direction"] == AT_LEAST else -1 for name, table in tables.items()}

    def of(about: str, name: str) -> Sample:
        tries = found[about, plan.asked[name]]
        return sample(about, name, tries, signs, right=about == REFERENCE)

    verdicts = []
    for name, bar in bars.items():
        right, wrong = of(REFERENCE, name), of(plan.baselines[name].about, name)
        problems = _problems(right, wrong, signs[name], bar, tables[name])
        verdicts.append(Verdict(name, tables[name]["direction"], bar, right, wrong, problems))
    return verdicts


def _problems(
    right: Sample, wrong: Sample, sign: int, bar: float, table: dict[str, Any]
) -> tuple[str, ...]:
    said = []
    worst = sign * min(sign * value for value in right.values)
    best = sign * max(sign * value for value in wrong.values)
    if sign * worst < sign * bar:
        said.append(f"the reference reached only {worst:.4g}")
    if sign * best >= sign * bar:
        said.append(f"the baseline ({wrong.about}) got over it with {best:.4g}")
    if {"mean", "sd", "seeds"} <= set(table):
        spread = max(table["sd"], table.get("step", 0.0)) or math.ulp(table["mean"])
        width = spread * math.sqrt(1 / len(right.values) + 1 / table["seeds"])
        distance = abs(right.mean - table["mean"]) / width
        if 2 * stats.t.sf(distance, table["seeds"] - 1) < MOVED:
            said.append(
                f"the reference has moved: mean {right.mean:.4g} now, {table['mean']:.4g} in the file"
            )
    return tuple(said)
