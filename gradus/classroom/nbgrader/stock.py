"""Assignments of the same course that gradus does not grade: nbgrader does with them what it always does."""

from pathlib import Path
from typing import Any

from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearSolutions,
    DeduplicateIds,
    Execute,
    NbGraderPreprocessor,
)

from gradus.authoring.notebooks import ClearAnswers
from gradus.course import load_course


def is_ours(part: Any, resources: Any) -> bool:
    """Whether gradus grades a notebook: it is called like a topic of the course's kit.

    Args:
        part: Of nbgrader's, with its config.
        resources: Of the notebook.
    """
    kit = part.config.GradusExecute.get("kit", "")
    return not kit or _name(resources or {}) in load_course(Path(str(kit))).topics


def _name(resources: Any) -> str:
    """What a notebook is called: nbgrader's commands and formgrader's pages tell it in different places."""
    about = resources.get("nbgrader", {})
    return str(about.get("notebook") or resources.get("notebook_id", ""))


class GradusClear(ClearAnswers):
    """In a release: a stub line that names the task; in other assignments, nbgrader's own."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Clear the answers of one notebook."""
        if not is_ours(self, resources):
            return _done(ClearSolutions, self, nb, resources)
        cleared: tuple[Any, Any] = super().preprocess(nb, resources)
        return cleared


class CheckOthers(NbGraderPreprocessor):
    """nbgrader's check of cells' metadata, for what gradus does not grade: GradusRestore has made its own."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Check one notebook."""
        if is_ours(self, resources):
            return nb, resources
        return _done(CheckCellMetadata, self, nb, resources)


def with_other_ids(part: Any, nb: Any, resources: Any) -> tuple[Any, Any]:
    """What nbgrader does first with a notebook that was handed in."""
    return _done(DeduplicateIds, part, nb, resources)


def executed(part: Any, nb: Any, resources: Any) -> tuple[Any, Any]:
    """Run a notebook in a kernel, as nbgrader does: without a sandbox."""
    part.log.warning(
        "%s is no topic of the kit: nbgrader runs it, without a sandbox",
        resources["nbgrader"]["notebook"],
    )
    return _done(Execute, part, nb, resources)


def _done(kind: Any, part: Any, nb: Any, resources: Any) -> tuple[Any, Any]:
    found: tuple[Any, Any] = kind(parent=part.parent).preprocess(nb, resources)
    return found
