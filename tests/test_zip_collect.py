"""`nbgrader zip_collect` in a course of gradus's: downloads of learning platforms, as they come."""

import zipfile

import pytest

from tests.kits import answers
from tests.nbgrader_course import as_bytes, filled, right_answers

NAMES = {
    "canvas": {
        "smithjane_12345_67890_demo-1.ipynb": "smithjane_12345",
        "leemin_LATE_12346_67891_demo.ipynb": "leemin_12346",
        "parkjo_12347_67892_demo (1).ipynb": "parkjo_12347",
        "kimsu_12348_67893_homework.ipynb": "kimsu_12348",
    },
    "moodle": {
        "Jane Smith_1234567_assignsubmission_file_/demo.ipynb": "Jane Smith_1234567",
        "김민수_1234568_assignsubmission_file_/demo.ipynb": "김민수_1234568",
        "Jo Park_1234569_assignsubmission_file_demo.ipynb": "Jo Park_1234569",
        "*_1234570_assignsubmission_file_demo.ipynb": "",  # a pattern for nbgrader
    },
    "blackboard": {
        "HW1_jsmith_attempt_2026-05-01-10-00-00_demo.ipynb": "",
        "HW1_jsmith_attempt_2026-05-02-10-00-00_demo.ipynb": "jsmith",
        "HW1_mlee_attempt_2026-05-01-10-00-00_demo.ipynb": "mlee",
    },
}


@pytest.mark.parametrize("system", NAMES)
def test_a_download_is_put_where_nbgrader_looks(shared_classroom, tmp_path, system):
    classroom = shared_classroom.copied(tmp_path)
    released = classroom.released()
    notebook = as_bytes(filled(released, right_answers(classroom.kit, "demo")))
    old = as_bytes(released)
    place = classroom.folder / "downloaded" / "demo" / "archive"
    place.mkdir(parents=True)
    with zipfile.ZipFile(place / "submissions.zip", "w") as archive:
        for name, student in NAMES[system].items():
            archive.writestr(name, notebook if student else old)
        if system == "canvas":
            archive.writestr("chosun_12349_67894_demo.py", answers())
    done = classroom.nbgrader("zip_collect", "demo")
    assert done.returncode == 0, done.stdout
    submitted = classroom.folder / "submitted"
    found = {path.parent.parent.name: path for path in submitted.rglob("demo.ipynb")}
    assert found.keys() == {student for student in NAMES[system].values() if student}
    assert {path.read_bytes() for path in found.values()} == {notebook}
    if system == "moodle":
        assert "not placed: *_1234570: nbgrader takes no student of this name" in done.stdout
    if system == "canvas":
        assert (submitted / "chosun_12349" / "demo" / "demo.py").is_file()
        assert "homework.ipynb was taken for demo" in done.stdout
    assert "files collected" in done.stdout
    assert "Parsing file" not in done.stdout
    assert "Directory not found" not in done.stdout
