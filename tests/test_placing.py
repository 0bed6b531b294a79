"""Whose answer to which topic each file is, as classes hand in: folders, zips, downloads of three systems."""

import errno
import json
import os
import sys
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradus.classroom.placing import zips
from gradus.classroom.placing.place import place
from gradus.course import find_course
from gradus.errors import GradusError

COURSE = find_course(Path(__file__).parent.parent)
UNTOUCHED = COURSE.exercise("tensors").read_text("utf-8")
ANSWER = COURSE.solution("tensors").read_text("utf-8")
UNTOUCHED_NOTEBOOK = COURSE.exercise("tensors").with_suffix(".ipynb").read_text("utf-8")
OLD, NEW = 1_700_000_000, 1_700_000_900  # when a file was saved


def as_notebook(text):
    cell = {"cell_type": "code", "source": text, "metadata": {}, "outputs": []}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]})


def write(folder, *names, text="x = 1\n", saved=OLD):
    """Write files, and the folders that they need."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        os.utime(path, (saved, saved))
    return folder


def zipped(path, *names, text="x = 1\n"):
    """Write a zip with these files; a pair is a name and its text or bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of two entries with one name
        for name in names:
            one, data = name if isinstance(name, tuple) else (name, text)
            archive.writestr(one, data)
    return path


@pytest.fixture
def placed(tmp_path):
    """Place what lies in `tmp_path / "class"`, or in these places, in a scratch folder beside it."""

    def run(*places, topics=("tensors",)):
        return place(places or [tmp_path / "class"], COURSE, topics, tmp_path / "scratch")

    return run


def answers(placing):
    """Whose, which topic, and the name of the file."""
    return [(one.student, one.topic, one.file.name) for one in placing.found]


def students(placing):
    """Everybody who has an answer."""
    return [one.student for one in placing.found]


def reasons(placing):
    """Why each thing was not placed, by its name."""
    return {one.path: one.why for one in placing.unplaced}


# Folders


def test_a_folder_of_folders_has_one_for_each_student(tmp_path, placed):
    write(
        tmp_path / "class",
        "bob/tensors/tensors.ipynb",
        "carol/hw1/tensors.ipynb",
        "alice/tensors.py",
    )
    placing = placed()
    assert answers(placing) == [
        ("alice", "tensors", "tensors.py"),
        ("bob", "tensors", "tensors.ipynb"),
        ("carol", "tensors", "tensors.ipynb"),
    ]
    assert placing.unplaced == ()
    assert {one.said for one in placing.found} == {""}
    assert placing.found[2].folder == (tmp_path / "class" / "carol" / "hw1").resolve()


def test_answers_come_by_student_and_in_teaching_order(tmp_path, placed):
    names = [f"{who}/{topic}.py" for who in "ba" for topic in ("cnn", "autograd", "tensors")]
    write(tmp_path / "class", *names)
    both = [(one.student, one.topic) for one in placed(topics=["cnn", "tensors"]).found]
    assert both == [("a", "tensors"), ("a", "cnn"), ("b", "tensors"), ("b", "cnn")]
    assert len(placed(topics=[]).found) == 6


def test_of_both_forms_the_one_with_answers_counts_then_the_one_saved_last(tmp_path, placed):
    write(tmp_path / "class", "ann/tensors.py", "ben/tensors.py", text=ANSWER)
    write(tmp_path / "class", "ann/tensors.ipynb", text=UNTOUCHED_NOTEBOOK, saved=NEW)
    write(tmp_path / "class", "ben/tensors.ipynb", text=as_notebook(ANSWER), saved=NEW)
    ann, ben = placed().found
    assert ann.file.name == "tensors.py"
    assert ann.said == "tensors.py was taken (with answers), not tensors.ipynb"
    assert ben.said == "tensors.ipynb was taken (saved last), not tensors.py"


def test_of_copies_the_newest_counts(tmp_path, placed):
    for number, name in enumerate(
        ["tensors.ipynb", "tensors copy.ipynb", "tensors-Copy1.ipynb", "tensors (1).ipynb"]
    ):
        write(tmp_path / "class" / "ann", name, text=as_notebook(ANSWER), saved=OLD + 100 * number)
    (ann,) = placed().found
    assert ann.file.name == "tensors (1).ipynb"
    assert ann.said.startswith("tensors (1).ipynb was taken (saved last), not tensors copy.ipynb")


def test_a_helper_that_is_called_like_the_topic_is_not_the_answer(tmp_path, placed):
    write(tmp_path / "class" / "ann", "tensors_utils.py", "test_tensors.py", saved=NEW)
    write(tmp_path / "class" / "ann", "tensors.py", text=ANSWER)
    assert answers(placed()) == [("ann", "tensors", "tensors.py")]


def test_what_tools_leave_is_no_answer(tmp_path, placed):
    left = [
        ".ipynb_checkpoints/tensors-checkpoint.ipynb", "__MACOSX/._tensors.py", "._tensors.ipynb",
        ".git/tensors.py", ".venv/tensors.py", "__pycache__/tensors.py", "node_modules/tensors.py",
        "mine/pyvenv.cfg", "mine/lib/tensors.py",
    ]  # fmt: skip
    write(tmp_path / "class" / "ann", "tensors.py", *left)
    write(tmp_path / "class", "__MACOSX/ann/tensors.py", ".DS_Store")
    (ann,) = placed().found
    assert (ann.file.parent.name, ann.said) == ("ann", "")


