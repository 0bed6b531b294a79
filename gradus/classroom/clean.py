"""nbgrader preprocessors: what a student wrote cannot run, load or cover anything on the pages that show it.

The graded notebook is cleaned when it is written, so every program that shows it shows the clean one; the
page of formgrader and the feedback clean what they are given once more.
"""

import base64
import re
from html import escape
from typing import Any

import nbformat
from nbgrader.converters import GenerateFeedback
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_locked
from traitlets import List

from gradus.classroom.nbgrader.class_log import log_safely
from gradus.classroom.nbgrader.stock import is_ours
from gradus.classroom.safe_html import as_text, safe_markdown, safe_output
from gradus.shown import visible

OURS = "gradus"  # in the metadata of an output that gradus has written
_PICTURES = ("image/png", "image/jpeg")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class GradusClean(NbGraderPreprocessor):
    """Makes harmless: text cells, except for the instructor's own locked ones, and outputs of student code."""

    # As nbgrader's, but that nbconvert's pages may set it.
    display_data_priority = List(NbGraderPreprocessor.display_data_priority.default()).tag(
        config=True
    )

    most_marks = 10_000  # of one output

    def __init__(self, **words: Any) -> None:
        super().__init__(**words)
        log_safely(self.log)

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Clean one notebook."""
        markup = _Markup(self.most_marks)
        marked = is_ours(
            self, resources
        )  # a kernel's outputs may have any mark that a student likes
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs = [
                    o if marked and _is_marked(o) else _clean_output(o, markup)
                    for o in cell.outputs
                ]
            elif not is_locked(cell):
                _clean_text(cell)
        return nb, resources


class GradusShow(GradusClean):
    """The same where a page is made, which shows invisible characters in code too."""

    most_marks = 3 * GradusClean.most_marks  # what was cleaned has a tag at the end of each element

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Clean one notebook for its page."""
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.source = visible(cell.source)
        cleaned: tuple[Any, Any] = super().preprocess(nb, resources)
        if isinstance(getattr(self.parent, "parent", None), GenerateFeedback):
            about = resources["nbgrader"]
            self.log.info("Feedback for %s: %s", about["student"], about["notebook"])
        return cleaned


class _Markup:
    """How much of it is cleaned: a parser takes seconds where thousands of elements lie in one another.

    Args:
        most: Characters of one output that begin a tag or an entity, and a sixth of those of a notebook.
    """

    def __init__(self, most: int) -> None:
        self._most, self._left = most, 6 * most

    def has_room(self, kind: str, text: str) -> bool:
        """Whether an output may be cleaned; counts it."""
        marks = len(text) // 2 if kind == "text/markdown" else text.count("<") + text.count("&")
        if kind == "image/svg+xml":  # no parser reads it
            marks = 0
        if marks > min(self._most, self._left):
            return False
        self._left -= marks
        return True


def _clean_text(cell: Any) -> None:
    """A markdown cell stays one; any other (a raw one is put into a page as it is) is shown as text."""
    attachments = cell.pop("attachments", None)
    if cell.cell_type == "markdown":
        cell.source = safe_markdown(cell.source, attachments)
        return
    cell.cell_type = "markdown"
    cell.source = as_text(cell.source)
    for name in ("raw_mimetype", "format"):
        cell.metadata.pop(name, None)


def _is_marked(output: Any) -> bool:
    """Whether gradus wrote it: student code's outputs have no metadata (`own_cells.outputs`)."""
    return bool(output.get("metadata", {}).get(OURS))


def _clean_output(output: Any, markup: _Markup) -> Any:
    """Text, tables and pictures of an output; all else becomes a line that says what was there."""
    if output.output_type == "stream":
        return nbformat.v4.new_output(
            "stream", name=_stream(output), text=visible(_typed(_text(output.get("text"))))
        )
    if output.output_type == "error":
        lines = output.get("traceback")
        return nbformat.v4.new_output(
            "error",
            ename=visible(_text(output.get("ename"))),
            evalue=visible(_text(output.get("evalue"))),
            traceback=[visible(_text(line)) for line in (lines if isinstance(lines, list) else ())],
        )
    data = {kind: _text(value) for kind, value in output.get("data", {}).items()}
    kept = {k: v for k, v in data.items() if k in _PICTURES and _BASE64.fullmatch(v)}
    if "text/plain" in data:
        kept["text/plain"] = visible(data["text/plain"])
    kind = next((kind for kind in _AS_HTML if kind in data), "")
    if kind and not kept.keys() & set(_PICTURES):
        if markup.has_room(kind, data[kind]):
            kept["text/html"] = _AS_HTML[kind](data[kind])
        else:
            words = f"({kind}: too much of it to be shown here)"
            kept["text/plain"] = "\n".join(filter(None, [kept.get("text/plain"), words]))
    if not kept:
        kinds = ", ".join(map(visible, map(str, data)))
        kept["text/plain"] = f"(an output that is not shown here: {kinds})"
    return nbformat.v4.new_output("display_data", data=kept)


def _as_image(svg: str) -> str:
    """A drawing as an image: there a browser runs no script of it, and loads nothing."""
    data = base64.b64encode(svg.encode("utf-8", "replace")).decode()
    return safe_output(f'<img src="data:image/svg+xml;base64,{data}">')


# The first one that is there is shown.
_AS_HTML = {
    "text/html": safe_output,
    "image/svg+xml": _as_image,
    "text/markdown": safe_markdown,
    "text/latex": lambda text: safe_output(escape(text)),
}


def _stream(output: Any) -> str:
    return "stderr" if output.get("name") == "stderr" else "stdout"


def _typed(text: str) -> str:
    """Without colours; of a line that was written over, as progress bars do, the last state."""
    text = _COLOUR.sub("", text.replace("\r\n", "\n"))
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def _text(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value)
