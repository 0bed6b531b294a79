"""Graders are graded: wrong answers lose points on their task, unusual right answers get full marks."""

from dataclasses import replace
from pathlib import Path

import pytest

from gradus.course import Course, find_course
from gradus.grading.report import TopicResult
from gradus.grading.run import grade_here
from gradus.topic import Topic
from tests.answers import Answer, affected_by, answers_in, tasks_that_may_notice
from tests.kits import comparable

COURSE = find_course(Path(__file__).parent)


def answers(room: str) -> list[object]:
    """A pytest parameter for every answer in tests/<room>/."""
    return [
        pytest.param(topic, answer, id=f"{topic}-{answer.task}-{answer.about}".replace(" ", "_"))
        for topic in COURSE.topics
        for answer in answers_in(COURSE.root / "tests" / room / f"{topic}.py")
    ]


def graded(course: Course, name: str, answer: Answer, folder: Path) -> TopicResult:
    """Grade one answer with every check that could notice it, hidden ones too, on both sides of the wall."""
    path = folder / f"{name}.py"
    topic = Topic.load(course.solution(name))
    path.write_text(answer.source(topic), encoding="utf-8")
    mistakes = course.root / "tests" / "mistakes" / f"{name}.py"
    tasks = tasks_that_may_notice(topic, answer.task, course.grader(name), mistakes)
    result = grade_here(course, name, path, hidden=True, tasks=tasks)
    behind = grade_here(course, name, path, hidden=True, tasks=tasks, isolated=True)
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
    result = graded(COURSE, topic, answer, tmp_path)
    assert result.complete
    assert answer.task in lost(result), f"no check of {answer.task} noticed: {answer.about}"
    mistakes = COURSE.root / "tests" / "mistakes" / f"{topic}.py"
    elsewhere = set(lost(result)) - affected_by(
        Topic.load(COURSE.solution(topic)), answer.task, mistakes
    )
    assert not elsewhere, f"{elsewhere} lost points too: {lost(result)}"
    statuses = {check.status.value for check in result.checks()}
    assert "broken" not in statuses
    assert "todo" not in statuses


@pytest.mark.parametrize(("topic", "answer"), answers("alternatives"))
def test_an_unusual_right_answer_gets_full_marks(topic, answer, tmp_path):
    result = graded(COURSE, topic, answer, tmp_path)
    assert (result.earned, result.complete) == (result.possible, True), lost(result)


@pytest.mark.parametrize("topic", COURSE.topics)
@pytest.mark.parametrize("room", ["solutions", "exercises"])
def test_references_and_stubs_get_the_same_report_on_both_sides_of_the_wall(topic, room):
    path = COURSE.root / room / f"{topic}.py"
    here, behind = (
        grade_here(COURSE, topic, path, hidden=True, isolated=isolated)
        for isolated in (False, True)
    )
    assert comparable(behind) == comparable(here)
    assert here.complete
    assert here.earned == (here.possible if room == "solutions" else 0)