def test_a_checkout_is_graded_by_its_exercises(tmp_path, placed):
    one = ["exercises/tensors.py", "exercises/cnn.py", ".git/HEAD", "course.toml"]
    kit = ["solutions/tensors.py", "graders/test_tensors.py", "datasets/tensors.py"]
    write(tmp_path / "class" / "ann", *one, *kit)
    write(tmp_path / "class" / "ann", "tensors.py", text=ANSWER, saved=NEW)
    write(tmp_path / "class" / "ben", "course.toml", *kit)
    (ann,) = placed().found
    assert ann.file.parent.name == "exercises"
    assert ann.said == "exercises/tensors.py was taken (in exercises/), not tensors.py"
    write(tmp_path / "kim", *one, "old/first/tensors.py", "old/second/tensors.py")
    placing = placed(tmp_path / "kim")
    assert answers(placing) == [("kim", "tensors", "tensors.py")]
    assert placing.found[0].file.parent.name == "exercises"
    assert "no file for tensors was found" in reasons(placed())["ben"]


def test_a_kit_around_the_folder_changes_nothing(tmp_path, placed):
    write(
        tmp_path,
        "course.toml",
        "solutions/tensors.py",
        "exercises/tensors.py",
        "class/ann/tensors.py",
    )
    assert students(placed()) == ["ann"]
    write(tmp_path, "class/ben/tensors.py")
    placing = placed(tmp_path)
    assert students(placing) == ["ann", "ben"]
    assert {one.folder.name for one in placing.found} == {"ann", "ben"}


def test_nobody_gets_the_folder_of_all_students(tmp_path, placed):
    write(tmp_path / "class", "tensors.ipynb", "ann/tensors.py", "ben/tensors.py")
    folders = {one.student: one.folder and one.folder.name for one in placed().found}
    assert folders == {"ann": "ann", "ben": "ben", "class": None}
    write(tmp_path / "flat", "hw/tensors.ipynb", "hw/ann_tensors.py", "hw/ben_tensors.py")
    for name in ("flat", "flat/hw"):
        placing = placed(tmp_path / name)
        assert {"ann", "ben"} < set(students(placing))
        assert {one.folder for one in placing.found} == {None}


def test_folders_called_after_a_topic_and_a_student_are_the_students(tmp_path, placed):
    write(
        tmp_path / "class",
        "tensors-ann/exercises/tensors.py",
        "tensors-ben/tensors.ipynb",
        "cnn-ann/cnn.py",
    )
    found = [(who, topic) for who, topic, _ in answers(placed(topics=["tensors", "cnn"]))]
    assert found == [("ann", "tensors"), ("ann", "cnn"), ("ben", "tensors")]


def test_an_nbgrader_course_is_graded_by_what_was_submitted(tmp_path, placed):
    write(tmp_path / "class", "nbgrader_config.py", "gradebook.db", "source/tensors/tensors.ipynb")
    write(
        tmp_path / "class", "release/tensors/tensors.ipynb", "autograded/ann/tensors/tensors.ipynb"
    )
    for student in ("ann", "ben"):
        folder = tmp_path / "class" / "submitted" / student / "tensors"
        write(folder, "tensors.ipynb", "timestamp.txt")
    assert students(placed()) == ["ann", "ben"]
    assert students(placed(tmp_path / "class" / "submitted")) == ["ann", "ben"]
    assert placed().unplaced == ()


def test_a_folder_of_folders_may_lie_in_another_one_or_in_one_of_a_topic(tmp_path, placed):
    write(tmp_path / "class", "hw1/ann/tensors.py", "hw1/ben/tensors.py")
    assert students(placed()) == ["ann", "ben"]
    write(tmp_path / "other", "tensors/ann/tensors.py", "tensors/ben.ipynb", "cnn/ann/cnn.py")
    placing = placed(tmp_path / "other", topics=["tensors", "cnn"])
    assert [(a, t) for a, t, _ in answers(placing)] == [
        ("ann", "tensors"),
        ("ann", "cnn"),
        ("ben", "tensors"),
    ]


def test_a_students_own_folder_may_be_given(tmp_path, placed):
    write(tmp_path / "ann", "tensors.py", "cnn.ipynb", "helpers.py", "notes.txt")
    placing = placed(tmp_path / "ann", topics=["tensors", "cnn"])
    assert students(placing) == ["ann", "ann"]
    assert placing.found[0].folder == (tmp_path / "ann").resolve()
    assert placing.unplaced == ()


# Single files


def test_a_flat_folder_names_students_in_its_files(tmp_path, placed):
    names = [
        "alice_tensors.py",
        "tensors_bob.ipynb",
        "carol-tensors.ipynb",
        "tensors dan (1).ipynb",
    ]
    write(tmp_path / "class", *names)
    placing = placed()
    assert students(placing) == ["alice", "bob", "carol", "dan"]
    assert {one.folder for one in placing.found} == {None}
    assert {one.said for one in placing.found} == {""}


