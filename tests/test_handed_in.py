"""What a student may have put into the folder that is collected, besides plain files."""

import os
import shutil

import pytest

from gradus.errors import SubmissionError

handed_in = pytest.importorskip("gradus.classroom.handed_in", reason="needs nbgrader")

DATE = "2026-01-31 12:00:00.000000 UTC\n"


@pytest.fixture
def submitted(tmp_path):
    """The folders of two students; the second one is what links lead to."""
    for student in ("ann", "ben"):
        folder = tmp_path / "submitted" / student / "demo"
        (folder / "data").mkdir(parents=True)
        (folder / "demo.ipynb").write_text("{}")
        (folder / "data" / "numbers.txt").write_text("1 2 3")
        (folder / "timestamp.txt").write_text(DATE)
    return tmp_path / "submitted"


def link(place, target):
    """Put a link in the place of whatever is there."""
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    place.symlink_to(target)


def refused(submitted, student="ann"):
    """What is said about a submission; nothing where it may be read."""
    try:
        handed_in.require_plain_files(submitted / student / "demo", submitted)
    except SubmissionError as error:
        return str(error)
    return ""


def test_plain_files_may_be_read(submitted):
    assert refused(submitted) == ""
    (submitted / "ann" / "demo" / "timestamp.txt").write_text("")
    (submitted / "ann" / "demo" / "Übung 1.txt").write_text("")
    assert refused(submitted) == ""


@pytest.mark.parametrize(
    "place", ["", "demo", "demo/demo.ipynb", "demo/data", "demo/data/numbers.txt"]
)
@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_a_link_is_refused_wherever_it_stands_on_the_way(submitted, place, target):
    goal = submitted / "ben" / place if target == "there" else submitted / "nobody"
    link(submitted / "ann" / place, goal)
    name = place.removeprefix("demo/") if "/" in place else str(submitted / "ann" / place)
    assert f"{name.rstrip('/')} is a link" in refused(submitted)


def test_the_folder_of_all_students_may_be_a_link(submitted):
    moved = submitted.rename(submitted.with_name("elsewhere"))
    submitted.symlink_to(moved)
    assert refused(submitted) == ""


def test_a_link_in_a_deeper_structure_of_folders_is_found(submitted):
    folder = submitted / "ann" / "first" / "demo"
    folder.mkdir(parents=True)
    link(submitted / "ann" / "first", submitted / "ben")
    with pytest.raises(SubmissionError, match="first is a link"):
        handed_in.require_plain_files(folder, submitted)


@pytest.mark.parametrize("text", [b"\xff\xfe", b"tomorrow", b"99999-99-99", b"1" * 5000])
def test_a_timestamp_that_is_no_date_is_refused(submitted, text):
    (submitted / "ann" / "demo" / "timestamp.txt").write_bytes(text)
    assert "timestamp.txt is no date in UTF-8 text" in refused(submitted)


@pytest.mark.parametrize("name", ["timestamp.txt", "demo.ipynb"])
def test_a_folder_in_the_place_of_a_file_is_refused(submitted, name):
    path = submitted / "ann" / "demo" / name
    path.unlink()
    path.mkdir()
    assert f"{name} is a folder, not a" in refused(submitted)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_names_cannot_steer_a_terminal(submitted):
    for name in ("a\nb", "\x1b[2J", "\u202egnp.exe", os.fsdecode(b"\xff")):
        os.mkfifo(submitted / "ann" / "demo" / name)
        words = refused(submitted)
        assert "is a device, a pipe or a socket" in words
        assert words.isprintable()
