"""Reports as JSON files, which every other part reads. Format version 1: docs/report.md."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gradus.errors import ReportError
from gradus.grading.report import NO_WALL, Case, Check, CheckResult, Report, TaskResult, TopicResult
from gradus.shown import safe
from gradus.submission.status import Problem, Status

VERSION = 1
EXACT = 2**53 - 1  # above it, readers of JSON in many languages round whole numbers


def to_json(report: Report) -> str:
    """The report as JSON text (format version 1)."""
    text = json.dumps(
        {
            "version": VERSION,
            "created": report.created,
            "seed": report.seed if abs(report.seed) <= EXACT else str(report.seed),
            "hidden": report.hidden,
            "versions": report.versions,
            "topics": [_topic_to_data(topic) for topic in report.topics],
        },
        indent=1,
        ensure_ascii=False,
    )
    return text.encode("utf-8", "replace").decode()  # a student's message may hold half an emoji


def _topic_to_data(topic: TopicResult) -> dict[str, Any]:
    return {
        "name": topic.name,
        "earned": topic.earned,
        "possible": topic.possible,
        "complete": topic.complete,
        "submission": topic.submission,
        "sha256": topic.sha256,
        "isolation": topic.isolation,
        "problems": [asdict(problem) for problem in topic.problems],
        "tasks": [
            {
                "name": task.name,
                "earned": task.earned,
                "possible": task.possible,
                "complete": task.complete,
                "status": task.status.value,
                "checks": [
                    {
                        **{
                            k: v
                            for k, v in asdict(result.check).items()
                            if k not in ("topic", "task")
                        },
                        "status": result.status.value,
                        "cases": [
                            {k: v for k, v in asdict(case).items() if k != "check"}
                            for case in result.cases
                        ],
                    }
                    for result in task.checks
                ],
            }
            for task in topic.tasks
        ],
    }


def read_report(path: Path) -> Report:
    """Read a report that `--gradus-report` wrote.

    Raises:
        ReportError: If the file is missing, damaged, or of another version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ReportError(
            f"{path}: not a gradus report ({error!r}). Grade again to renew it."
        ) from error
    return from_json(text, str(path))


def from_json(text: str, path: str = "a report") -> Report:
    """The report that `to_json` made this text of; `path` is what errors call it.

    Raises:
        ReportError: If it is damaged, or of another version.
    """
    try:
        data = _safe(json.loads(text))
        if data["version"] != VERSION:
            raise ReportError(
                f"{path}: format version {data['version']}, this gradus reads {VERSION}. "
                "Grade again to renew it."
            )
        return Report(
            tuple(_topic_from_data(topic) for topic in data["topics"]),
            int(data["seed"]),
            data["hidden"],
            data["versions"],
            data["created"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(
            f"{path}: not a gradus report ({error!r}). Grade again to renew it."
        ) from error


def _safe(data: Any) -> Any:
    """The same data with every text safe to show: the file may be somebody else's."""
    if isinstance(data, dict):
        return {_safe(key): _safe(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_safe(value) for value in data]
    return safe(data) if isinstance(data, str) else data


def _topic_from_data(data: dict[str, Any]) -> TopicResult:
    tasks = []
    for task in data["tasks"]:
        results = []
        for item in task["checks"]:
            fields = {k: v for k, v in item.items() if k not in ("status", "cases")}
            check = Check(topic=data["name"], task=task["name"], **fields)
            cases = [
                Case(check=check.name, **{**case, "status": Status(case["status"])})
                for case in item["cases"]
            ]
            results.append(CheckResult(check, tuple(cases)))
        tasks.append(TaskResult(task["name"], tuple(results)))
    problems = tuple(
        Problem(p["where"], p["message"], tuple(p["names"]), Status(p["kind"]))
        for p in data["problems"]
    )
    return TopicResult(
        data["name"],
        tuple(tasks),
        problems,
        data["submission"],
        data["sha256"],
        data.get("isolation", dict(NO_WALL)),  # before gradus 0.2 there was no wall
    )