def test_a_student_who_is_called_like_a_topic_is_a_student(tmp_path, placed):
    write(tmp_path / "class", "gan_tensors.py", "kim/tensors.py", "gan/tensors.py")
    assert students(placed()) == ["gan", "kim"]


def test_topics_of_several_words_are_known_by_any_sign_between_them(tmp_path, placed):
    write(
        tmp_path / "class",
        "ann/Data-Loading.py",
        "ben/data loading (2).ipynb",
        "eve_data_loading.py",
    )
    assert students(placed(topics=["data_loading"])) == ["ann", "ben", "eve"]


def test_a_lone_misnamed_file_is_taken_and_said(tmp_path, placed):
    write(tmp_path / "class" / "ann", "homework final (2).ipynb", "numbers.csv")
    (ann,) = placed().found
    assert ann.said == "homework final (2).ipynb was taken for tensors"
    placing = placed(topics=["tensors", "cnn"])
    assert placing.found == ()
    assert "There is homework final (2).ipynb, numbers.csv" in reasons(placing)["ann"]


def test_a_misnamed_file_is_known_by_the_tasks_that_it_defines(tmp_path, placed):
    write(tmp_path / "class" / "ann", "hw1.py", "helpers.py", text="def f(): pass\n")
    write(tmp_path / "class" / "ann", "hw1.py", text=ANSWER)
    write(tmp_path / "class", "ben.ipynb", text=UNTOUCHED_NOTEBOOK)
    write(tmp_path / "class", "make_marks.py")
    placing = placed(topics=[])
    assert answers(placing) == [("ann", "tensors", "hw1.py"), ("ben", "tensors", "ben.ipynb")]
    assert placing.found[0].said == "hw1.py was taken for tensors"
    assert list(reasons(placing)) == ["make_marks.py"]


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("tensors.ipynb", "eve"), ("tensors_ann.py", "ann"), ("homework (1).ipynb", "homework"),
        ("smithjane_12345_67890_tensors.ipynb", "smithjane_12345"),
    ],
)  # fmt: skip
def test_a_single_file_may_be_given(tmp_path, placed, name, student):
    write(tmp_path / "eve", name, "beside.py", "other/tensors.py")
    (one,) = placed(tmp_path / "eve" / name).found
    assert (one.student, one.folder) == (student, None)


def test_several_places_may_be_given_and_the_same_student_counts_once(tmp_path, placed):
    write(tmp_path / "one", "ann/tensors.py", "ben/tensors.py", text=ANSWER)
    write(tmp_path / "two", "ann/tensors.py", "eve/notes.txt", text=ANSWER, saved=NEW)
    ann_alone = tmp_path / "one" / "ann"
    placing = placed(tmp_path / "one", tmp_path / "two", ann_alone)
    assert students(placing) == ["ann", "ben"]
    assert (
        placing.found[0].said == "two/ann/tensors.py was taken (saved last), not one/ann/tensors.py"
    )
    assert list(reasons(placing)) == ["two/eve"]


def test_the_folder_or_the_zip_of_each_student_may_be_given(tmp_path, placed):
    write(
        tmp_path, "ann/hw1/tensors.py", "ben/hw1/tensors.py", "eve/hw1/tensors.py", "eve/hw2/cnn.py"
    )
    zipped(tmp_path / "kim.zip", "hw1/tensors.py")
    zipped(tmp_path / "leeann_12345_67890_work.zip", "hw1/tensors.py")
    places = [
        tmp_path / name for name in ("ann", "ben", "eve", "kim.zip", "leeann_12345_67890_work.zip")
    ]
    assert students(placed(*places)) == ["ann", "ben", "eve", "kim", "leeann_12345"]


# Downloads of learning management systems


CANVAS = {
    "smithjane_LATE_12345_67890_tensors-1.ipynb": "smithjane_12345",
    "smithjane_12346_67891_tensors.ipynb": "smithjane_12346",
    "o_brien2pat_777_67892_tensors_final_2.py": "o_brien2pat_777",
    "anon_x8Fk2_67893_tensors.ipynb": "anon_x8Fk2",
    "LATE_anon_Zq1_67894_tensors.ipynb": "anon_Zq1",
    "김민준_12347_67895_tensors.ipynb": "김민준_12347",
}
MOODLE = {
    "Jane Smith_1234567_assignsubmission_file_": "Jane Smith_1234567",
    "Jane Smith_1234568_assignsubmission_file": "Jane Smith_1234568",
    "Group A-Ann Lee_12_assignsubmission_file_": "Group A-Ann Lee_12",
    "Participant 99_99_assignsubmission_file_": "Participant 99_99",
}
BLACKBOARD = {
    "HW1_jsmith_attempt_2024-05-01-10-00-00_tensors.ipynb": "jsmith",
    "Week 1_ Tensors_klee_attempt_2024-05-01-10-00-01_my tensors.py": "klee",
}


