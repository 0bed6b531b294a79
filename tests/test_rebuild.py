"""`gradus course` run again: what an instructor has added, changed or taken out stays."""

import nbformat
import pytest

from gradus.classroom.course_folder import build_course
from gradus.classroom.rebuild import rebuild
from tests.kits import copy_kit
from tests.nbgrader_course import cell_of
from tests.test_cli import gradus


def text(source):
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(name, source="", **about):
    return {
        "cell_type": "code",
        "metadata": {"nbgrader": {"grade_id": name, **about}},
        "source": source,
    }


LAST = [
    text("# One"),
    code("a", "pass"),
    code("check-a", "check('a')", points=3),
    text("# Two"),
    code("b"),
]


def sources(made):
    return [cell["source"] or cell["metadata"]["nbgrader"]["grade_id"] for cell in made.cells]


@pytest.mark.parametrize(
    ("edited", "expected", "kept"),
    [
        (LAST, ["# One", "pass", "check('a')", "# Two", "b"], []),
        (
            [*LAST[:3], text("My question"), code("mine", "my test"), *LAST[3:]],
            ["# One", "pass", "check('a')", "My question", "my test", "# Two", "b"],
            ["“My question”", "mine"],
        ),
        (
            [text("First"), *LAST],
            ["First", "# One", "pass", "check('a')", "# Two", "b"],
            ["“First”"],
        ),
        (
            [text("# One, my words"), *LAST[1:]],
            ["# One, my words", "pass", "check('a')", "# Two", "b"],
            ["“# One, my words”"],
        ),
        (LAST[:3], ["# One", "pass", "check('a')"], ["without “# Two”", "without b"]),
        (
            [LAST[0], code("a", "more hints"), *LAST[2:]],
            ["# One", "more hints", "check('a')", "# Two", "b"],
            ["your text of a"],
        ),
    ],
)
def test_changes_are_kept(edited, expected, kept):
    made = rebuild(LAST, edited, LAST)
    assert sources(made) == expected
    assert made.kept == kept
    assert made.conflicts == []


def test_points_are_kept():
    edited = [*LAST[:2], code("check-a", "check('a')", points=10), *LAST[3:]]
    made = rebuild(LAST, edited, LAST)
    assert made.cells[2]["metadata"]["nbgrader"] == {"grade_id": "check-a", "points": 10}
    assert made.kept == ["10 points of check-a"]
    assert LAST[2]["metadata"]["nbgrader"]["points"] == 3


def test_what_the_kit_has_changed_comes_in_around_what_is_kept():
    new = [
        text("# One"),
        code("a", "pass"),
        code("check-a", "check('a')", points=4),
        code("new"),
        text("# 2"),
    ]
    edited = [*LAST[:3], text("My question"), *LAST[3:]]
    made = rebuild(LAST, edited, new)
    assert sources(made) == ["# One", "pass", "check('a')", "My question", "new", "# 2"]
    assert made.cells[2]["metadata"]["nbgrader"]["points"] == 4


def test_a_text_that_both_have_changed_is_the_kits_and_told():
    edited = [LAST[0], code("a", "mine"), *LAST[2:]]
    made = rebuild(LAST, edited, [LAST[0], code("a", "theirs"), *LAST[2:]])
    assert sources(made)[1] == "theirs"
    assert made.conflicts == ["a"]


def test_a_course_built_again_keeps_own_cells_and_settings(shared_kit, tmp_path, monkeypatch):
    kit = copy_kit(shared_kit, tmp_path / "kit")
    monkeypatch.chdir(kit.root)
    gradus("course", "../course")
    course = tmp_path / "course"
    path = course / "source" / "demo" / "demo.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("My question"))
    cell_of(notebook, "check-double").metadata.nbgrader.points = 30
    nbformat.write(notebook, path)
    edited = path.read_bytes()
    with (course / "nbgrader_config.py").open("a", encoding="utf-8") as file:
        file.write("c.AssignLatePenalties.enabled = False\n")
    said = gradus("course", "../course")
    assert "demo: kept: 30 points of check-double, “My question”" in said
    again = nbformat.read(path, as_version=4)
    assert again.cells[-1].source == "My question"
    assert cell_of(again, "check-double").metadata.nbgrader.points == 30
    assert "AssignLatePenalties" in (course / "nbgrader_config.py").read_text("utf-8")
    assert path.read_bytes() == edited  # the kit is as it was
    before = path.read_bytes()
    assert "kept: 30 points" in gradus("course", "../course")
    assert path.read_bytes() == before
    exported = kit.root / "solutions" / "demo.ipynb"
    exported.write_text(exported.read_text("utf-8").replace("demo", "demonstration", 1), "utf-8")
    build_course(kit, course, "gradus")
    (backup,) = (course / ".gradus" / "backups").iterdir()
    assert backup.read_bytes() == edited


def test_a_notebook_that_cannot_be_read_is_kept_aside(shared_kit, tmp_path, monkeypatch):
    kit = copy_kit(shared_kit, tmp_path / "kit")
    monkeypatch.chdir(kit.root)
    gradus("course", "../course")
    path = tmp_path / "course" / "source" / "demo" / "demo.ipynb"
    path.write_text("[broken", encoding="utf-8")
    said = gradus("course", "../course")
    assert "your notebook could not be read, and was replaced" in said
    assert "the notebook as it was lies in .gradus/backups/demo-" in said
    nbformat.read(path, as_version=4)
