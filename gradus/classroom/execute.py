"""nbgrader preprocessors: grade a submitted notebook with gradus in place of a Jupyter kernel."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, Float, Unicode

from gradus.classroom.grade.answer import Answer, dependencies, key_of, read_answer
from gradus.classroom.grade.pool import Asked, grade_one
from gradus.classroom.grade.store import Graded
from gradus.classroom.grade.turns import graded_of
from gradus.classroom.nbgrader.from_store import StoreOfRun
from gradus.classroom.nbgrader.module_notebook import MARK, MODULE, UNREADABLE
from gradus.classroom.nbgrader.results import show_result
from gradus.classroom.nbgrader.scores import require_known_checks, without_cell
from gradus.classroom.nbgrader.settings import FILE as SETTINGS
from gradus.classroom.nbgrader.settings import STORE
from gradus.classroom.nbgrader.stock import executed, is_ours
from gradus.classroom.own_cells.chosen import checked_task, have_to_run
from gradus.classroom.own_cells.run import Times, run_cells
from gradus.classroom.sandboxed import require_sandbox
from gradus.classroom.verdicts import require_verdicts
from gradus.course import Course, load_course
from gradus.errors import GraderError
from gradus.grading.grader_file import tasks_in
from gradus.grading.report import TopicResult
from gradus.sandbox.levels import Level
from gradus.submission.notebook_source import bare_notebook


class GradusExecute(NbGraderPreprocessor):
    """Takes the place of nbgrader's Execute: every check, hidden ones too, with the notebook in a sandbox."""

    kit = Unicode(help="Root folder of the gradus kit whose graders are used.").tag(config=True)
    allow_unsandboxed = Bool(
        False, help="Grade also where this system has no sandbox: submissions can then harm it."
    ).tag(config=True)
    limit = Float(600.0, help="Seconds that one submission may take in all, loads and checks.").tag(
        config=True
    )
    cell_limit = Float(
        30.0, help="Seconds that a cell may take which gradus does not grade, such as a plot."
    ).tag(config=True)
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
        if not is_ours(self, resources):
            return executed(self, nb, resources)
        topic, student = resources["nbgrader"]["notebook"], resources["nbgrader"]["student"]
        folder = Path(resources["metadata"]["path"])
        course = load_course(Path(self.kit))
        tasks = tasks_in(course.grader(course.require(topic)))
        require_known_checks(nb, topic, tasks)
        if missing := without_cell(nb, tasks):
            self.log.warning("%s has no cell for the points of %s", topic, ", ".join(missing))
        answer = self._answer(course, topic, nb, folder, resources["nbgrader"])
        depends = dependencies(course, topic, self.limit)
        result = self.grade(course, topic, answer, key_of(topic, answer, depends), student)
        show_result(nb, result, answer, self._ran(course, nb, answer, tasks))
        return nb, resources

    def _ran(
        self, course: Course, nb: Any, answer: Answer, tasks: Collection[str]
    ) -> dict[int, list[Any]]:
        """What the cells put out, where some are graded by a person or by an instructor's own test."""
        if not have_to_run(nb, tasks, shows_module=answer.name.endswith(".py")):
            return {}
        self._require_sandbox()
        cells = {
            number: cell.source
            for number, cell in enumerate(nb.cells, start=1)
            if cell.cell_type == "code" and not checked_task(cell, tasks)
        }
        return run_cells(course, cells, answer.others, Times(self.cell_limit, self.limit))

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