@pytest.mark.parametrize("form", ["zip", "folder", "zip in a folder"])
@pytest.mark.parametrize("name", ["canvas", "moodle", "moodle flat", "blackboard"])
def test_downloads_of_systems_are_read_packed_and_unpacked(tmp_path, placed, form, name):
    expected = {
        "canvas": CANVAS,
        "moodle": {f"{folder}/tensors.ipynb": who for folder, who in MOODLE.items()},
        "moodle flat": {
            f"{folder.rstrip('_')}_tensors.ipynb": who for folder, who in MOODLE.items()
        },
        "blackboard": BLACKBOARD,
    }[name]
    notes = (
        [file.partition("_tensors")[0] + ".txt" for file in BLACKBOARD] if "black" in name else []
    )
    if form == "folder":
        write(tmp_path / "class", *expected, *notes)
        placing = placed()
    else:
        path = tmp_path / "class" / "submissions.zip"
        zipped(path, *expected, *notes)
        placing = placed() if "folder" in form else placed(path)
    assert sorted(students(placing)) == sorted(expected.values())
    assert {one.said for one in placing.found} <= {""}
    assert all((one.folder is None) == (name != "moodle") for one in placing.found)


def test_a_stray_file_in_a_download_changes_nothing(tmp_path, placed):
    write(tmp_path / "class", *CANVAS, "make_marks.py", "marks.csv")
    write(tmp_path / "class", "leeann_500_60000_report.pdf", "leeann_500_60001_tensors_text.html")
    placing = placed()
    assert sorted(students(placing)) == sorted(CANVAS.values())
    assert sorted(reasons(placing)) == ["leeann_500", "make_marks.py"]
    assert reasons(placing)["leeann_500"].endswith("Ask for tensors.ipynb or .py.")


def test_downloads_of_several_weeks_may_lie_beside_each_other(tmp_path, placed):
    write(tmp_path / "class", *[f"week1/{name}" for name in CANVAS])
    write(tmp_path / "class", *[f"week2/{name}/cnn.py" for name in MOODLE])
    zipped(tmp_path / "class" / "week3.zip", *BLACKBOARD)
    everybody = [*CANVAS.values(), *MOODLE.values(), *BLACKBOARD.values()]
    assert sorted(students(placed(topics=["tensors", "cnn"]))) == sorted(everybody)


FORGED = [
    "Ben_77_assignsubmission_file_tensors.py", "HW_ben_attempt_2099-05-01-10-00-00_tensors.py",
    "ben_12345_67890_tensors.py", "Ben_77_assignsubmission_file_/tensors.py", "ben/tensors.py",
    "ben_tensors.py", "submitted/ben/tensors.py",
]  # fmt: skip


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize("names", [*([name] for name in FORGED), FORGED])
def test_nobody_hands_in_for_somebody_else(tmp_path, placed, names, form):
    where = tmp_path / "class"
    write(where, "ben/tensors.py", "Ben_77_assignsubmission_file_/tensors.py", text=ANSWER)
    if form == "zip":
        zipped(where / "ann.zip", *names)
    else:
        write(where / "ann", *names, saved=NEW)
    for places in ([where], sorted(where.iterdir())):
        found = {one.student: one.file for one in placed(*places).found}
        assert {"ben", "Ben_77"} <= set(found)
        for student in ("ben", "Ben_77"):
            assert found[student].read_text("utf-8") == ANSWER


def test_nobody_hands_in_for_somebody_else_by_the_name_of_a_file(tmp_path, placed):
    start = "HW1_ann_attempt_2024-05-01-10-00-00_HW1_"
    name = f"{start}ben_attempt_2024-05-02-10-00-00_tensors.py"
    write(tmp_path / "class", name, "HW1_ben_attempt_2024-05-01-10-00-00_tensors.py")
    assert students(placed()) == ["ann", "ben"]


def test_text_typed_into_moodle_hides_no_file(tmp_path, placed):
    write(tmp_path / "class", "Bo_2_assignsubmission_file_/tensors.py")
    write(tmp_path / "class", "Bo_2_assignsubmission_onlinetext_/onlinetext.html")
    placing = placed()
    assert (students(placing), placing.unplaced) == (["Bo_2"], ())


def test_the_latest_attempt_in_blackboard_counts(tmp_path, placed):
    start = "HW1_jsmith_attempt_2024-05-0"
    first, second = f"{start}1-10-00-00_tensors.ipynb", f"{start}2-09-00-00_tensors (1).ipynb"
    write(tmp_path / "class", first, text=as_notebook(ANSWER), saved=NEW)
    write(tmp_path / "class", second, text=as_notebook(ANSWER))
    (one,) = placed().found
    assert one.file.name == second
    assert one.said == "tensors (1).ipynb was taken (the latest attempt), not tensors.ipynb"


def test_accounts_in_blackboard_may_hold_underscores(tmp_path, placed):
    end = "_attempt_2024-05-01-10-00-00"
    names = [f"HW1_{who}{end}_tensors.py" for who in ("a_smith", "b_smith", "c_d_lee")]
    write(tmp_path / "class", *names)
    assert students(placed()) == ["HW1_a_smith", "HW1_b_smith", "lee"]
    for who in ("a_smith", "b_smith", "c_d_lee"):
        write(
            tmp_path / "class",
            f"HW1_{who}{end}.txt",
            text=f"Name: A Name ({who})\nAssignment: HW1\n",
        )
    assert students(placed()) == ["a_smith", "b_smith", "c_d_lee"]


