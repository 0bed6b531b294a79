"""Graders are graded: wrong answers lose points on their task, unusual right answers get full marks."""

import ast
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from gradus.course import find_course
from gradus.grading.checks import parse_grader
from gradus.grading.report import TopicResult
from gradus.grading.run import grade_here
from gradus.submission.status import Status
from gradus.topic import Topic
from tests.answers import Answer, affected_by, answers_in, tasks_that_may_notice
from tests.kits import comparable

pytestmark = pytest.mark.usefixtures("named_plugins")
COURSE = find_course(Path(__file__).parent)
TOPICS = {name: Topic.load(COURSE.solution(name)) for name in COURSE.topics}


def answers(room: str) -> list[object]:
    """A pytest parameter for every answer in tests/<room>/."""
    return [
        pytest.param(topic, answer, id=f"{topic}-{answer.task}-{answer.about}".replace(" ", "_"))
        for topic in COURSE.topics
        for answer in answers_in(COURSE.root / "tests" / room / f"{topic}.py")
    ]


@cache
def noticing(name: str, task: str) -> list[str]:
    """The tasks to grade for an answer to one task."""
    return tasks_that_may_notice(TOPICS[name], task, COURSE.grader(name), mistakes_of(name))


def mistakes_of(name: str) -> Path:
    """A topic's file of known wrong answers."""
    return COURSE.root / "tests" / "mistakes" / f"{name}.py"


@cache
def trained_checks(name: str) -> frozenset[str]:
    """Checks that train a network for seconds: those that compare with a bar."""
    functions = [
        n for n in parse_grader(COURSE.grader(name)).body if isinstance(n, ast.FunctionDef)
    ]
    return frozenset(f.name for f in functions if "threshold" in {a.arg for a in f.args.args})


def graded(name: str, answer: Answer, folder: Path, left_out: Iterable[str] = ()) -> TopicResult:
    """Grade one answer with every check that could notice it, hidden ones too, on both sides of the wall."""
    path = folder / f"{name}.py"
    path.write_text(answer.source(TOPICS[name]), encoding="utf-8")
    tasks = noticing(name, answer.task)
    options = [f"--deselect=graders/test_{name}.py::{check}" for check in left_out]
    result, behind = (
        grade_here(COURSE, name, path, hidden=True, tasks=tasks, isolated=isolated, options=options)
        for isolated in (False, True)
    )
    assert comparable(behind) == comparable(result)
    return replace(result, tasks=tuple(task for task in result.tasks if task.name in tasks))


def lost(result: TopicResult) -> dict[str, list[str]]:
    """Messages of the checks that ran and did not pass, by task."""
    fine = (Status.PASSED, Status.NOT_RUN)
    found = {
        task.name: [c.message for c in task.checks if c.status not in fine] for task in result.tasks
    }
    return {task: messages for task, messages in found.items() if messages}


@pytest.mark.parametrize(("topic", "answer"), answers("mistakes"))
def test_a_mistake_loses_points_on_its_task(topic, answer, tmp_path):
    left_out = frozenset() if answer.baseline_of else trained_checks(topic)
    result = graded(topic, answer, tmp_path, left_out)
    if left_out and answer.task not in lost(result):  # then training has to tell
        left_out, result = frozenset(), graded(topic, answer, tmp_path)
    not_run = {c.check.name for c in result.checks() if c.status is Status.NOT_RUN}
    assert not_run <= left_out
    assert answer.task in lost(result), f"no check of {answer.task} noticed: {answer.about}"
    elsewhere = set(lost(result)) - affected_by(TOPICS[topic], answer.task, mistakes_of(topic))
    assert not elsewhere, f"{elsewhere} lost points too: {lost(result)}"
    statuses = {check.status.value for check in result.checks()}
    assert "broken" not in statuses
    assert "todo" not in statuses


@pytest.mark.parametrize(("topic", "answer"), answers("alternatives"))
def test_an_unusual_right_answer_gets_full_marks(topic, answer, tmp_path):
    result = graded(topic, answer, tmp_path)
    assert (result.earned, result.complete) == (result.possible, True), lost(result)
