"""`gradus reset`, `restore` and `solution`: a student starts again, and loses nothing."""

import json
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

from gradus.authoring.export import export, outputs
from gradus.course import find_course, load_course
from gradus.errors import GradusError
from gradus.student.work.fresh import fresh_module, fresh_notebook, source_of
from gradus.topic import Topic, todo_line
from tests.kits import answers, write_kit
from tests.test_cli import gradus

COURSE = find_course()


@pytest.fixture
def kit(shared_kit, tmp_path, monkeypatch):
    """A kit of the test's own whose exercises are solved, with the working folder in it."""
    course = write_kit(tmp_path / "kit")
    course.exercise("demo").write_text(answers(), encoding="utf-8")
    monkeypatch.chdir(course.root)
    return course


def kept(course):
    """Backups, the newest first."""
    folder = course.state / "backups"
    return sorted(folder.iterdir(), reverse=True) if folder.exists() else []


def solved_notebook(course):
    """The notebook with the answers of the solution, as Jupyter leaves it after a run."""
    path = course.exercise("demo").with_suffix(".ipynb")
    notebook = nbformat.read(path, as_version=4)
    tasks = Topic.load(course.solution("demo")).tasks
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in tasks:
            cell.source = tasks[name].source.strip("\n")
        if cell.cell_type == "code":
            cell.execution_count = 1
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="3 of 3\n")]
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    return path


def cells(path):
    """Code cells by nbgrader's name for them."""
    found = json.loads(path.read_text("utf-8"))["cells"]
    return {c["metadata"].get("nbgrader", {}).get("grade_id", c.get("id")): c for c in found}


@pytest.mark.parametrize("topic", COURSE.topics)
def test_a_fresh_file_is_what_is_exported_without_nbgrader(topic):
    source, made = source_of(COURSE, topic), outputs(COURSE, topic)
    exercise = COURSE.exercise(topic)
    assert fresh_module(source) == made[exercise]
    assert fresh_notebook(COURSE, source) == made[exercise.with_suffix(".ipynb")]


def test_one_task_alone_is_reset_and_all_else_stays_byte_for_byte(kit):
    path = kit.exercise("demo")
    mine = answers().replace("# %%\nimport torch", "# %%\nMINE = 1  # é\nimport torch")
    path.write_text(mine, encoding="utf-8")
    out = gradus("reset", "demo.row_means")
    topic = Topic.load(kit.solution("demo"))
    assert path.read_text("utf-8") == mine.replace(
        topic.tasks["row_means"].source, topic.stub_of("row_means")
    )
    assert "row_means in exercises/demo.py is as it was at the start." in out
    assert "gradus restore demo" in out
    assert [p.read_text("utf-8") for p in kept(kit)] == [mine]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_marks_of_other_editors_are_kept(kit, end, bom):
    path = kit.exercise("demo")
    path.write_bytes(bom + answers().replace("\n", end).encode())
    gradus("reset", "double")
    topic = Topic.load(kit.solution("demo"))
    wanted = answers().replace(topic.tasks["double"].source, topic.stub_of("double"))
    assert path.read_bytes() == bom + wanted.replace("\n", end).encode()


ODD = {
    "a decorator": "import functools\n\n\n@functools.cache\n@functools.wraps(\n    print\n)\n"
    "def double(x):\n    return 2 * x\n",
    "comments at its end": "def double(x):\n    return 2 * x\n    # 2 * x\n\n    # or 2 * x\n",
    "tabs": "def double(x):\n\tif True:\n\t\treturn 2 * x\n",
    "a lambda": "double = lambda x: 2 * x\n",
    "no line break at the end": "def double(x):\n    return 2 * x",
    "a mistake in it": "def double(x:\n    return 2 * x\nreturn 3\n",
    "a mistake in it and a decorator": "@torch.no_grad()\ndef double(x):\n    return (2 * x\n\n",
    "a mistake elsewhere": "def double(x):\n    return 2 * x\n\n\n# %%\ndef other(:\n    pass\n",
    "a string with a cell's mark": 'def double(x):\n    """\n# %%\n    """\n    return 2 * x\n',
}


@pytest.mark.parametrize("about", ODD)
def test_an_odd_definition_is_found_whole(kit, about):
    before, after = "# %%\nfirst = 1\n\n\n# %%\n", "\n\n# %%\nlast = 2\n"
    mine = ODD[about]
    kit.exercise("demo").write_text(before + mine + after, encoding="utf-8")
    gradus("reset", "double")
    text = kit.exercise("demo").read_text("utf-8")
    assert text.startswith(before)
    assert text.endswith(after)
    assert text.count("def double(") == 1
    assert todo_line("double") in text
    assert "2 * x" not in text
    assert ("def other(" in text) is ("elsewhere" in about)
    assert ("import functools\n" in text) is ("import functools" in mine)
    assert "@" not in text


def test_a_class_is_a_task_like_a_function(kit):
    gradus("reset", "Affine")
    text = kit.exercise("demo").read_text("utf-8")
    assert "nn.Parameter(" not in text
    assert todo_line("Affine") in text
    assert "return 2 * x" in text


