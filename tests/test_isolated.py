"""`--isolated`: the same marks and words from behind the wall, the level told, and a class never without it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gradus.engine.apart import grade_apart
from gradus.engine.here import grade_here
from gradus.errors import GraderError
from gradus.grading.report_file import read_report, to_json
from gradus.topic import split_cells
from tests.kits import SOLUTION, answers, comparable, notebook, statuses, with_cell
from tests.nbgrader_course import filled, right_answers

FILES = {
    "right": answers(),
    "wrong": answers(double="def double(x):\n    return x ** 2\n"),
    "raises": answers(double="def double(x):\n    raise ValueError(f'no {x.shape}')\n"),
    "signature": answers(double="def double(x, y):\n    return x\n"),
    "returns None": answers(double="def double(x):\n    x + x\n"),
    "exits": answers(double="def double(x):\n    import sys\n    sys.exit(3)\n"),
    "ends the process": answers(double="def double(x):\n    import os\n    os._exit(0)\n"),
    "skips": answers(double="def double(x):\n    import pytest\n    pytest.skip('easy')\n"),
    "changes its input": answers(double="def double(x):\n    x *= 2\n    return x\n"),
    "renamed": SOLUTION.replace("def row_means", "def row_mean"),
    "does not compile": answers(double="def double(x:\n    return 2 * x\n"),
    "raises when loaded": with_cell("1 / 0"),
    "exits when loaded": with_cell("raise SystemExit"),
    "prints": with_cell("print('n' * 100_000)"),
    "empty": "\n",
    "no text": "\0",
    "own exception": with_cell("class Odd(KeyError):\n    pass").replace(
        "return 2 * x", "raise Odd('x')"
    ),
}


@pytest.mark.parametrize("case", FILES, ids=str)
@pytest.mark.parametrize("form", ["module", "notebook"])
def test_the_report_is_the_same_on_both_sides_of_the_wall(shared_kit, tmp_path, case, form):
    path = tmp_path / ("demo.py" if form == "module" else "demo.ipynb")
    text = FILES[case]
    if form == "notebook":
        text = notebook(*(cell.text for cell in split_cells(text) if not cell.markdown))
    path.write_text(text, encoding="utf-8")
    here, behind = (
        grade_here(shared_kit, "demo", path, hidden=True, isolated=isolated)
        for isolated in (False, True)
    )
    assert here.isolation == {"level": "none"}
    assert behind.isolation["level"] in ("sandbox", "namespaces", "process")
    assert comparable(behind) == comparable(here)


def test_a_missing_file_is_told_in_the_same_words(shared_kit, tmp_path):
    path = tmp_path / "demo.py"
    here, behind = (
        grade_here(shared_kit, "demo", path, isolated=isolated) for isolated in (False, True)
    )
    assert comparable(behind) == comparable(here)
    assert "there is no file" in behind.problems[0].message


DIES = "import os\nimport signal\nos.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize("where", ["while it is loaded", "in a check"])
def test_a_process_that_is_lost_is_told_as_without_the_wall(shared_kit, tmp_path, where):
    path = tmp_path / "demo.py"
    body = "".join(f"    {line}\n" for line in DIES.splitlines())
    loaded = with_cell(DIES)
    called = answers(row_means=f"def row_means(table):\n{body}")
    path.write_text(loaded if where == "while it is loaded" else called, encoding="utf-8")
    reports = [
        grade_apart(shared_kit, "demo", path, hidden=True, isolated=isolated)
        for isolated in (False, True)
    ]
    apart, behind = (report.topic("demo") for report in reports)
    assert comparable(behind) == comparable(apart)
    assert "it crashed the whole process (SIGKILL)" in to_json(reports[1])
    found = statuses(behind)
    assert found["twice_every_number"] == found["affine_learns"] == "passed"


def test_a_check_that_never_ends_says_where_it_was(kit, tmp_path, monkeypatch):
    grader = kit.grader("demo")
    text = grader.read_text(encoding="utf-8")
    grader.write_text(
        text.replace(
            '@pytest.mark.task("row_means", points=2)',
            '@pytest.mark.timeout(1)\n@pytest.mark.task("row_means", points=2)',
        ),
        encoding="utf-8",
    )
    path = tmp_path / "demo.py"
    path.write_text(
        answers(row_means="def row_means(table):\n    while True:\n        table = table + 1\n"),
        encoding="utf-8",
    )
    result = grade_here(kit, "demo", path, isolated=True)
    (check,) = result.task("row_means").checks
    assert check.status.value == "timeout"
    assert "is there an endless loop?" in check.message
    assert "demo.py" in check.message
    assert "in row_means" in check.message
    assert result.task("Affine").earned == result.task("Affine").possible


def test_a_time_limit_shows_the_students_code_and_not_graduss_threads(kit, run_pytest):
    grader = kit.grader("demo")
    text = grader.read_text(encoding="utf-8")
    mark = '@pytest.mark.task("row_means", points=2)'
    grader.write_text(text.replace(mark, f"@pytest.mark.timeout(1)\n{mark}"), encoding="utf-8")
    loops = answers(row_means="def row_means(table):\n    while True:\n        pass\n")
    (kit.root / "exercises" / "demo.py").write_text(loops, encoding="utf-8")
    done = run_pytest("--isolated", "--task=row_means")
    done.stdout.fnmatch_lines(["*is there an endless loop?*"])
    done.stdout.fnmatch_lines(["*again*-k test_one_mean_for_each_row --isolated"])
    done.stdout.no_fnmatch_line("*Stack of*")


def test_the_level_is_printed_and_stored(kit, run_pytest):
    done = run_pytest("--isolated", "--gradus-report=report.json")
    level = read_report(Path("report.json")).topic("demo").isolation["level"]
    assert level in ("sandbox", "namespaces", "process")
    done.stdout.fnmatch_lines([f"  isolation: {level}*"])


def test_gradus_check_has_the_wall_too(kit):
    shutil.copy(kit.solution("demo"), kit.root / "exercises" / "demo.py")
    done = subprocess.run(
        [sys.executable, "-m", "gradus.cli", "check", "demo", "--isolated"],
        cwd=kit.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n  isolation: " in done.stdout
    assert "demo: 7 of 7 points" in done.stdout


def test_files_beside_ones_own_exercise_come_along_and_others_submissions_do_not(kit, run_pytest):
    look = "from helper import TWO\n\n\ndef double(x):\n    return TWO * x\n"
    Path("exercises/helper.py").write_text("TWO = 2\n", encoding="utf-8")
    Path("exercises/demo.py").write_text(answers(double=look), encoding="utf-8")
    run_pytest("--isolated", "--gradus-report=own.json")
    assert read_report(Path("own.json")).topic("demo").task("double").earned == 3

    Path("handed_in").mkdir()
    Path("handed_in/helper.py").write_text("TWO = 2\n", encoding="utf-8")
    Path("handed_in/demo.py").write_text(answers(double=look), encoding="utf-8")
    run_pytest("--isolated", "--submission=handed_in/demo.py", "--gradus-report=alone.json")
    report = read_report(Path("alone.json")).topic("demo")
    assert report.task("double").earned == 0
    assert "No module named 'helper'" in report.problems[0].message


def test_hidden_checks_run_last(kit, run_pytest):
    done = run_pytest("--hidden", "-v")
    order = [line.partition("::")[2].split()[0] for line in done.outlines if "::test_" in line]
    assert order[-1] == "test_rows_of_one"
    assert len(order) > 5


def test_a_class_is_not_graded_without_a_sandbox_unless_that_is_allowed(
    shared_classroom, tmp_path, monkeypatch
):
    classroom = shared_classroom.copied(tmp_path)
    classroom.hand_in("right", filled(classroom.released(), right_answers(classroom.kit, "demo")))
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "ldconfig", "gcc"):  # but no bwrap
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(programs))
        done = classroom.nbgrader("autograde", "demo")
        assert done.returncode != 0
        assert (
            "a class is graded in a sandbox, and this machine reaches only process" in done.stdout
        )
        assert "set allow_unsandboxed = true in gradus_course.toml" in done.stdout

        config = classroom.folder / "gradus_course.toml"
        text = config.read_text(encoding="utf-8")
        allowed = text.replace("allow_unsandboxed = false", "allow_unsandboxed = true")
        assert allowed != text
        config.write_text(allowed, encoding="utf-8")
        done = classroom.nbgrader("autograde", "demo")
    assert done.returncode == 0, done.stdout
    assert "Graded without a sandbox" in done.stdout
    assert classroom.scores() == {"right": 7}


def test_a_run_that_stops_in_the_middle_gives_no_marks(kit, tmp_path):
    class Breaks:
        @staticmethod
        def pytest_runtest_logstart(nodeid: str) -> None:
            if "affine" in nodeid:
                raise OSError("the sandbox is lost here")

    path = tmp_path / "demo.py"
    path.write_text(answers(), encoding="utf-8")
    with pytest.raises(GraderError, match=r"(?s)stopped in the middle\..*the sandbox is lost here"):
        grade_here(kit, "demo", path, plugins=[Breaks()])


def test_a_run_that_insists_on_the_sandbox_stops_without_one(pytester, shared_kit, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))  # no bubblewrap there
    done = pytester.runpytest_subprocess(
        str(shared_kit.grader("demo")), "--isolated=sandbox", "-p", "no:cacheprovider"
    )
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        ["*ERROR: sandbox: level sandbox was asked for*bubblewrap is missing*"]
    )


def test_a_limit_that_is_no_time_is_refused(pytester, shared_kit):
    done = pytester.runpytest_subprocess(str(shared_kit.grader("demo")), "--limit", "-3")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*--limit: a number of seconds above 0, such as 600; got '-3'*"])


def test_a_limit_without_the_wall_is_told_and_not_ignored(pytester, shared_kit):
    done = pytester.runpytest_subprocess(str(shared_kit.grader("demo")), "--limit", "3")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*--limit is for submissions behind the wall: add --isolated*"])


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_link_is_not_followed(shared_kit, tmp_path, what):
    """Unlike in-process, where it is the student's own machine."""
    right = shared_kit.solution("demo")
    link = tmp_path / ("demo.py" if what == "file" else "handed in")
    link.symlink_to(right if what == "file" else right.parent)
    assert grade_here(shared_kit, "demo", link).earned > 0
    result = grade_here(shared_kit, "demo", link, isolated=True)
    assert result.earned == 0
    assert "is a link" in result.problems[0].message
