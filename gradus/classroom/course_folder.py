"""Build an nbgrader course: `gradus course DIR`, then nbgrader's stock commands take over."""

import shutil
from pathlib import Path

from gradus.classroom.release import release_files
from gradus.course import FILE, Course
from gradus.errors import GradusError

CONFIG = '''\
"""nbgrader's settings for this gradus course. `gradus course` wrote it, and replaces it when run again."""

from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ComputeChecksums,
    IgnorePattern,
    IncludeHeaderFooter,
    LimitOutput,
    LockCells,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
    SaveCells,
)
from nbconvert.preprocessors import ClearMetadataPreprocessor

from gradus.authoring.notebooks import ClearAnswers
from gradus.classroom.clean import GradusClean, GradusShow
from gradus.classroom.execute import GradusExecute, GradusExporter, GradusRestore

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = {course_id!r}
c.CourseDirectory.root = {root!r}
c.GradusExecute.kit = {kit!r}
c.GradusExecute.allow_unsandboxed = {allow_unsandboxed!r}  # True: grade without a sandbox too

# Release: as nbgrader does it, with a stub line that names the task.
c.GenerateAssignment.preprocessors = [
    IncludeHeaderFooter, LockCells, ClearAnswers, ClearOutput, CheckCellMetadata,
    ComputeChecksums, SaveCells, ClearHiddenTests, ClearMarkScheme, ComputeChecksums, CheckCellMetadata,
]

# Autograde: gradus grades each notebook; no kernel runs.
c.Autograde.exporter_class = GradusExporter
c.Autograde.sanitize_preprocessors = [
    ClearOutput, GradusRestore, OverwriteKernelspec, OverwriteCells, CheckCellMetadata,
]
c.Autograde.autograde_preprocessors = [
    GradusExecute, IgnorePattern, ClearMetadataPreprocessor, LimitOutput, SaveAutoGrades,
    AssignLatePenalties, CheckCellMetadata, GradusClean,
]

# Formgrader's pages and the feedback: nothing that a student wrote runs in the reader's browser.
c.HTMLExporter.preprocessors = [GradusShow]
'''

READ_ME = """\
A gradus course for nbgrader. In this folder, for each assignment (one per topic):

    nbgrader generate_assignment {topic}      release/{topic}/ is what students get
    nbgrader autograde {topic}                grades submitted/STUDENT/{topic}/{topic}.ipynb
    nbgrader generate_feedback {topic}
    nbgrader export                           grades.csv

or all of it in formgrader: `jupyter lab`, then Nbgrader > Formgrader.
The checks, hidden ones too, stay in the kit: {kit}
"""


def build_course(
    course: Course,
    folder: Path,
    course_id: str,
    topics: tuple[str, ...] = (),
    *,
    allow_unsandboxed: bool = False,
) -> list[str]:
    """Write `nbgrader_config.py` and `source/<topic>/` for each topic; returns the topics.

    What lies beside a notebook is copied into the release by nbgrader, so it holds only what students
    may have: public checks, data sets, hints. Submissions and the gradebook are left alone. With
    `allow_unsandboxed`, submissions are graded where there is no sandbox, too.

    Raises:
        GradusError: If the kit's notebooks are missing, or `folder` lies in the kit's own rooms.
    """
    chosen = topics or course.topics
    for topic in chosen:
        course.require(topic)
    folder = folder.resolve()
    if folder == course.root or folder in course.root.parents:
        raise GradusError(f"{folder}: is the kit or holds it. Choose a new folder for the course.")
    if (folder / FILE).is_file():
        raise GradusError(
            f"{folder}: is a student's course (it has a {FILE}). Choose a new folder for the class."
        )
    folder.mkdir(parents=True, exist_ok=True)
    config = CONFIG.format(
        course_id=course_id,
        root=str(folder),
        kit=str(course.root),
        allow_unsandboxed=allow_unsandboxed,
    )
    _write(folder / "nbgrader_config.py", config)
    _write(folder / "README.txt", READ_ME.format(topic=chosen[0], kit=course.root))
    for topic in chosen:
        _write_assignment(course, topic, folder / "source" / topic)
    return list(chosen)


def _write_assignment(course: Course, topic: str, folder: Path) -> None:
    notebook = course.solution(topic).with_suffix(".ipynb")
    if not notebook.exists():
        raise GradusError(f"{notebook}: is missing. Run `gradus export` in the kit first.")
    _write(folder / f"{topic}.ipynb", notebook.read_text(encoding="utf-8"))
    for name, text in release_files(course, topic).items():
        _write(folder / name, text())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def clean(folder: Path) -> None:
    """Remove what a course build and nbgrader's commands wrote into `folder`, and the gradebook."""
    for name in ("source", "release", "submitted", "autograded", "feedback"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("gradebook.db", "nbgrader_config.py", "README.txt", "grades.csv", ".nbgrader.log"):
        (folder / name).unlink(missing_ok=True)