def test_each_student_may_have_handed_in_a_zip(tmp_path, placed):
    zipped(tmp_path / "class" / "alice.zip", "alice work/tensors.py", "alice work/helpers.py")
    zipped(tmp_path / "class" / "smithjane_12345_67890_work.zip", "tensors.py")
    zipped(tmp_path / "class" / "Ann Lee_77_assignsubmission_file_" / "x.zip", "a/tensors.py")
    inner = (tmp_path / "class" / "alice.zip").read_bytes()
    zipped(tmp_path / "all.zip", ("alice.zip", inner), ("bob.zip", inner))
    assert students(placed(tmp_path / "all.zip")) == ["alice", "bob"]
    (alice,) = placed(tmp_path / "class" / "alice.zip").found
    assert alice.student == "alice work"
    assert sorted(path.name for path in alice.folder.iterdir()) == ["helpers.py", "tensors.py"]
    (tmp_path / "class" / "smithjane_12345_67890_work.zip").rename(
        tmp_path / "alone_12345_67890_w.zip"
    )
    assert students(placed()) == ["Ann Lee_77", "alice"]
    assert students(placed(tmp_path / "alone_12345_67890_w.zip")) == ["alone_12345"]


# Odd and hostile


def test_a_place_or_a_topic_that_is_not_there_is_an_error(tmp_path, placed):
    with pytest.raises(GradusError, match=r"nowhere: cannot be read .* Is the name right"):
        placed(tmp_path / "nowhere")
    with pytest.raises(GradusError, match="cannot be read"):
        placed(Path("a\0b"))
    write(tmp_path / "class", "ann/tensors.py")
    with pytest.raises(GradusError, match="no topic 'knitting'"):
        placed(topics=["knitting"])


def test_a_file_that_is_no_answer_is_said_where_it_was_given(tmp_path, placed):
    write(tmp_path, "report.pdf")
    assert reasons(placed(tmp_path / "report.pdf")) == {
        "report.pdf": "is no .py, .ipynb or .zip. Ask for one."
    }


def test_what_may_not_be_read_is_said(tmp_path, placed):
    write(tmp_path / "class", "ann/tensors.py", "ben/tensors.py", "eve/tensors.py")
    (tmp_path / "class" / "ann" / "tensors.py").chmod(0)
    (tmp_path / "class" / "ben").chmod(0)
    if os.access(tmp_path / "class" / "ann" / "tensors.py", os.R_OK):
        pytest.skip("this user reads everything")
    placing = placed()
    (tmp_path / "class" / "ben").chmod(0o700)
    assert students(placing) == ["eve"]
    assert "may not be read by you" in reasons(placing)["ann/tensors.py"]
    assert "cannot be read" in reasons(placing)["ben"]


def test_a_full_disk_is_an_error_and_no_damaged_zip(tmp_path, placed, monkeypatch):
    def full(self, names):
        raise OSError(errno.ENOSPC, "No space left on device")

    zipped(tmp_path / "class" / "ann.zip", "tensors.py")
    monkeypatch.setattr(zips._Places, "file", full)
    with pytest.raises(GradusError, match=r"zips cannot be unpacked: No space left .* Make room"):
        placed()


def test_who_handed_in_nothing_is_said(tmp_path, placed):
    (tmp_path / "class" / "ann").mkdir(parents=True)
    write(tmp_path / "class", "ben/report.pdf", "eve/tensors.py", "eve/cnn.py", "kim/tensors.py")
    write(tmp_path / "class", "zoe/knitting.ipynb", "lee/tensors.py/x.txt", "uma_tensors.docx")
    why = reasons(placed(topics=["tensors", "cnn"]))
    assert why["ann"] == "no file for tensors, cnn was found. Ask for it."
    assert "There is report.pdf. Ask for tensors.ipynb or .py." in why["ben"]
    assert why["kim"] == "no file for cnn was found. Ask for it."
    assert "There is knitting.ipynb" in why["zoe"]
    assert "There is x.txt" in why["lee"]
    assert why["uma_tensors.docx"] == "is no .py, .ipynb or .zip. Ask for one."
    (tmp_path / "empty").mkdir()
    assert "holds no file" in reasons(placed(tmp_path / "empty"))["empty"]


