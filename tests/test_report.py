"""Reports: what docs/report.md and its schema promise, and how points add up."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gradus.errors import ReportError
from gradus.grading.report import Case, Check, Report, TopicResult, assemble
from gradus.grading.report_file import VERSION, read_report, to_json
from gradus.submission.status import Status
from tests.kits import POINTS, answers, earned, grade, statuses, with_cell

DOCS = Path(__file__).parent.parent / "docs"
SCHEMA = json.loads((DOCS / "report.schema.json").read_text(encoding="utf-8"))
SUBMISSIONS = {
    "right": answers(),
    "wrong": answers(double="def double(x): return x if len(x) == 4 else 2 * x"),
    "not loaded": b"\xff",
    "half loaded": with_cell("1 / 0\n\n# %%\ndef broken(:"),
    "a stub": answers(Affine="class Affine:\n    raise NotImplementedError('TODO: Affine')"),
}


def problems_of(text: str) -> list[str]:
    """What the schema finds wrong with a report's text."""
    errors = Draft202012Validator(SCHEMA).iter_errors(json.loads(text))
    return [f"{error.json_path}: {error.message}" for error in errors]


def written(folder: Path, text: str) -> Path:
    path = folder / "report.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_schema_is_a_schema_and_describes_every_field():
    Draft202012Validator.check_schema(SCHEMA)

    kinds = {"report": SCHEMA, **SCHEMA["$defs"]}
    fields = {
        f"{kind}.{name}": field
        for kind, part in kinds.items()
        for name, field in part.get("properties", {}).items()
    }
    assert len(fields) > 30
    assert [name for name, field in (kinds | fields).items() if not field.get("description")] == []
    assert SCHEMA["properties"]["version"]["const"] == VERSION
    assert SCHEMA["$defs"]["status"]["enum"] == [status.value for status in Status]


