"""`gradus new`: the files it writes work as they are, and refuse what cannot be."""

import shutil
from pathlib import Path

import pytest

from gradus.authoring.export import export, stale
from gradus.authoring.new import new_topic
from gradus.course import find_course, load_course
from gradus.engine.here import grade_here
from gradus.errors import TopicError
from gradus.topic import Topic
from tests.answers import answers_in

HERE = find_course(Path(__file__).parent)


@pytest.fixture
def course(tmp_path):
    """A kit without topics."""
    (tmp_path / "course.toml").write_text("# my course\ntopics = []\n", encoding="utf-8")
    for name in ("graders", "tests"):
        (tmp_path / name).mkdir()
    shutil.copy(HERE.root / "tests" / "answers.py", tmp_path / "tests")
    return load_course(tmp_path)


def test_a_new_topic_keeps_every_promise_before_a_word_of_it_is_changed(course):
    new_topic(course, "sums")
    course = load_course(course.root)
    assert course.topics == ("sums",)
    assert "# my course" in (course.root / "course.toml").read_text("utf-8")
    export(course, course.topics)
    assert not stale(course, course.topics)
    right = grade_here(course, "sums", course.solution("sums"), hidden=True)
    assert (right.earned, right.complete) == (right.possible, True)
    assert grade_here(course, "sums", course.exercise("sums"), hidden=True).earned == 0
    topic = Topic.load(course.solution("sums"))
    assert all(task.minutes and task.difficulty for task in topic.tasks.values())
    for room, full in (("mistakes", False), ("alternatives", True)):
        for answer in answers_in(course.root / "tests" / room / "sums.py"):
            path = course.root / "answer.py"
            path.write_text(answer.source(topic), encoding="utf-8")
            result = grade_here(course, "sums", path, hidden=True)
            assert (result.earned == result.possible) is full, answer.about


@pytest.mark.parametrize("name", ["two words", "class", "Big", "", "../up", "3d"])
def test_a_name_that_cannot_be_is_refused(course, name):
    with pytest.raises(TopicError, match="cannot name a topic"):
        new_topic(course, name)
    assert not (course.root / "solutions").exists()


def test_nothing_is_written_over(course):
    new_topic(course, "sums")
    course.solution("sums").write_text("my work", encoding="utf-8")
    with pytest.raises(TopicError, match="exists already"):
        new_topic(course, "sums")
    assert course.solution("sums").read_text("utf-8") == "my work"
