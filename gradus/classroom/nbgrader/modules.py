"""A `.py` in nbgrader's submitted/: a notebook beside it shows it, since nbgrader looks for those alone."""

import glob
import json
from pathlib import Path
from typing import Any

from nbgrader.converters import Autograde

from gradus.classroom.nbgrader.module_notebook import module_named, module_notebook
from gradus.classroom.odd_files import odd_student
from gradus.errors import GradusError
from gradus.files import write_whole
from gradus.submission.reading import MAX_BYTES


def show_module(folder: Path, module: Path, released: Path) -> bool:
    """Write the notebook that shows a module, beside it; not over a student's own. Whether there is one now.

    Args:
        folder: What a student handed in.
        module: In it.
        released: The notebook that students got.

    Raises:
        OSError: If it cannot be written.
    """
    notebook = folder / released.name
    if notebook.is_symlink() or module.is_symlink() or not module.is_file():
        return False
    before = ""
    if notebook.exists():
        before = notebook.read_text("utf-8", "replace") if notebook.is_file() else ""
        if not module_named(before):
            return False
    with module.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    text = module_notebook(json.loads(released.read_text("utf-8")), module.name, data)
    if text != before:
        write_whole(notebook, text)
    return True


def show_modules(submitted: Path, release: Path) -> None:
    """The same for each of a folder's modules that are named like a notebook of the assignment.

    Args:
        submitted: What one student handed in for it.
        release: What students got for it.

    Raises:
        OSError: If one cannot be written.
    """
    if submitted.is_symlink() or submitted.parent.is_symlink() or not any(submitted.glob("*.py")):
        return
    for released in sorted(release.glob("*.ipynb")):
        notebook = submitted / released.name
        own = ""
        if notebook.is_file() and not notebook.is_symlink():
            own = module_named(notebook.read_text("utf-8", "replace"))
        show_module(submitted, submitted / (own or f"{released.stem}.py"), released)


def see_modules() -> None:
    """From now on nbgrader's autograde finds a `.py` too, in courses that gradus grades.

    nbgrader has no hook in front of its search for notebooks.
    """
    search = Autograde.init_notebooks
    if getattr(search, "sees_modules", False):
        return

    def init_notebooks(autograde: Any) -> None:
        if getattr(autograde.exporter_class, "shows_modules", False):
            coursedir = autograde.coursedir
            where = coursedir.format_path(
                coursedir.submitted_directory, coursedir.student_id, coursedir.assignment_id
            )
            release = Path(
                coursedir.format_path(coursedir.release_directory, ".", coursedir.assignment_id)
            )
            for folder in sorted(map(Path, glob.glob(where))):  # noqa: PTH207  nbgrader's own pattern
                try:
                    show_modules(folder, release)
                except (OSError, ValueError) as error:
                    autograde.log.warning("%s: a .py cannot be shown there: %s", folder, error)
        search(autograde)
        for folder in filter(_stops_nbgrader, list(autograde.assignments)):
            autograde.log.error("%s", odd_student(Path(folder).parent.name))
            del autograde.assignments[folder]

    init_notebooks.sees_modules = True  # type: ignore[attr-defined]
    Autograde.init_notebooks = init_notebooks


def _stops_nbgrader(folder: str) -> bool:
    """Whether it would find no student's name in a path, and end for the whole class."""
    return "\n" in Path(folder).parent.name


def released_notebook(course_folder: Path, topic: str) -> Path:
    """The notebook of a topic that students get.

    Raises:
        GradusError: If it is not released.
    """
    path = course_folder / "release" / topic / f"{topic}.ipynb"
    if not path.is_file():
        raise GradusError(
            f"{path}: is not there, so nbgrader cannot take answers to {topic}. "
            f"In {course_folder} run: nbgrader generate_assignment {topic}"
        )
    return path
