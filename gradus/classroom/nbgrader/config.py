"""nbgrader's settings for a course that gradus grades; the course's own `nbgrader_config.py` loads them."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ComputeChecksums,
    IgnorePattern,
    IncludeHeaderFooter,
    InstantiateTests,
    LimitOutput,
    LockCells,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
    SaveCells,
)

from gradus.classroom.clean import GradusClean, GradusShow
from gradus.classroom.execute import GradusExecute
from gradus.classroom.nbgrader.exchange import GradusReleaseFeedback
from gradus.classroom.nbgrader.modules import see_modules
from gradus.classroom.nbgrader.restore import GradusExporter, GradusRestore
from gradus.classroom.nbgrader.settings import read_settings
from gradus.classroom.nbgrader.stock import CheckOthers, GradusClear
from gradus.classroom.nbgrader.zip_collect import GradusCollector


def configure(c: Any, file: str) -> None:
    """Let nbgrader release and grade as gradus does it. What is set on `c` after this call counts.

    Args:
        c: nbgrader's config.
        file: Of the course's `nbgrader_config.py`.

    Raises:
        CourseError: If `gradus_course.toml`, beside that file, is missing or damaged, or the kit is gone.
    """
    if shutil.which("alembic") is None:  # which nbgrader calls by name, for its database
        scripts = str(Path(sys.executable).parent)
        os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", "")])
    settings = read_settings(Path(file).resolve().parent)
    c.CourseDirectory.course_id = settings.course_id
    c.CourseDirectory.root = str(settings.folder)
    c.GradusExecute.kit = str(settings.course().root)
    c.GradusExecute.allow_unsandboxed = settings.allow_unsandboxed
    c.GradusExecute.limit = settings.limit

    # Downloads of learning platforms: `nbgrader zip_collect` places them as `gradus grade` does.
    c.ZipCollectApp.collector_plugin = GradusCollector
    c.GradusCollector.kit = str(settings.course().root)

    c.ExchangeFactory.release_feedback = GradusReleaseFeedback

    # Release: as nbgrader does it, with a stub line that names the task.
    c.GenerateAssignment.preprocessors = [
        IncludeHeaderFooter, InstantiateTests, LockCells, GradusClear, ClearOutput, CheckCellMetadata,
        ComputeChecksums, SaveCells, ClearHiddenTests, ClearMarkScheme, ComputeChecksums,
        CheckCellMetadata,
    ]  # fmt: skip

    # Autograde: gradus grades each notebook; no kernel runs. Nothing checks the metadata of cells, which
    # takes a third of the time: GradusRestore has made them those of the gradebook.
    c.Autograde.exporter_class = GradusExporter
    c.Autograde.sanitize_preprocessors = [
        ClearOutput, GradusRestore, OverwriteKernelspec, OverwriteCells, CheckOthers,
    ]  # fmt: skip
    c.Autograde.autograde_preprocessors = [
        GradusExecute, IgnorePattern, ClearMetadataPreprocessor, LimitOutput, SaveAutoGrades,
        AssignLatePenalties, CheckOthers, GradusClean,
    ]  # fmt: skip
    see_modules()

    # Formgrader's pages and the feedback: nothing that a student wrote runs in the reader's browser.
    c.HTMLExporter.preprocessors = [GradusShow]
