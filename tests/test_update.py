"""`gradus update`: a newer kit comes in, and nothing of a student's is lost."""

import json
import shutil
from pathlib import Path

import pytest

import gradus.student.course.update as update_module
from gradus.authoring.export import export
from gradus.course import load_course
from gradus.errors import GradusError
from tests.kits import answers
from tests.test_cli import gradus
from tests.test_init import files_in


@pytest.fixture
def mine(kit, tmp_path, monkeypatch):
    """A course made from a small kit, with the working folder in it."""
    gradus("init", str(tmp_path / "mine"), "--from", str(kit.root))
    monkeypatch.chdir(tmp_path / "mine")
    return load_course(tmp_path / "mine")


def renew(kit):
    """The kit's next version: another heading, another docstring of a check, and one more topic."""
    for path, old, new in (
        (kit.solution("demo"), "# A demonstration", "# A better demonstration"),
        (kit.grader("demo"), "gives two times every", "gives twice every"),
    ):
        path.write_text(path.read_text("utf-8").replace(old, new), encoding="utf-8")
    for folder, name in (("solutions", "{}.py"), ("graders", "test_{}.py")):
        text = (kit.root / folder / name.format("demo")).read_text("utf-8")
        (kit.root / folder / name.format("more")).write_text(text, encoding="utf-8")
    (kit.root / "course.toml").write_text('topics = ["more", "demo"]\n', encoding="utf-8")
    kit = load_course(kit.root)
    export(kit, kit.topics)
    return kit


def backups(course):
    folder = course.state / "backups"
    return {p.name.partition("-")[0]: p.read_text("utf-8") for p in folder.glob("*")}


def test_what_is_untouched_becomes_new_and_new_topics_come(kit, mine):
    assert gradus("update") == "nothing is new.\n"
    renew(kit)
    out = gradus("update")
    assert "2 in graders/" in out
    assert "4 in exercises/" in out
    assert "new topics: more" in out
    assert load_course(mine.root).topics == ("more", "demo")
    assert "A better demonstration" in mine.exercise("demo").read_text("utf-8")
    assert "twice every" in mine.grader("demo").read_text("utf-8")
    assert "rows_of_one" not in mine.grader("more").read_text("utf-8")
    assert not backups(mine)
    assert gradus("update") == "nothing is new.\n"


def test_work_stays_byte_for_byte_and_the_way_to_the_new_stub_is_told_once(kit, mine):
    work = answers().replace("\n", "\r\n").encode()  # as some editors save it
    mine.exercise("demo").write_bytes(work)
    assert "all else is as in the kit" in gradus("update")
    renew(kit)
    out = gradus("update")
    assert "your work stays as it is: exercises/demo.py\n" in out
    assert "the kit has demo anew. To start from that: gradus reset demo" in out
    assert mine.exercise("demo").read_bytes() == work
    assert "gradus reset" not in gradus("update")
    notebook = mine.exercise("demo").with_suffix(".ipynb")
    assert "A better demonstration" in notebook.read_text("utf-8")  # nobody had touched it


def test_checks_that_a_student_changed_are_the_kits_again_and_the_change_is_kept(mine):
    text = mine.grader("demo").read_text("utf-8")
    mine.grader("demo").write_text("# easier\n", encoding="utf-8")
    out = gradus("update")
    assert "graders/test_demo.py: was changed here. The kit's is back" in out
    assert mine.grader("demo").read_text("utf-8") == text
    assert backups(mine) == {"test_demo": "# easier\n"}


def test_what_is_missing_comes_back(mine):
    before = files_in(mine.root)
    shutil.rmtree(mine.root / "graders")
    mine.exercise("demo").unlink()
    gradus("update")
    assert files_in(mine.root) == before


def test_without_its_note_everything_is_taken_for_work(kit, mine):
    work = mine.exercise("demo").read_bytes()
    (mine.state / "kit.json").write_text("{", encoding="utf-8")
    kit = renew(kit)
    out = gradus("update", "--from", str(kit.root))
    assert "your work stays as it is" in out
    assert mine.exercise("demo").read_bytes() == work
    assert "twice every" in mine.grader("demo").read_text("utf-8")
    assert set(backups(mine)) == {"test_demo"}
    assert load_course(mine.root).topics == ("demo",)  # nobody knows whether all were wanted


def test_a_course_of_chosen_topics_gets_no_others(kit, tmp_path, monkeypatch):
    gradus("init", str(tmp_path / "few"), "--topic", "demo", "--from", str(kit.root))
    monkeypatch.chdir(tmp_path / "few")
    renew(kit)
    assert "new topics" not in gradus("update")
    assert load_course(tmp_path / "few").topics == ("demo",)


