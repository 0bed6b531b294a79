"""What there is to measure in a topic: its bars, the reference, and the answers that are marked for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradus.authoring.calibrate.asked import bars_asked
from gradus.authoring.calibrate.workers import Job
from gradus.course import Course
from gradus.errors import GradusError
from gradus.grading.grader_file import read_checks

REFERENCE = "the reference"


@dataclass(frozen=True)
class Answer:
    """An answer that is measured, with the bars that it is measured for."""

    about: str
    source: str
    bars: tuple[str, ...]
    right: bool = True


@dataclass(frozen=True)
class Plan:
    """What there is to measure in a topic."""

    asked: dict[str, str]  # bar -> check
    reference: Answer
    alternatives: tuple[Answer, ...]
    baselines: dict[str, Answer]  # bar -> answer

    def jobs(self, answer: Answer, seeds: Sequence[int], threads: int = 1) -> list[Job]:
        """The jobs of an answer; bars of one check share them."""
        checks = dict.fromkeys(self.asked[bar] for bar in answer.bars)
        return [
            Job(answer.about, answer.source, check, seed, threads)
            for seed in seeds
            for check in checks
        ]


def plan_of(course: Course, topic: str, marked: Sequence[dict[str, Any]]) -> Plan:
    """What is measured: the reference, the alternatives that are trained, and a baseline for each bar.

    Raises:
        GradusError: If no check asks for a bar, a bar has no baseline or two, or a mark names no bar.
    """
    asked = bars_asked(course.grader(topic))
    if not asked:
        raise GradusError(
            f"{course.grader(topic)}: no check asks for a bar, so there is nothing to calibrate. "
            "CONTRIBUTING.md says how a check does."
        )
    mistakes = course.root / "tests" / "mistakes" / f"{topic}.py"
    baselines: dict[str, Answer] = {}
    for answer in marked:
        for bar in answer["baseline_of"]:
            if bar not in asked:
                raise GradusError(
                    f"{mistakes}: {answer['about']!r} is the baseline of {bar!r}, which no check asks for. "
                    f"There are: {', '.join(asked)}."
                )
            if bar in baselines:
                raise GradusError(
                    f"{mistakes}: {bar!r} has two baselines, {baselines[bar].about!r} and "
                    f"{answer['about']!r}; keep the one that comes closer to the bar."
                )
            baselines[bar] = Answer(answer["about"], answer["source"], (bar,), right=False)
    lacking = [bar for bar in asked if bar not in baselines]
    if lacking:
        raise GradusError(
            f"{mistakes}: no wrong answer is marked as the baseline of {lacking[0]!r}: "
            f"add `baseline_of=[{lacking[0]!r}]` to the edit or the mistake that must miss this bar."
        )
    task_of = {check.name: check.task for check in read_checks(course.grader(topic))}
    alternatives = []
    for answer in marked:
        bars = tuple(bar for bar, check in asked.items() if task_of[check] in answer["tasks"])
        if answer["trained"] and bars:
            alternatives.append(Answer(answer["about"], answer["source"], bars))
    source = course.solution(topic).read_text(encoding="utf-8")
    reference = Answer(REFERENCE, source, tuple(asked))
    return Plan(asked, reference, tuple(alternatives), baselines)