def test_of_two_definitions_the_one_that_counts_is_reset_and_the_other_told(kit):
    path = kit.exercise("demo")
    path.write_text(answers() + "\n\ndef double(x):\n    return x + x\n", encoding="utf-8")
    out = gradus("reset", "double")
    assert "double is defined in line 15 too" in out
    text = path.read_text("utf-8")
    assert "return 2 * x" in text
    assert "return x + x" not in text
    assert text.rstrip().endswith(todo_line("double"))


def test_a_task_that_is_gone_comes_back_at_the_end(kit):
    path = kit.exercise("demo")
    path.write_text("mine = 1", encoding="utf-8")
    assert "double was not in it; it is at its end now." in gradus("reset", "double")
    text = path.read_text("utf-8")
    assert text.startswith("mine = 1\n")
    assert todo_line("double") in text


def test_what_is_no_text_or_not_there_is_left_and_the_way_out_told(kit):
    path = kit.exercise("demo")
    path.write_bytes(b"def double(x):\n    return '\xff'\n")
    with pytest.raises(GradusError, match=r"(?s)line 2 is not UTF-8.*gradus reset demo"):
        gradus("reset", "double")
    path.unlink()
    path.with_suffix(".ipynb").unlink()
    with pytest.raises(GradusError, match=r"is not there. The whole topic anew: gradus reset demo"):
        gradus("reset", "double")
    gradus("reset", "demo")
    assert todo_line("double") in path.read_text("utf-8")


def test_a_notebook_is_reset_as_a_whole_without_nbgrader(kit, monkeypatch):
    path = kit.exercise("demo").with_suffix(".ipynb")
    start = path.read_text("utf-8")
    mine = solved_notebook(kit).read_text("utf-8")
    monkeypatch.setitem(sys.modules, "nbgrader", None)
    out = gradus("reset", "demo", "--notebook")
    assert "exercises/demo.ipynb is as it was at the start." in out
    assert path.read_text("utf-8") == start
    assert [p.read_text("utf-8") for p in kept(kit)] == [mine]
    path.write_text("{", encoding="utf-8")
    gradus("reset", "exercises/demo.ipynb")
    assert path.read_text("utf-8") == start


def test_one_task_of_a_notebook_is_reset_with_what_stands_below_it(kit):
    path = solved_notebook(kit)
    before = cells(path)
    gradus("reset", "demo.double", "--notebook")
    after = cells(path)
    changed = [name for name in before if before[name] != after[name]]
    assert changed == ["double", "check-double"]
    assert todo_line("double") in "".join(after["double"]["source"])
    assert after["double"]["metadata"] == before["double"]["metadata"]
    assert after["check-double"]["outputs"] == []


def test_a_task_in_a_cell_of_the_students_own_is_found(kit):
    path = solved_notebook(kit)
    notebook = nbformat.read(path, as_version=4)
    own = nbformat.v4.new_code_cell(
        "%%time\nhelper = 3\n\ndef double(x):\n    return helper * x - x\n"
    )
    notebook.cells.append(own)
    nbformat.write(notebook, path)
    assert "double is defined in cell" in gradus("reset", "double", "--notebook")
    last = "".join(json.loads(path.read_text("utf-8"))["cells"][-1]["source"])
    assert last.startswith("%%time\nhelper = 3\n\ndef double(x: Tensor)")
    assert last.endswith(todo_line("double"))
    for cell in notebook.cells:
        cell.source = cell.source.replace("double", "dubble")
        cell.metadata = {}
    nbformat.write(notebook, path)
    assert "it is in its last cell now" in gradus("reset", "double", "--notebook")
    nbformat.validate(nbformat.read(path, as_version=4))


