"""Graders are graded: wrong answers lose points on their task, unusual right answers get full marks."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from gradus.course import find_course
from gradus.grading.report import TopicResult
from gradus.grading.run import grade_here
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


def graded(name: str, answer: Answer, folder: Path) -> TopicResult:
    """Grade one answer with every check that could notice it, hidden ones too, on both sides of the wall."""
    path = folder / f"{name}.py"
    path.write_text(answer.source(TOPICS[name]), encoding="utf-8")
    tasks = noticing(name, answer.task)
    result = grade_here(COURSE, name, path, hidden=True, tasks=tasks)
    behind = grade_here(COURSE, name, path, hidden=True, tasks=tasks, isolated=True)
    assert comparable(behind) == comparable(result)
    return replace(result, tasks=tuple(task for task in result.tasks if task.name in tasks))


def lost(result: TopicResult) -> dict[str, list[str]]:
    """Messages of the checks that did not pass, by task."""
    return {
        task.name: [c.message for c in task.checks if c.message]
        for task in result.tasks
        if task.earned < task.possible
    }


@pytest.mark.parametrize(("topic", "answer"), answers("mistakes"))
def test_a_mistake_loses_points_on_its_task(topic, answer, tmp_path):
    result = graded(topic, answer, tmp_path)
    assert result.complete
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