def test_a_topic_that_the_kit_has_no_more_stays_in_the_course(kit, mine):
    kit = renew(kit)
    gradus("update")
    bars = mine.root / "graders" / "thresholds.toml"
    bars.write_text("[demo.bar]\nthreshold = 1\n", encoding="utf-8")
    (kit.root / "course.toml").write_text('topics = ["more"]\n', encoding="utf-8")
    gradus("update")
    assert load_course(mine.root).topics == ("more", "demo")
    assert mine.exercise("demo").exists()
    assert "[demo.bar]" in bars.read_text("utf-8")


def test_bars_of_a_topic_of_the_students_own_stay_where_they_stand_first(kit, mine):
    (kit.root / "graders" / "thresholds.toml").write_text("[demo.bar]\nthreshold = 1\n", "utf-8")
    gradus("update")
    (mine.root / "course.toml").write_text('topics = ["own", "demo"]\n', encoding="utf-8")
    bars = mine.root / "graders" / "thresholds.toml"
    bars.write_text("[own.acc]\nthreshold = 3\n" + bars.read_text("utf-8"), encoding="utf-8")
    gradus("update")
    assert bars.read_text("utf-8").count("[own.acc]\nthreshold = 3\n") == 1
    assert bars.read_text("utf-8").count("[demo.bar]\nthreshold = 1\n") == 1
    assert gradus("update") == "nothing is new.\n"


def test_a_file_that_cannot_be_read_is_named_and_stays(kit, mine, monkeypatch):
    closed, real = mine.exercise("demo"), Path.read_bytes

    def read_bytes(path):
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    renew(kit)
    with pytest.raises(GradusError, match=r"demo\.py: cannot be read \(Permission denied\)"):
        gradus("update")


def test_stopped_in_the_middle_it_is_run_again(kit, mine, monkeypatch):
    mine.exercise("demo").write_text(answers(), encoding="utf-8")
    renew(kit)
    real, count = update_module.write_whole, 0

    def stopped(path, data):
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        real(path, data)

    monkeypatch.setattr(update_module, "write_whole", stopped)
    with pytest.raises(KeyboardInterrupt):
        update_module.update(mine)
    monkeypatch.setattr(update_module, "write_whole", real)
    out = gradus("update")
    assert "your work stays as it is: exercises/demo.py\n" in out
    assert "gradus reset demo" in out
    assert load_course(mine.root).topics == ("more", "demo")
    assert mine.exercise("demo").read_text("utf-8") == answers()
    assert not backups(mine)
    assert gradus("update").endswith("all else is as in the kit 0.1.0.\n")


def test_an_older_kit_than_the_courses_changes_nothing(kit, mine):
    note = mine.state / "kit.json"
    data = json.loads(note.read_text("utf-8"))
    note.write_text(json.dumps({**data, "version": "99.1"}), encoding="utf-8")
    renew(kit)
    before = mine.grader("demo").read_text("utf-8")
    with pytest.raises(GradusError, match=r"is from the kit 99\.1, .* older.*--upgrade gradus-kit"):
        gradus("update")
    assert mine.grader("demo").read_text("utf-8") == before


def test_a_kit_that_has_moved_is_asked_for(kit, mine, tmp_path):
    kit.root.rename(tmp_path / "moved")
    with pytest.raises(GradusError, match=r"which is not there now.*--from KIT"):
        gradus("update")
    assert gradus("update", "--from", str(tmp_path / "moved")) == "nothing is new.\n"
    assert gradus("update") == "nothing is new.\n"


def test_a_checkout_and_a_handed_out_folder_are_told_apart(kit, tmp_path, monkeypatch):
    monkeypatch.chdir(kit.root)
    with pytest.raises(GradusError, match=r"is a kit with its solutions.*git pull"):
        gradus("update")
    (tmp_path / "release").mkdir()
    for name in ("course.toml", "exercises/demo.ipynb"):
        shutil.copy(kit.root / name, tmp_path / "release")
    monkeypatch.chdir(tmp_path / "release")
    with pytest.raises(GradusError, match=r"was handed out by an instructor"):
        gradus("update")


def test_a_course_that_cannot_be_written_to_is_told_so(kit, mine):
    (mine.state / "kit.json").unlink()
    mine.state.rmdir()
    mine.state.write_text("in the way: not even an administrator can make the folder", "utf-8")
    renew(kit)
    with pytest.raises(GradusError, match=r"cannot be written to \(.*run gradus update again"):
        gradus("update", "--from", str(kit.root))
