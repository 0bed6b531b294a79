"""`gradus init`: what a student's course holds, and where it is refused."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gradus.course import find_course, load_course
from gradus.errors import GradusError
from gradus.student.course import init as init_module
from gradus.student.course.course_files import tables_of
from gradus.topic import Topic
from tests.kits import answers
from tests.test_cli import gradus

HERE = find_course(Path(__file__).parent)
MADE = {
    ".gradus/kit.json",
    "README.md",
    "course.toml",
    "exercises/demo.ipynb",
    "exercises/demo.py",
    "graders/test_demo.py",
}


def test_a_class_is_not_built_into_a_students_course(made):
    with pytest.raises(GradusError, match="is a student's course"):
        gradus("course", str(made.root))


def files_in(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def made(kit, tmp_path, monkeypatch):
    """A course made from a small kit, with the working folder in it."""
    (kit.root / "datasets").mkdir()
    (kit.root / "datasets" / "dots.py").write_text("DOTS = 3\n", encoding="utf-8")
    gradus("init", str(tmp_path / "mine"), "--from", str(kit.root))
    monkeypatch.chdir(tmp_path / "mine")
    return load_course(tmp_path / "mine")


def test_a_course_holds_what_a_student_needs_and_nothing_else(kit, made):
    assert files_in(made.root) == MADE | {"datasets/dots.py"}
    stub = kit.exercise("demo").read_bytes()
    assert made.exercise("demo").read_bytes() == stub
    assert made.topics == ("demo",)
    for path in files_in(made.root):
        text = (made.root / path).read_text("utf-8")
        for trace in ("hidden", "rows_of_one", "narrow", "for the instructor", "BEGIN SOLUTION"):
            assert trace not in text, path


def test_an_answer_is_graded_there_and_remembered(made, capfd):
    gradus("check", "demo", code=1)
    made.exercise("demo").write_text(answers(), encoding="utf-8")
    gradus("check", "demo")
    assert "done" in gradus()


def test_every_command_of_its_readme_is_there(made):
    from gradus.cli import app

    commands = {c.name or c.callback.__name__ for c in app.registered_commands}
    found = re.findall(r"^gradus (\w+)", (made.root / "README.md").read_text("utf-8"), re.MULTILINE)
    assert {"check", "hint", "reset", "update"} <= set(found) <= commands


def test_pytest_alone_grades_the_exercises_and_a_folder_above_has_no_say(made, tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --nope\n", encoding="utf-8")
    (tmp_path / "conftest.py").write_text("raise SystemExit('not mine')\n", encoding="utf-8")
    gradus("check", "demo", code=1)
    (tmp_path / "pytest.ini").unlink()
    (tmp_path / "conftest.py").unlink()
    words = [sys.executable, "-m", "pytest", "--strict-markers", "-p", "no:cacheprovider"]
    done = subprocess.run(words, cwd=made.root, capture_output=True, text=True, check=False)
    assert re.search(r"\b7 todo in ", done.stdout), done.stdout


@pytest.mark.parametrize("name", ["with space", "a[b]", "과정", "deep/er/still", "quote's"])
def test_folders_of_any_name(kit, tmp_path, monkeypatch, name, capfd):
    monkeypatch.chdir(tmp_path)
    out = gradus("init", name, "--from", str(kit.root))
    assert "next: cd " in out
    assert files_in(tmp_path / name) == MADE
    monkeypatch.chdir(tmp_path / name / "exercises")
    gradus("check", "demo", code=1)


def test_an_empty_folder_that_is_there_is_filled(kit, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    gradus("init", ".", "--from", str(kit.root))
    assert files_in(tmp_path / "here") == MADE
    assert files_in(Path.cwd()) == MADE  # it is still the same folder


def test_a_course_inside_a_kit_is_one_of_its_own(kit, monkeypatch, capfd):
    monkeypatch.chdir(kit.root)
    gradus("init", "my-course", "--from", ".")
    monkeypatch.chdir("my-course")
    gradus("check", "demo", code=1)
    assert find_course().root == kit.root / "my-course"
    assert gradus("update") == "nothing is new.\n"


def test_topics_are_chosen_and_keep_the_order_of_the_kit(tmp_path, capfd):
    gradus("init", str(tmp_path / "mine"), "--topic", "cnn", "--topic", "tensors")
    course = load_course(tmp_path / "mine")
    assert course.topics == ("tensors", "cnn")
    assert {p.name for p in (course.root / "graders").iterdir()} == {
        *("test_tensors.py", "test_cnn.py", "thresholds.toml")
    }
    bars = (course.root / "graders" / "thresholds.toml").read_text("utf-8")
    assert set(re.findall(r"^\[(\w+)\.", bars, re.MULTILINE)) == {"cnn"}


def test_nothing_of_a_solution_or_a_hidden_check_of_the_real_kit_is_in_a_course(tmp_path):
    gradus("init", str(tmp_path / "mine"))
    texts = {p: (tmp_path / "mine" / p).read_text("utf-8") for p in files_in(tmp_path / "mine")}
    hidden = re.compile(r"^@pytest\.mark\.hidden\n(?:@.*\n)*def (\w+)", re.MULTILINE)
    for topic in HERE.topics:
        assert f"exercises/{topic}.py" in texts
        assert f"exercises/{topic}.ipynb" in texts
        names = hidden.findall(HERE.grader(topic).read_text("utf-8"))
        hints = [h for t in Topic.load(HERE.solution(topic)).tasks.values() for h in t.hints]
        for path, text in texts.items():
            own = names if topic in path else []
            found = [w for w in (*own, *hints, "BEGIN SOLUTION", "mark.hidden") if w in text]
            assert not found, (path, found)


REFUSED = [
    ("full", "is not empty. Name a new folder"),
    ("course", "there is a gradus course already.*gradus update"),
    ("course/inside", "lies inside the course"),
    ("file", "is a file. Name a new folder"),
    ("file/below", "cannot be written here"),
]


@pytest.mark.parametrize(("name", "said"), REFUSED, ids=[name for name, _ in REFUSED])
def test_where_no_course_can_be_made_it_says_why_and_changes_nothing(kit, tmp_path, name, said):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "course.toml").write_text("topics = []\n", encoding="utf-8")
    before = files_in(tmp_path)
    with pytest.raises(GradusError, match=said):
        gradus("init", str(tmp_path / name), "--from", str(kit.root))
    assert files_in(tmp_path) == before


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="needs a user who may not write everywhere"
)
def test_a_folder_that_cannot_be_written_to(kit, tmp_path):
    (tmp_path / "shut").mkdir(mode=0o555)
    with pytest.raises(GradusError, match=r"cannot be written here \(Permission denied\)"):
        gradus("init", str(tmp_path / "shut" / "mine"), "--from", str(kit.root))


def test_an_unknown_topic_is_told_with_those_that_there_are(kit, tmp_path):
    with pytest.raises(GradusError, match=r"no topic 'cmn'. There are: demo"):
        gradus("init", str(tmp_path / "mine"), "--topic", "cmn", "--from", str(kit.root))
    assert not (tmp_path / "mine").exists()


def test_what_is_no_whole_kit_is_refused(kit, made, tmp_path):
    for folder, said in ((tmp_path, "is not a kit"), (made.root, "is missing, so no exercise can")):
        with pytest.raises(GradusError, match=said):
            gradus("init", str(tmp_path / "other"), "--from", str(folder))
    notebook = kit.exercise("demo").with_suffix(".ipynb")
    text = notebook.read_text("utf-8")
    notebook.write_text(text.replace("TODO: double", "done"), encoding="utf-8")
    with pytest.raises(GradusError, match=r"not as `gradus export` wrote it"):
        gradus("init", str(tmp_path / "other"), "--from", str(kit.root))
    assert not (tmp_path / "other").exists()


def test_answers_in_the_kit_s_own_exercises_stay_out_of_a_course(kit, tmp_path):
    stub = kit.exercise("demo").read_bytes()
    kit.exercise("demo").write_text(answers(), encoding="utf-8")
    gradus("init", str(tmp_path / "mine"), "--from", str(kit.root))
    assert load_course(tmp_path / "mine").exercise("demo").read_bytes() == stub


def test_stopped_in_the_middle_it_leaves_nothing(kit, tmp_path, monkeypatch):
    real, count = init_module.write_whole, 0

    def stopped(path, data):
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        real(path, data)

    monkeypatch.setattr(init_module, "write_whole", stopped)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        init_module.make_course(tmp_path / "mine", kit, (), kit.root)
    assert sorted(tmp_path.iterdir()) == before


def test_hints_come_from_the_kit_that_the_course_was_made_from(kit, made):
    assert "1 of 2" in gradus("hint", "double")
    assert made.source("demo") == kit.solution("demo")
    assert made.source("tensors") is None
    kit.root.rename(kit.root.with_name("moved"))
    with pytest.raises(GradusError, match="no hints for demo here"):
        gradus("hint", "double")


def test_a_damaged_kit_is_told_by_its_file_and_line(kit, tmp_path):
    with kit.grader("demo").open("a", encoding="utf-8") as file:
        file.write("def test_(:\n")
    with pytest.raises(GradusError, match=r"test_demo\.py:\d+: invalid syntax"):
        gradus("init", str(tmp_path / "mine"), "--from", str(kit.root))
    assert not (tmp_path / "mine").exists()


def test_hints_come_from_the_installed_kit(tmp_path, monkeypatch):
    gradus("init", str(tmp_path / "mine"), "--topic", "tensors")
    monkeypatch.chdir(tmp_path / "mine")
    assert "1 of 3" in gradus("hint", "one_hot")


def test_no_library_that_takes_long_is_imported(tmp_path):
    code = (
        "import sys; from gradus.cli import app\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit as end: print(end.code, {'torch', 'nbformat', 'numpy'} & set(sys.modules))"
    )
    words = [sys.executable, "-c", code, "init", str(tmp_path / "mine")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("0 set()\n")


def test_tables_of_other_topics_are_cut_and_the_rest_is_kept():
    text = "# top\n\n[a.x]\nlist = [\n    {b = 1},\n]\n\n[ab.y]\nz = 1\n[a.z]\nw = 2\n"
    assert tables_of(text, ["a"]) == "# top\n\n[a.x]\nlist = [\n    {b = 1},\n]\n\n[a.z]\nw = 2\n"
    assert tables_of(text, []) == "# top\n\n"


def test_a_copy_of_a_course_is_a_course(made, tmp_path, monkeypatch, capfd):
    shutil.copytree(made.root, tmp_path / "laptop")
    monkeypatch.chdir(tmp_path / "laptop")
    gradus("check", "demo", code=1)