def test_links_are_never_followed(tmp_path, placed):
    write(tmp_path / "class", "ann/tensors.py")
    (tmp_path / "class" / "ben").symlink_to(tmp_path / "class" / "ann")
    write(tmp_path / "class", "eve/notes.txt")
    (tmp_path / "class" / "eve" / "tensors.py").symlink_to(
        tmp_path / "class" / "ann" / "tensors.py"
    )
    placing = placed()
    assert students(placing) == ["ann"]
    assert reasons(placing)["ben"].startswith("is a link, which is never followed")
    assert reasons(placing)["eve/tensors.py"].startswith("is a link")
    (tmp_path / "given").symlink_to(tmp_path / "class")  # the instructor's own
    assert students(placed(tmp_path / "given")) == ["ann"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_are_never_read(tmp_path, placed):
    (tmp_path / "class" / "ann").mkdir(parents=True)
    os.mkfifo(tmp_path / "class" / "ann" / "tensors.py")
    assert "is a device, a pipe or a socket" in reasons(placed())["ann/tensors.py"]
    os.mkfifo(tmp_path / "pipe.zip")
    assert "is a device, a pipe or a socket" in reasons(placed(tmp_path / "pipe.zip"))["pipe.zip"]


def test_files_that_are_too_large_are_not_taken(tmp_path, placed):
    write(tmp_path / "class", "ann/tensors.py", text="#" * 5_000_001)
    write(tmp_path / "class", "ben/tensors.py", text="#" * 5_000_000)
    write(tmp_path / "class", "cid/tensors.ipynb", text=" " * 5_000_001)  # outputs may be large
    with (tmp_path / "class" / "dan_tensors.ipynb").open("wb") as file:
        file.truncate(100_000_001)
    placing = placed()
    assert students(placing) == ["ben", "cid"]
    assert "is 5 MB large; at most 5 MB are read" in reasons(placing)["ann/tensors.py"]
    assert "Clear the notebook's outputs" in reasons(placing)["dan_tensors.ipynb"]


def test_other_archives_are_said(tmp_path, placed):
    write(tmp_path / "class", "ann/work.7z", "ben.tar.gz")
    assert "archive of a kind that is not read (.7z)" in reasons(placed())["ann/work.7z"]
    assert "ben.tar.gz" in reasons(placed())


@pytest.mark.parametrize(
    "name", ["../x.py", "/etc/x.py", "a/../../x.py", "C:\\x.py", "c:x.py", "..\\x.py", "\\x.py"]
)
def test_a_zip_cannot_write_outside(tmp_path, placed, name):
    zipped(tmp_path / "class" / "ann.zip", name, "tensors.py")
    placing = placed()
    assert students(placing) == ["ann"]
    (unplaced,) = placing.unplaced
    assert unplaced.path.startswith("ann.zip: ")
    assert "leads out of the zip" in unplaced.why
    files = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["ann.zip", "tensors.py"]


def test_a_name_with_a_nul_is_not_cut(tmp_path, placed):
    path = zipped(tmp_path / "class" / "ann.zip", "tensors.py!x.txt", "tensors.py")
    path.write_bytes(path.read_bytes().replace(b"tensors.py!", b"tensors.py\0"))
    placing = placed()
    assert students(placing) == ["ann"]
    assert "ann.zip: 'tensors.py\\x00x.txt'" in reasons(placing)


def test_links_in_zips_are_not_unpacked(tmp_path, placed):
    link = zipfile.ZipInfo("tensors.py")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    zipped(tmp_path / "class" / "ann.zip", (link, "/etc/passwd"))
    placing = placed()
    assert placing.found == ()
    assert reasons(placing)["ann.zip: tensors.py"].startswith("is a link")


def test_a_zip_may_not_cost_more_than_its_limit(tmp_path, placed):
    bomb = zipped(
        tmp_path / "class" / "ann.zip", *[(f"{n}.bin", bytes(21_000_000)) for n in range(10)]
    )
    assert bomb.stat().st_size < 300_000
    zipped(tmp_path / "class" / "ben.zip", *[(f"{n}.txt", "") for n in range(10_001)])
    why = reasons(placed())
    assert "would take 210 MB; at most 200 MB are unpacked" in why["ann.zip"]
    assert "holds 10,001 files; at most 10,000 are unpacked" in why["ben.zip"]
    assert not [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()]


def test_a_zip_cannot_hold_more_than_it_claims(tmp_path, placed):
    path = zipped(tmp_path / "class" / "ann.zip", ("tensors.py", bytes(3_000_000)))
    true, said = (3_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(true, said))
    placing = placed()
    assert placing.found == ()
    assert "is damaged" in reasons(placing)["ann.zip: tensors.py"]


def test_zips_in_zips_end(tmp_path, placed):
    data = zipped(tmp_path / "0.zip", "tensors.py").read_bytes()
    for number in range(1, 6):
        data = zipped(tmp_path / f"{number}.zip", ("inner.zip", data)).read_bytes()
    write(tmp_path / "class", "eve/tensors.py")
    (tmp_path / "class" / "ann.zip").write_bytes(data)
    placing = placed()
    assert students(placing) == ["eve"]
    assert any("is a zip in a zip" in why for why in reasons(placing).values())


def test_encrypted_and_damaged_zips_are_said(tmp_path, placed):
    locked = zipped(tmp_path / "class" / "ann.zip", "tensors.py", "b.py")
    data = bytearray(locked.read_bytes())
    for start in (b"PK\3\4", b"PK\1\2"):
        at = -1
        while (at := data.find(start, at + 1)) >= 0:
            data[at + (6 if start == b"PK\3\4" else 8)] |= 1
    locked.write_bytes(data)
    whole = zipped(tmp_path / "class" / "ben.zip", ("tensors.py", os.urandom(3000))).read_bytes()
    (tmp_path / "class" / "ben.zip").write_bytes(whole[:2000])
    (tmp_path / "class" / "eve.zip").write_bytes(whole.replace(whole[100:200], bytes(100)))
    write(tmp_path / "class", "kim.zip", text="this is a text")
    odd = zipped(tmp_path / "class" / "lee.zip", "tensors.py").read_bytes()
    (tmp_path / "class" / "lee.zip").write_bytes(odd.replace(b"\x08\0", b"\x0e\0"))  # LZMA
    why = reasons(placed())
    assert "2 of its files are encrypted" in why["ann.zip"]
    assert "is damaged or no zip" in why["ben.zip"]
    assert "is damaged" in why["eve.zip: tensors.py"]
    assert "is damaged or no zip" in why["kim.zip"]
    assert "is packed in a way that is not read here" in why["lee.zip: tensors.py"]


@pytest.mark.skipif(sys.platform != "linux", reason="no such names here")
def test_names_cannot_steer_a_terminal(tmp_path, placed):
    names = ["a\nb", "\x1b[2J", "\u202egnp.exe", os.fsdecode(b"\xff"), "ㅤ", "a\\b", " ", "::error::"]
    for name in names:
        write(tmp_path / "class" / name, "tensors.py", "x\ny (1).txt")
        write(tmp_path / "empty" / name, "notes\x1b[2J.txt")
    placing = placed(tmp_path / "class", tmp_path / "empty")
    assert len(set(students(placing))) == len(names)
    for student in students(placing):
        assert student.strip()
        assert student.isprintable()
        assert "/" not in student
        assert "\\" not in student
    for one in placed(tmp_path / "empty").unplaced:
        assert one.path.isprintable()
        assert one.why.isprintable()


def test_names_of_zips_in_other_encodings_are_read(tmp_path, placed):
    def old(name, encoding):
        return name.encode(encoding).decode("cp437")

    folder = tmp_path / "class"
    for who, encoding in [
        ("김민준", "euc-kr"),
        ("Müller", "cp437"),
        ("José", "utf-8"),
        ("이서연", "utf-8"),
    ]:
        info = zipfile.ZipInfo("PLACE/tensors.py")
        path = zipped(folder / "one.zip", (info, "x = 1\n"))
        raw = who.encode(encoding)
        marked = zipped(path, (f"{'P' * len(raw)}/tensors.py", "x = 1\n"))
        marked.write_bytes(marked.read_bytes().replace(b"P" * len(raw) + b"/", raw + b"/"))
        assert students(placed(path)) == [who]
        path.unlink()
    write(folder, "한글/tensors.py", "박지훈_tensors - 복사본.ipynb", "tensors 복사본 (2).ipynb")
    assert {"박지훈", "한글"} <= set(students(placed()))


def test_students_who_differ_in_little_are_kept_apart(tmp_path, placed):
    names = ["Ann", "ann", "Jos\u00e9", "Jose\u0301"]
    path = zipped(tmp_path / "class.zip", *[(f"{name}/tensors.py", name) for name in names])
    placing = placed(path)
    assert sorted(students(placing)) == sorted(names)
    assert {one.file.read_text("utf-8") for one in placing.found} == set(names)
    assert all("another student is called" in one.said for one in placing.found)


def test_a_file_and_a_folder_of_one_name_do_not_meet_on_the_disk(tmp_path, placed):
    names = [
        "ann/tensors.py",
        "ann",
        "con/tensors.py",
        "a?b/tensors.py",
        "a_b/tensors.py",
        "x" * 300,
    ]
    path = zipped(tmp_path / "class.zip", *[(name, name) for name in names])
    placing = placed(path)
    assert sorted(students(placing)) == ["a?b", "a_b", "ann", "con"]
    assert len({one.file.read_text("utf-8") for one in placing.found}) == 4


PART = st.sampled_from(
    ["ann", "Ann", "tensors", "tensors.py", "tensors.ipynb", "tensors (1).ipynb", "cnn", "exercises",
     "submitted", "gradebook.db", "course.toml", "smithjane_12345_67890_tensors.py", ".git", "a.zip",
     "Jo Li_12_assignsubmission_file_", "HW_a_b_attempt_2024-05-01-10-00-00_tensors.py", "x.pdf",
     "HW_a_b_attempt_2024-05-01-10-00-00.txt", "..", "\n", "김", "_", " ", "test_tensors.py"]
)  # fmt: skip
NAME = st.one_of(
    PART, st.text(st.characters(exclude_characters="/\\\0", codec="utf-8"), min_size=1, max_size=8)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(NAME, min_size=1, max_size=4), max_size=12), st.booleans())