def test_the_example_of_the_handbook_keeps_to_the_schema():
    example = re.search(
        r"```json\n(.*?)```", (DOCS / "report.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert problems_of(example[1]) == []


def test_the_report_of_a_real_run_keeps_to_the_schema(graded):
    text = answers(double="def double(x): return x", row_means="def row_means(x: return 3")
    graded(text, "--hidden", "--gradus-seed=3", "-k=not learns")
    report = Path("report.json").read_text(encoding="utf-8")
    assert problems_of(report) == []
    data = json.loads(report)
    assert (data["seed"], data["hidden"]) == (3, True)
    assert set(data["versions"]) == {"gradus", "python", "torch", "pytest"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", data["created"])


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_every_report_keeps_to_the_schema_and_comes_back_as_it_was(shared_kit, tmp_path, name):
    report = Report(
        (grade(shared_kit, SUBMISSIONS[name], hidden=True),), 7, True, {"torch": "2"}, "now"
    )
    text = to_json(report)
    assert problems_of(text) == []
    assert read_report(written(tmp_path, text)) == report


@pytest.mark.parametrize(
    ("seed", "written_as"),
    [(0, 0), (-3, -3), (2**53 - 1, 2**53 - 1), (2**53, "9007199254740992"), (2**128 - 1, str(2**128 - 1))],
)  # fmt: skip
def test_a_seed_of_any_size_comes_back_exactly(tmp_path, seed, written_as):
    text = to_json(Report((), seed))
    assert json.loads(text)["seed"] == written_as
    assert problems_of(text) == []
    assert read_report(written(tmp_path, text)).seed == seed


def test_a_seed_that_is_no_number_is_refused(tmp_path):
    text = json.dumps({**json.loads(to_json(Report(()))), "seed": "many"})
    assert problems_of(text) != []
    with pytest.raises(ReportError, match="not a gradus report"):
        read_report(written(tmp_path, text))


def test_the_schema_notices_what_does_not_belong():
    broken = json.loads(to_json(Report(())))
    assert problems_of(json.dumps({**broken, "version": 2})) != []
    assert problems_of(json.dumps({**broken, "more": 1})) != []
    del broken["seed"]
    assert problems_of(json.dumps(broken)) != []


def test_sums_are_computed_anew_when_a_report_is_read(shared_kit, tmp_path):
    data = json.loads(to_json(Report((grade(shared_kit, SUBMISSIONS["wrong"]),))))
    data["topics"][0]["earned"] = data["topics"][0]["tasks"][0]["earned"] = 99
    topic = read_report(written(tmp_path, json.dumps(data))).topic("demo")
    assert earned(topic) == {**POINTS, "double": 1}


@pytest.mark.parametrize("text", [
    "", "{", "null", "[]", "3", '"text"', "{}", '{"version": 1}', '{"version": 1, "topics": [3]}',
    '{"version": 1, "topics": [{"name": "a", "tasks": [{"name": "b", "checks": [[]]}]}]}',
    '{"version": 1, "topics": null, "seed": 0, "hidden": false, "versions": {}, "created": ""}',
])  # fmt: skip
def test_a_damaged_report_is_refused(tmp_path, text):
    with pytest.raises(
        ReportError, match=r"report\.json: not a gradus report \(.*Grade again to renew it"
    ):
        read_report(written(tmp_path, text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"passed"', '"excellent"'),
        ('"points"', '"marks"'),
        ('"title"', '"claim"'),
        ('"names": []', '"names": 3'),
    ],
)  # fmt: skip
def test_a_report_with_other_fields_or_values_is_refused(shared_kit, tmp_path, old, new):
    text = to_json(Report((grade(shared_kit, SUBMISSIONS["half loaded"]),)))
    assert old in text
    with pytest.raises(ReportError, match="not a gradus report"):
        read_report(written(tmp_path, text.replace(old, new)))


def test_a_missing_report_and_one_that_is_no_text_are_refused(tmp_path):
    with pytest.raises(ReportError, match="FileNotFoundError"):
        read_report(tmp_path / "report.json")
    (tmp_path / "report.json").write_bytes(b"\xff")
    with pytest.raises(ReportError, match="UnicodeDecodeError"):
        read_report(tmp_path / "report.json")


def test_a_report_of_another_version_is_refused_with_both_versions(tmp_path):
    text = to_json(Report(())).replace('"version": 1', '"version": 2')
    words = r"report\.json: format version 2, this gradus reads 1\. Grade again to renew it\."
    with pytest.raises(ReportError, match=words):
        read_report(written(tmp_path, text))


def test_a_name_that_is_not_there_is_refused_with_those_that_are(shared_kit):
    report = Report((grade(shared_kit, answers()),))
    with pytest.raises(ReportError, match="the report holds no topic 'cnn'"):
        report.topic("cnn")
    with pytest.raises(
        ReportError, match=r"no task 'doubel'\. There are: double, row_means, Affine\."
    ):
        report.topic("demo").task("doubel")


P, F, T, N = Status.PASSED, Status.FAILED, Status.TODO, Status.NOT_RUN


def one_task(*checks: tuple[int, bool, Status]) -> TopicResult:
    """A topic with one task: points, hidden or not, and status of each check."""
    declared = [
        Check("demo", f"test_{i}", "task", p, "It is right.", h)
        for i, (p, h, _) in enumerate(checks)
    ]
    cases = [
        Case(f"test_{i}", "", status) for i, (_, _, status) in enumerate(checks) if status is not N
    ]
    return assemble("demo", declared, cases)


@pytest.mark.parametrize(("checks", "points", "complete"), [
    ([(2, False, P), (1, False, P)], (3, 3), True),
    ([(2, False, P), (1, False, F)], (2, 3), True),
    ([(2, False, P), (1, True, P)], (2, 2), True),
    ([(2, False, P), (1, True, F)], (1, 2), True),
    ([(2, False, F), (5, True, F)], (0, 2), True),
    ([(2, False, P), (1, False, N)], (2, 3), False),
    ([(2, False, P), (1, True, N)], (1, 2), False),
    ([(2, False, T)], (0, 2), True),
])  # fmt: skip
def test_points_add_up(checks, points, complete):
    topic = one_task(*checks)
    assert (topic.earned, topic.possible) == points
    assert topic.complete is complete


@pytest.mark.parametrize(("found", "of", "status"), [
    ([P, P], 2, P), ([P], 2, N), ([P, F], 2, F), ([F], 2, F), ([], 1, N), ([F, Status.ERROR], 2, Status.ERROR),
    ([Status.ERROR, Status.TIMEOUT], 2, Status.TIMEOUT), ([Status.TIMEOUT, Status.BROKEN], 2, Status.BROKEN),
    ([T, F], 2, F), ([T, P], 2, T),
])  # fmt: skip
def test_a_check_is_as_good_as_its_worst_case(found, of, status):
    cases = [Case("test_0", str(i), each, of=of) for i, each in enumerate(found)]
    [result] = assemble(
        "demo", [Check("demo", "test_0", "task", 1, "It is right.")], cases
    ).checks()
    assert result.status is status


def test_a_task_of_which_a_part_did_not_run_is_as_good_as_what_ran():
    [task] = one_task((1, False, P), (1, False, N)).tasks
    assert (task.status, task.complete) == (P, False)


def test_students_see_no_hidden_check(shared_kit):
    topic = grade(shared_kit, answers(), hidden=True)
    text = to_json(Report((topic.visible(),)))
    assert "rows_of_one" in statuses(topic)
    assert "rows_of_one" not in text
    assert "A row of one" not in text
    assert topic.visible() == replace(topic, tasks=topic.visible().tasks)
