"""`nbgrader zip_collect` for what learning platforms give: whose each file is, as `gradus grade` finds it."""

import tempfile
from pathlib import Path
from typing import Any

from nbgrader.plugins import FileNameCollectorPlugin
from traitlets import Unicode

from gradus.classroom.nbgrader.class_log import log_safely
from gradus.classroom.odd_files import odd_student
from gradus.classroom.placing.place import HandedIn, place
from gradus.course import load_course


class GradusCollector(FileNameCollectorPlugin):
    """Takes names of Canvas, Moodle and Blackboard, folders of students, copies such as `tensors (1).ipynb`.

    Of several files of one student the one is taken that counts for `gradus grade`, and what it said of it is
    logged.
    """

    kit = Unicode(help="Root folder of the gradus kit, which has the topics.").tag(config=True)

    def __init__(self, **words: Any) -> None:
        super().__init__(**words)
        self._placed: dict[Path, HandedIn] | None = None
        log_safely(self.log)

    def collect(self, submitted_file: str) -> dict[str, str] | None:
        """Whose a file is, and which notebook; None for one that does not count.

        Args:
            submitted_file: One of those that nbgrader has extracted.
        """
        path = Path(submitted_file).resolve()
        if self._placed is None:
            self._placed = self._place_all(path)
        one = self._placed.get(path)
        return None if one is None else {"student_id": one.student, "file_id": one.topic}

    def _place_all(self, path: Path) -> dict[Path, HandedIn]:
        app = self.parent
        folder = _folder_of(path, app.coursedir.assignment_id, app.extracted_directory)
        course = load_course(Path(self.kit))
        assignment = app.coursedir.assignment_id
        topics = [assignment] if assignment in course.topics else list(course.topics)
        with tempfile.TemporaryDirectory(prefix="gradus-") as scratch:
            placing = place([folder], course, topics, Path(scratch))
        for one in placing.found:
            if one.said:
                self.log.warning("%s: %s", one.student, one.said)
        for lost in placing.unplaced:
            self.log.warning("not placed: %s: %s", lost.path, lost.why)
        odd = {one.student: why for one in placing.found if (why := odd_student(one.student))}
        for why in odd.values():
            self.log.warning("not placed: %s", why)
        return {one.file.resolve(): one for one in placing.found if one.student not in odd}


def _folder_of(path: Path, assignment: str, extracted: str) -> Path:
    """The folder that nbgrader has extracted an assignment's files into: `downloaded/ASSIGNMENT/extracted`."""
    for folder in path.parents:
        if folder.name == extracted and folder.parent.name == assignment:
            return folder
    return path.parent