def test_any_tree_is_placed_without_an_exception_and_no_file_twice(tmp_path_factory, tree, packed):
    root = tmp_path_factory.mktemp("any")
    files = {"/".join(names): "x = 1\n" for names in tree}
    if packed:
        where = zipped(root / "class.zip", *files.items())
    else:
        where = root / "class"
        where.mkdir()
        for name in files:
            if ".." not in name.split("/"):
                try:
                    write(where, name)
                except OSError:  # a file lies where this one needs a folder
                    continue
    placing = place([where], COURSE, ["tensors", "cnn"], root / "scratch")
    paths = [one.file for one in placing.found]
    assert len(paths) == len(set(paths))
    pairs = [(one.student, one.topic) for one in placing.found]
    assert len(pairs) == len(set(pairs))
    assert all(path.is_file() and root in path.parents for path in paths)
    assert all(one.student and one.student.isprintable() for one in placing.found)
    assert all(one.path and one.why.isprintable() for one in placing.unplaced)


WHOLE = st.lists(NAME, min_size=1, max_size=3, unique=True)
DAMAGE = st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=4)), max_size=4)


@settings(max_examples=200, deadline=None)
@given(WHOLE, DAMAGE, st.integers(0, 60))
def test_any_damaged_zip_is_placed_without_an_exception(tmp_path_factory, names, damage, cut):
    root = tmp_path_factory.mktemp("damaged")
    path = zipped(root / "class" / "ann.zip", *names, "tensors.py")
    data = bytearray(path.read_bytes())
    for at, new in damage:
        data[at % len(data) : at % len(data) + len(new)] = new
    path.write_bytes(data[: len(data) - cut])
    placing = place([root / "class"], COURSE, ["tensors"], root / "scratch")
    assert placing.found or placing.unplaced
    assert all((root / "scratch") in one.file.parents for one in placing.found)


