"""nbgrader preprocessors: grade a submitted notebook with gradus in place of a Jupyter kernel.

A graded cell's output is one plain float (nbgrader takes it as the score) and a table for people.
"""

import re
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade
from traitlets import Bool, Float, Unicode

from gradus.classroom.class_log import log_safely
from gradus.classroom.handed_in import refuse_links
from gradus.classroom.sandboxed import require_sandbox
from gradus.classroom.verdicts import require_verdicts
from gradus.course import load_course
from gradus.engine.apart import grade_apart
from gradus.errors import SubmissionError
from gradus.grading.report import TopicResult
from gradus.grading.tables import task_table
from gradus.submission.notebook_source import read_notebook
from gradus.submission.status import Problem

CHECK_PREFIX = "check-"


class GradusExporter(NotebookExporter):
    """Reads what was handed in; a file that is no notebook becomes one that says so and earns 0.

    `nbgrader autograde` makes one before it copies anything: it then refuses links and special files.
    """

    def __init__(self, **words: Any) -> None:
        super().__init__(**words)
        if isinstance(self.parent, Autograde):
            refuse_links(self.parent)
            log_safely(self.log)

    def from_file(self, file_stream: Any, resources: Any = None, **words: Any) -> tuple[Any, Any]:
        """Parse a file; never raises for what it holds."""
        try:
            notebook = read_notebook(file_stream.read())
        except (SubmissionError, UnicodeDecodeError) as error:
            what = error if isinstance(error, SubmissionError) else "is not UTF-8 text."
            self.log.warning("A submission %s", what)
            text = f"**This submission could not be graded.** The file {what}"
            notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
        return self.from_notebook_node(notebook, resources=resources, **words)  # type: ignore[no-any-return]


class GradusRestore(NbGraderPreprocessor):
    """Before nbgrader looks at a submission: make its cells' metadata that of the assignment.

    A student who deletes or doubles a check cell, hands in an older notebook, or damages a cell's
    metadata keeps the points of the tasks that are there, and does not stop nbgrader for the whole class.
    """

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Mend the cells of one notebook."""
        about = resources["nbgrader"]
        with Gradebook(about["db_url"]) as gradebook:
            original = gradebook.find_notebook(about["notebook"], about["assignment"])
            points = {cell.name: cell.max_score for cell in original.grade_cells}
            answers = {cell.name for cell in original.solution_cells}
            known = {
                cell.name: {
                    **_BLANK,
                    "grade_id": cell.name,
                    "grade": cell.name in points,
                    "solution": cell.name in answers,
                    "locked": cell.locked,
                    "checksum": cell.checksum,
                    "cell_type": cell.cell_type,
                    **({"points": points[cell.name]} if cell.name in points else {}),
                }
                for cell in original.source_cells
            }
            sources = {cell.name: cell.source for cell in original.source_cells}
        there: set[str] = set()
        for cell in reversed(nb.cells):  # of a duplicated cell the last one counts, as in a kernel
            grade_id = _grade_id(cell)
            cell.metadata.pop("nbgrader", None)
            if grade_id in known and grade_id not in there:
                cell.metadata["nbgrader"] = nbformat.from_dict(known[grade_id])
                there.add(grade_id)
        for name in points:
            if name not in there:
                self.log.warning("The check cell %s was missing; it was added back", name)
                cell = nbformat.v4.new_code_cell(sources[name])
                cell.metadata["nbgrader"] = nbformat.from_dict(known[name])
                nb.cells.append(cell)
        return nb, resources


_BLANK = {"schema_version": 3, "task": False}


def _grade_id(cell: Any) -> str:
    metadata = cell.metadata.get("nbgrader", {})
    grade_id = metadata.get("grade_id") if isinstance(metadata, dict) else None
    return grade_id if isinstance(grade_id, str) else ""


class GradusExecute(NbGraderPreprocessor):
    """Takes the place of nbgrader's Execute: every check, hidden ones too, with the notebook in a sandbox."""

    kit = Unicode(help="Root folder of the gradus kit whose graders are used.").tag(config=True)
    allow_unsandboxed = Bool(
        False, help="Grade also where this system has no sandbox: submissions can then harm it."
    ).tag(config=True)
    limit = Float(600.0, help="Seconds that one submission may take in all, loads and checks.").tag(
        config=True
    )

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Grade one notebook and write the outputs of its cells.

        Raises:
            GraderError: If a check is broken or did not run, or if there is no sandbox here: nbgrader then
                reports this submission and records no mark.
        """
        self._require_sandbox()
        topic = resources["nbgrader"]["notebook"]
        result = self.grade(nb, topic, Path(resources["metadata"]["path"]))
        require_verdicts(result)
        for number, cell in enumerate(nb.cells, start=1):
            if cell.cell_type != "code":
                continue
            cell.execution_count = number
            cell.outputs = _problem_outputs(result, f"{topic}.ipynb cell {number}:")
            grade_id = _grade_id(cell)
            if is_grade(cell) and grade_id.startswith(CHECK_PREFIX):
                cell.outputs = [_score_output(result, grade_id.removeprefix(CHECK_PREFIX), number)]
        return nb, resources

    def _require_sandbox(self) -> None:
        how = "set c.GradusExecute.allow_unsandboxed = True in nbgrader_config.py"
        if note := require_sandbox(allowed=self.allow_unsandboxed, how=how):
            self.log.warning("%s", note)

    def grade(self, nb: Any, topic: str, folder: Path) -> TopicResult:
        """Run the graders on a notebook, in a scratch copy of the folder that it was handed in with."""
        course = load_course(Path(self.kit))
        course.require(topic)
        with tempfile.TemporaryDirectory(prefix="gradus-") as scratch:
            workdir = Path(scratch, "work")
            shutil.copytree(folder, workdir, symlinks=True)
            path = workdir / f"{topic}.ipynb"
            path.write_text(nbformat.writes(nb), encoding="utf-8")
            seed = secrets.randbits(128)  # so many that trying them out finds none
            # A process for each submission: should one take the judge over, it does not grade the others.
            result = grade_apart(
                course, topic, path, hidden=True, isolated=True, seed=seed, workdir=workdir,
                limit=self.limit, measured=True,
            ).topic(topic)  # fmt: skip
        self.log.info("%s was graded at the level %s", topic, result.isolation["level"])
        return result


def _score_output(result: TopicResult, task: str, number: int) -> Any:
    """One float; nbgrader would take no output, or anything else, for full marks."""
    graded = result.task(task)
    visible = result.visible().task(task)
    return nbformat.v4.new_output(
        "execute_result",
        data={
            "text/plain": repr(float(graded.earned)),
            "text/html": task_table(visible, earned=graded.earned),
        },
        execution_count=number,
    )


def _problem_outputs(result: TopicResult, where: str) -> list[Any]:
    """What kept a cell from being loaded, as the error output that a kernel would have shown."""
    return [_error(problem) for problem in result.problems if problem.where.startswith(where)]


def _error(problem: Problem) -> Any:
    name = re.match(r"\w+(?=:)", problem.message)
    return nbformat.v4.new_output(
        "error",
        ename=name[0] if name else "Error",
        evalue=problem.message,
        traceback=[f"{problem.where}: {problem.message}"],
    )
