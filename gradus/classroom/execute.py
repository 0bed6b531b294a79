"""nbgrader preprocessors: grade a submitted notebook with gradus in place of a Jupyter kernel."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, Float, Unicode

from gradus.classroom.class_log import log_safely
from gradus.classroom.grade.answer import Answer, key_of, read_answer
from gradus.classroom.grade.pool import Asked, grade_one
from gradus.classroom.grade.store import Graded
from gradus.classroom.grade.turns import graded_of
from gradus.classroom.handed_in import refuse_links
from gradus.classroom.nbgrader.from_store import StoreOfRun
from gradus.classroom.nbgrader.module_notebook import MARK, MODULE, UNREADABLE, marks
from gradus.classroom.nbgrader.results import grade_id_of, show_result
from gradus.classroom.nbgrader.settings import FILE as SETTINGS
from gradus.classroom.nbgrader.settings import STORE
from gradus.classroom.sandboxed import require_sandbox
from gradus.classroom.verdicts import require_verdicts
from gradus.course import Course, load_course
from gradus.engine.depends import depends_on
from gradus.errors import GraderError, SubmissionError
from gradus.grading.report import TopicResult
from gradus.sandbox.levels import Level
from gradus.submission.notebook_source import bare_notebook, read_notebook


class GradusExporter(NotebookExporter):
    """Reads what was handed in; a file that is no notebook becomes one that says so and earns 0.

    `nbgrader autograde` makes one before it copies anything: it then refuses links and special files.
    """

    shows_modules = True  # a `.py` that was handed in is graded too

    def __init__(self, **words: Any) -> None:
        super().__init__(**words)
        if isinstance(self.parent, Autograde):
            refuse_links(self.parent)
            log_safely(self.log)

    def from_file(self, file_stream: Any, resources: Any = None, **words: Any) -> tuple[Any, Any]:
        """Parse a file; never raises for what it holds."""
        about: dict[str, Any] = {}
        try:
            text = file_stream.read()
            notebook = read_notebook(text)
            about = marks(text)
        except (SubmissionError, UnicodeDecodeError) as error:
            what = error if isinstance(error, SubmissionError) else "is not UTF-8 text."
            self.log.warning("A submission %s", what)
            text = f"**This submission could not be graded.** The file {what}"
            notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
            about = {UNREADABLE: True}
        if about:
            notebook.metadata[MARK] = about
        return self.from_notebook_node(notebook, resources=resources, **words)  # type: ignore[no-any-return]


class GradusRestore(NbGraderPreprocessor):
    """Before nbgrader looks at a submission: make its cells' metadata that of the assignment.

    A student who deletes or doubles a check cell, hands in an older notebook, or damages a cell's
    metadata keeps the points of the tasks that are there, and does not stop nbgrader for the whole class.
    """

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Repair the cells of one notebook."""
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
            grade_id = grade_id_of(cell)
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


class GradusExecute(NbGraderPreprocessor):
    """Takes the place of nbgrader's Execute: every check, hidden ones too, with the notebook in a sandbox."""

    kit = Unicode(help="Root folder of the gradus kit whose graders are used.").tag(config=True)
    allow_unsandboxed = Bool(
        False, help="Grade also where this system has no sandbox: submissions can then harm it."
    ).tag(config=True)
    limit = Float(600.0, help="Seconds that one submission may take in all, loads and checks.").tag(
        config=True
    )
    store = Unicode(
        STORE,
        help="The store of grades, as seen from the course; gradus grade uses it too. '': none.",
    ).tag(config=True)

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Write the outputs of a notebook's cells: its grade is taken from the store, or it is graded now.

        Raises:
            GraderError: If a check is broken or did not run, or if there is no sandbox here: nbgrader then
                reports this submission and records no mark.
        """
        topic, student = resources["nbgrader"]["notebook"], resources["nbgrader"]["student"]
        folder = Path(resources["metadata"]["path"])
        course = load_course(Path(self.kit))
        answer = self._answer(course, topic, nb, folder, resources["nbgrader"])
        depends = depends_on(course, topic, self.limit, [])
        result = self.grade(course, topic, answer, key_of(topic, answer, depends), student)
        show_result(nb, result, answer)
        return nb, resources

    def _answer(self, course: Course, topic: str, nb: Any, folder: Path, about: Any) -> Answer:
        """What is graded: the notebook, or the module that it shows, or the file that is no notebook."""
        mark = nb.metadata.get(MARK, {})
        name = mark.get(MODULE, "")
        if name and (folder / name).is_file():
            return read_answer(course, topic, folder / name, folder)
        path = folder / f"{topic}.ipynb"
        answer = read_answer(course, topic, path, folder)
        if mark.get(UNREADABLE) and (coursedir := self._coursedir()) is not None:
            words = coursedir.submitted_directory, about["student"], about["assignment"]
            handed_in = Path(coursedir.format_path(*words)) / path.name
            return replace(answer, data=read_answer(course, topic, handed_in, None).data)
        return replace(answer, data=bare_notebook(nbformat.writes(nb)).encode())

    def grade(
        self, course: Course, topic: str, answer: Answer, key: str, student: str = ""
    ) -> TopicResult:
        """The result of an answer, from the store where it is there.

        Raises:
            GraderError: As `preprocess` has it.
        """
        course.require(topic)
        store, file = self._store(), f"{student}/{topic}/{answer.name}"
        graded = store.grade(key)
        if graded is not None and (result := self._believed(graded)) is not None:
            store.keep(None, student, topic, key, file)
            self.log.info("%s of %s was taken from the store of grades", topic, student)
            return result
        self._require_sandbox()
        asked = Asked(key, topic, answer.packed(), None, self.limit)
        # A process for each submission: should one take the judge over, it does not grade the others.
        answered = grade_one(course.root, asked)
        if answered.report is None:
            raise GraderError(f"{topic}: no mark was recorded. {answered.problem}")
        result = answered.report.topic(topic)
        require_verdicts(result)
        store.keep(graded_of(answered), student, topic, key, file)
        self.log.info("%s was graded at the level %s", topic, result.isolation["level"])
        return result

    def _believed(self, graded: Graded) -> TopicResult | None:
        """A stored result, where it would have been given here too."""
        result = graded.report.topic(graded.topic)
        sandboxed = result.isolation["level"] == str(Level.SANDBOX)
        return result if sandboxed or self.allow_unsandboxed else None

    def _store(self) -> StoreOfRun:
        """The one of this run of nbgrader's: the exporter lives as long."""
        found = getattr(self.parent, "store_of_run", None)
        if found is None:
            coursedir = self._coursedir()
            root = Path(coursedir.root) if coursedir is not None else Path()
            found = StoreOfRun(root / self.store if self.store else None, self.log.warning)
            if self.parent is not None:
                self.parent.store_of_run = found
        return found

    def _coursedir(self) -> Any:
        return getattr(getattr(self.parent, "parent", None), "coursedir", None)

    def _require_sandbox(self) -> None:
        how = f"set allow_unsandboxed = true in {SETTINGS}"
        if note := require_sandbox(allowed=self.allow_unsandboxed, how=how):
            self.log.warning("%s", note)
