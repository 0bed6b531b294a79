"""What is done to a notebook before nbgrader looks at it: it is read whatever it is, and its cells repaired."""

from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.preprocessors import NbGraderPreprocessor

from gradus.classroom.handed_in import refuse_links
from gradus.classroom.nbgrader.class_log import log_safely, table_at_the_end
from gradus.classroom.nbgrader.module_notebook import MARK, UNREADABLE, marks
from gradus.classroom.nbgrader.stock import is_ours, with_other_ids
from gradus.classroom.own_cells.chosen import grade_id as named
from gradus.errors import SubmissionError
from gradus.submission.notebook_source import read_notebook


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
            table_at_the_end(self.parent)

    def from_file(self, file_stream: Any, resources: Any = None, **words: Any) -> tuple[Any, Any]:
        """Parse a file; never raises for what it holds, if it is of a topic."""
        if not is_ours(self, resources):
            found: tuple[Any, Any] = super().from_file(file_stream, resources=resources, **words)
            return found
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
        if not is_ours(self, resources):
            return with_other_ids(self, nb, resources)
        about = resources["nbgrader"]
        with Gradebook(about["db_url"]) as gradebook:
            original = gradebook.find_notebook(about["notebook"], about["assignment"])
            points = {cell.name: cell.max_score for cell in original.grade_cells}
            tasks = {
                cell.name: cell.max_score for cell in original.task_cells
            }  # a person grades them
            answers = {cell.name for cell in original.solution_cells}
            worth = {**points, **tasks}
            known = {
                cell.name: {
                    **_BLANK,
                    "grade_id": cell.name,
                    "grade": cell.name in points,
                    "solution": cell.name in answers,
                    "task": cell.name in tasks,
                    "locked": cell.locked,
                    "checksum": cell.checksum,
                    "cell_type": cell.cell_type,
                    **({"points": worth[cell.name]} if cell.name in worth else {}),
                }
                for cell in original.source_cells
            }
            sources = {cell.name: cell.source for cell in original.source_cells}
        there: set[str] = set()
        for cell in reversed(nb.cells):  # of a duplicated cell the last one counts, as in a kernel
            grade_id = named(cell)
            cell.metadata.pop("nbgrader", None)
            if grade_id in known and grade_id not in there:
                cell.metadata["nbgrader"] = nbformat.from_dict(known[grade_id])
                if known[grade_id]["cell_type"] != "markdown":
                    cell.pop("attachments", None)  # only text has some
                there.add(grade_id)
                if known[grade_id]["locked"]:
                    self._put_back(cell, sources[grade_id])
        for name in worth:
            if name not in there:
                self.log.warning("The check cell %s was missing; it was added back", name)
                cell = nbformat.v4.new_code_cell(sources[name])
                cell.metadata["nbgrader"] = nbformat.from_dict(known[name])
                nb.cells.append(cell)
        return nb, resources

    def _put_back(self, cell: Any, source: str) -> None:
        """Give a locked cell its text, of which a release may hold less: hidden tests are cut out."""
        lines = iter(source.split("\n"))
        if not all(line in lines for line in cell.source.split("\n")):
            self.log.warning("The locked cell %s was changed; it was put back", named(cell))
        cell.source = source


_BLANK = {"schema_version": 3}