def test_a_damaged_notebook_is_left_and_the_way_out_told(kit):
    path = kit.exercise("demo").with_suffix(".ipynb")
    for text in ("{", "[]", '{"nbformat": 3, "worksheets": []}', '{"nbformat": 4, "cells": [3]}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(GradusError, match=r"is a? ?not|notebook.*gradus reset demo --notebook"):
            gradus("reset", "double", "--notebook")
        assert path.read_text("utf-8") == text


def test_a_reset_without_a_backup_does_not_happen(kit):
    (kit.state).mkdir()
    (kit.state / "backups").write_text("in the way", encoding="utf-8")
    with pytest.raises(GradusError, match=r"demo.py is as it was"):
        gradus("reset", "demo")
    assert kit.exercise("demo").read_text("utf-8") == answers()


def test_a_full_disk_leaves_the_file_as_it_was_and_nothing_beside_it(kit, monkeypatch):
    def full(path, target):
        raise OSError(28, "No space left on device", str(path))

    before = sorted(kit.exercise("demo").parent.iterdir())
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(GradusError, match=r"No space left on device. demo.py is as it was"):
        gradus("reset", "demo")
    assert kit.exercise("demo").read_text("utf-8") == answers()
    assert sorted(kit.exercise("demo").parent.iterdir()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there, and modes are others")
def test_links_and_rights_of_a_file_stay(kit, tmp_path):
    path, elsewhere = kit.exercise("demo"), tmp_path / "synchronised.py"
    path.rename(elsewhere)
    elsewhere.chmod(0o640)
    path.symlink_to(elsewhere)
    gradus("reset", "double")
    assert path.is_symlink()
    assert todo_line("double") in elsewhere.read_text("utf-8")
    assert elsewhere.stat().st_mode & 0o777 == 0o640


def test_restore_brings_work_back_and_can_be_undone(kit):
    mine, path = answers(), kit.exercise("demo")
    with pytest.raises(GradusError, match=r"no backup. `gradus reset` makes them"):
        gradus("restore")
    assert "nothing is kept yet" in gradus("restore", "--list")
    gradus("reset", "demo")
    stub = path.read_text("utf-8")
    out = gradus("restore", "demo")
    assert "exercises/demo.py is as it was kept on 20" in out
    assert path.read_text("utf-8") == mine
    gradus("restore")
    assert path.read_text("utf-8") == stub
    gradus("restore")
    assert path.read_text("utf-8") == mine
    assert len(kept(kit)) == 2
    path.write_text("newer", encoding="utf-8")
    gradus("reset", "demo")
    oldest = kept(kit)[-1].name
    gradus("restore", oldest)
    assert path.read_text("utf-8") == mine
    listed = gradus("restore", "--list").splitlines()
    assert len(listed) == 4
    assert oldest in listed[-2]
    assert listed[-1].endswith(f"gradus restore {oldest}")


def test_restore_undoes_the_last_reset_also_of_what_was_kept_before(kit):
    work = kit.exercise("demo").read_bytes()
    gradus("reset", "demo.double")
    gradus("restore", "demo")
    gradus("reset", "demo")
    gradus("restore", "demo")
    assert kit.exercise("demo").read_bytes() == work


def test_restore_of_a_notebook_and_of_an_unknown_name(kit):
    mine = solved_notebook(kit).read_text("utf-8")
    gradus("reset", "demo", "--notebook")
    gradus("restore")
    assert kit.exercise("demo").with_suffix(".ipynb").read_text("utf-8") == mine
    with pytest.raises(GradusError, match="no topic 'cmn'"):
        gradus("restore", "cmn")
    with pytest.raises(GradusError, match=r"no backup of demo-1.py"):
        gradus("restore", "demo-1.py")


def test_a_reset_of_what_is_untouched_keeps_no_copy(kit):
    gradus("reset", "demo")
    assert "kept" not in gradus("reset", "demo")
    assert len(kept(kit)) == 1


@pytest.fixture
def released(kit, tmp_path, monkeypatch):
    """A folder as nbgrader releases it: no exercises/, no solutions/."""
    folder = tmp_path / "released"
    (folder / "graders").mkdir(parents=True)
    shutil.copy(kit.root / "course.toml", folder)
    shutil.copy(kit.grader("demo"), folder / "graders")
    shutil.copy(solved_notebook(kit), folder)
    monkeypatch.chdir(folder)
    return load_course(folder)


def test_in_a_released_folder_reset_says_what_can_be_done(released):
    for words in (["demo"], ["demo.double"]):
        with pytest.raises(GradusError, match=r"download it again.*git checkout -- demo\.ipynb"):
            gradus("reset", *words)
    with pytest.raises(GradusError, match=r"no solution of demo here"):
        gradus("solution", "double")
    assert "demo" in gradus("list")
    with pytest.raises(GradusError, match=r"no backup"):
        gradus("restore")


def test_a_solution_is_shown_after_full_marks_or_anyway(kit, capfd):
    with pytest.raises(GradusError, match=r"your code was not checked as it is now"):
        gradus("solution", "double")
    kit.exercise("demo").write_text(
        answers(double="def double(x):\n    return x**2\n"), encoding="utf-8"
    )
    gradus("check", "demo", code=1)
    with pytest.raises(GradusError, match=r"demo.double: 2 of 3 points are missing"):
        gradus("solution", "double")
    shown = gradus("solution", "row_means")
    assert "return table.mean(dim=-1)" in shown
    for mark in ("SOLUTION", "HINT", "TASK"):
        assert mark not in shown
    assert "return 2 * x" in gradus("solution", "double", "--anyway")
    gradus("reset", "row_means")
    with pytest.raises(GradusError, match=r"it is not tried yet"):
        gradus("solution", "row_means")
    with pytest.raises(
        GradusError, match=r"name one of its tasks, such as gradus solution demo.TASK"
    ):
        gradus("solution", "demo")


def test_the_kit_s_own_solutions_are_shown_without_marks():
    for topic in COURSE.topics:
        for task in Topic.load(COURSE.solution(topic)).tasks:
            shown = gradus("solution", f"{topic}.{task}", "--anyway")
            compile(shown, task, "exec")
            assert not any(mark in shown for mark in ("### ", "# HINT", "# TASK"))


def test_a_task_that_is_exported_anew_is_as_at_the_start(kit):
    export(kit, kit.topics)
    stub = kit.exercise("demo").read_text("utf-8")
    gradus("reset", "double")
    assert kit.exercise("demo").read_text("utf-8") == stub
