"""A class of 76 odd hand-ins is graded in one go, and everybody gets the points that the answer deserves."""

import csv
import re
import sys

import pytest

from tests.odd_class import hand_in, odd_kit
from tests.test_cli import gradus

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="hands in links and pipes")


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Who handed in what, the rows of the CSV, and what was printed."""
    course = odd_kit(tmp_path_factory.mktemp("odd") / "kit")
    students = hand_in(course, course.root / "in")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(course.root)
        out = gradus("grade", "in", "--allow-unsandboxed", "--csv", "points.csv", code=1)
        with (course.root / "points.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = {row["student"]: row for row in csv.DictReader(file)}
        yield students, rows, out


def test_everybody_gets_the_points_that_the_answer_deserves(graded):
    students, rows, _ = graded
    assert len(students) >= 60
    expected = {
        f"'{who}" if who.startswith("=") else who: (odd.points, odd.sums)  # no formula in a sheet
        for who, odd in students.items()
        if (odd.points, odd.sums) != (None, None)
    }
    points = {
        who: tuple(int(row[topic]) if row[topic] else None for topic in ("demo", "sums"))
        for who, row in rows.items()
    }
    assert points == expected


def test_who_has_no_mark_is_named_with_the_reason(graded):
    students, _, out = graded
    lines = out.splitlines()
    unsaid = [
        who
        for who, odd in students.items()
        if odd.said and not any(who.split("_")[0] in line and odd.said in line for line in lines)
    ]
    assert unsaid == []
    without = {w for w, odd in students.items() if (odd.points, odd.sums) == (None, None)}
    assert all(odd.said for who, odd in students.items() if who in without)
    named = {who for who in students if f"not placed: {who}: " in out}
    assert named <= {who for who, odd in students.items() if odd.points is None}
    assert out.count("no file for sums was found") == 1  # a crowd that lacks a topic is one line
    assert f"not placed: {len(students) - len(without) - 3} students: no file for sums" in out
    assert "canvas.zip: no file" not in out  # what a system packed is nobody's


def test_who_has_nothing_is_told_why_in_whole_sentences(graded):
    _, _, out = graded
    assert "0 points  stub_100: nothing but the stub" in out
    assert "does not define `double`; was it deleted or renamed? It must be there" in out
    assert re.search(r"0 points  notjson_\d+: demo.ipynb: is not a notebook", out)


@pytest.mark.parametrize(
    ("student", "task", "words"),
    [
        (
            "squared_126",
            "double",
            ["-2  failed: double gives two times every number.", "`x` was squared"],
        ),
        (
            "hiddenloss_127",
            "row_means",
            [
                "1 of 2, 1 lost; 1 of them taken by hidden checks",
                "-1  hidden, failed: A row of one",
            ],
        ),
        ("callloop_147", "double", ["-2  timeout: double gives", "is there an endless loop?"]),
    ],
)
def test_a_lost_point_is_explained_and_replayed(graded, student, task, words):
    out = gradus("explain", student, f"demo.{task}")
    assert all(word in out for word in ["called   ", *words]), out
    assert "expected " in out or "stopped " in out
    assert "file       canvas.zip: " in out
    assert f"{student}, demo: graded again with the same seed, and every check agrees." in gradus(
        "replay", student, "demo"
    )