def test_of_a_crowd_that_lacks_a_topic_one_line_is_said(tmp_path, placed):
    everybody = [f"s{number}" for number in range(10)]
    write(tmp_path / "class", *(f"{who}/tensors.py" for who in everybody), "kim/cnn.py")
    placing = placed(topics=["tensors", "cnn"])
    assert reasons(placing) == {
        "10 students": "no file for cnn was found. They handed in other topics: "
        "s0, s1, s2, s3, s4, s5, s6, s7 and 2 more. Ask for it.",
        "kim": "no file for tensors was found. Ask for it.",
    }


def test_what_systems_packed_is_nobodys(tmp_path, placed):
    zipped(tmp_path / "class" / "canvas.zip", *CANVAS)
    write(tmp_path / "class" / "moodle", *(f"{name}/tensors.py" for name in MOODLE))
    write(tmp_path / "class" / "by mail")
    (tmp_path / "class" / "by mail").mkdir()
    placing = placed()
    assert sorted(students(placing)) == sorted([*CANVAS.values(), *MOODLE.values()])
    assert list(reasons(placing)) == ["by mail"]


def test_a_file_is_called_as_it_lies_in_its_zip(tmp_path, placed):
    inner = zipped(tmp_path / "inner.zip", "hw/tensors.py").read_bytes()
    write(tmp_path / "class", "ben/tensors.py")
    zipped(tmp_path / "class" / "ann.zip", ("more.zip", inner))
    called = [one.called for one in placed().found]
    assert called == ["ann.zip: more.zip: hw/tensors.py", "ben/tensors.py"]


def test_who_handed_in_a_link_alone_is_told_once(tmp_path, placed):
    write(tmp_path / "class", "ben/tensors.py")
    (tmp_path / "class" / "ann").mkdir()
    (tmp_path / "class" / "ann" / "tensors.py").symlink_to(tmp_path / "class" / "ben")
    assert list(reasons(placed())) == ["ann/tensors.py"]


@pytest.mark.parametrize("late", ["late.zip", "late"])
def test_a_folder_of_several_students_is_nobodys_answer(tmp_path, placed, late):
    names = ["kim/tensors.py", "lee/tensors.ipynb"]
    write(tmp_path / "class", "ann/tensors.py", "ben/tensors.py")
    if late.endswith(".zip"):
        zipped(tmp_path / "class" / late, *names)
    else:
        write(tmp_path / "class" / late, *names)
    placing = placed()
    assert students(placing) == ["ann", "ben"]
    assert reasons(placing) == {
        late: "holds answers in kim, lee. Are they of several students? Then grade it by itself; "
        "else leave one of them there."
    }
    assert students(placed(tmp_path / "class" / late)) == ["kim", "lee"]


def test_sections_of_a_class_are_not_taken_for_students(tmp_path, placed):
    names = [f"{section}/{who}/tensors.py" for section in "AB" for who in ("ann", "ben")]
    write(tmp_path / "class", *names)
    placing = placed()
    assert (students(placing), list(reasons(placing))) == ([], ["A", "B"])


def test_a_download_beside_students_folders_is_nobodys_answer(tmp_path, placed):
    zipped(tmp_path / "class" / "submissions.zip", *CANVAS)
    write(tmp_path / "class", "ann/tensors.py", "ben/tensors.py")
    placing = placed()
    assert students(placing) == ["ann", "ben"]
    assert "Are they of several students?" in reasons(placing)["submissions.zip"]


def test_versions_in_a_students_folder_are_one_students(tmp_path, placed):
    write(tmp_path / "class" / "ann", "v1/tensors.py", "work/tensors.py", text=ANSWER, saved=NEW)
    write(tmp_path / "class" / "ben", "hw/tensors.py", "hw (1)/tensors.py", text=ANSWER)
    write(tmp_path / "class" / "eve", "tensors.py", "kim/tensors.py", "lee/tensors.py")
    placing = placed()
    assert students(placing) == ["ann", "ben", "eve"]
    assert [one.file.parent.name for one in placing.found] == ["v1", "hw", "eve"]


def test_a_list_of_marks_beside_a_class_in_a_folder_changes_nothing(tmp_path, placed):
    write(tmp_path / "class", "HW1/ann/tensors.py", "HW1/ben/tensors.py", "HW1/notes.txt")
    write(tmp_path / "class", "marks.csv", "README.md")
    placing = placed()
    assert (students(placing), placing.unplaced) == (["ann", "ben"], ())
