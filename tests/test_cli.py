"""The `gradus` command as people use it: output, exit codes, and what it leaves on disk."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from gradus import cli
from gradus.errors import GradusError
from gradus.student.targets import find_target
from tests.kits import write_kit


@pytest.fixture
def kit(tmp_path, monkeypatch):
    """A small kit of its own, with the working folder in it."""
    course = write_kit(tmp_path / "kit")
    monkeypatch.chdir(course.root)
    return course


def gradus(*words, code=0):
    """Run a command in this process; returns its output."""
    done = CliRunner().invoke(cli.app, list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


def task_names(course):
    from gradus.topic import Topic

    return list(Topic.load(course.solution("demo")).tasks)


def test_without_a_command_it_shows_progress_and_what_to_do(kit):
    out = gradus()
    assert "demo" in out
    assert "gradus check demo" in out


def test_a_check_that_a_person_stops_says_so(kit):
    mark = kit.root / "it runs"
    text = f"import time\nopen({str(mark)!r}, 'w').close()\ntime.sleep(60)\n"
    kit.exercise("demo").write_text(text, encoding="utf-8")
    words = [sys.executable, "-m", "gradus.cli", "check", "demo"]

    def hear() -> None:  # a shell lets what it starts in the background ignore Ctrl+C
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=hear) as running:
        while not mark.exists() and running.poll() is None:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "gradus: stopped by Ctrl+C before it was done." in said
    assert "Traceback" not in said
    assert not (kit.state / "reports").exists()


def test_check_of_one_task_keeps_what_is_known_of_the_others(kit, capfd):
    shutil.copy(kit.solution("demo"), kit.exercise("demo"))
    first, second, *_ = task_names(kit)
    gradus("check", f"demo.{first}")
    assert f"gradus check demo.{second}" in gradus()
    gradus("check", "demo")
    assert "done" in gradus()


def test_check_exits_with_0_and_3(kit, capfd):  # and with 1 above
    out = gradus("check", "demo", "--submission", str(kit.solution("demo")), "--hidden")
    assert "demo is done." in out
    grader = kit.grader("demo")
    text = grader.read_text("utf-8")
    grader.write_text(text.replace("assert_matches(", "no_such_helper("), encoding="utf-8")
    gradus("check", "demo", "--submission", str(kit.solution("demo")), code=3)


def test_unknown_topics_and_tasks_are_told_with_those_that_there_are(kit):
    with pytest.raises(GradusError, match=r"no topic or task 'cmn' here. The topics: demo"):
        gradus("check", "cmn")
    with pytest.raises(GradusError, match=rf"no task 'nope'. There are: {task_names(kit)[0]}"):
        gradus("check", "demo.nope")
    with pytest.raises(GradusError, match=rf"name one of its tasks.*: {task_names(kit)[0]}"):
        gradus("hint", "demo")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["demo"], ("demo", None)),
        (["demo."], ("demo", None)),
        (["demo.double"], ("demo", "double")),
        (["demo", "Affine"], ("demo", "Affine")),
        (["row_means"], ("demo", "row_means")),
        (["exercises/demo.py"], ("demo", None)),
        (["./exercises/demo.py", "double"], ("demo", "double")),
    ],
)
def test_topics_and_tasks_may_be_called_in_several_ways(kit, words, wanted, monkeypatch):
    (kit.root / "notes").mkdir()
    for folder in (kit.root, kit.root / "notes"):
        monkeypatch.chdir(folder)
        assert find_target(kit, words) == wanted


def test_an_exercise_may_be_named_from_its_folder(kit, monkeypatch):
    monkeypatch.chdir(kit.root / "exercises")
    assert find_target(kit, ["demo.py"]) == ("demo", None)
    assert find_target(kit, [str(kit.exercise("demo"))]) == ("demo", None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dubble"], "no topic or task 'dubble' here. Is demo.double meant?"),
        (["rowmeans"], "no topic or task 'rowmeans' here. Is demo.row_means meant?"),
        (["Demo"], "no topic or task 'Demo' here. Is demo meant?"),
        (["demo.afine"], "demo: no task 'afine'. Is demo.Affine meant?"),
        (["demo", "double", "Affine"], "name one topic, and one task of it at most"),
        (["demo.double", "Affine"], "name one topic, and one task of it at most"),
        (["dmo.double"], "no topic 'dmo' here. Is demo meant?"),
        (["handed_in/demo.py"], "gradus check TOPIC --submission handed_in/demo.py"),
        ([""], "no topic or task '' here. The topics: demo."),
    ],
)
def test_a_slip_is_answered_with_what_comes_near(kit, words, said):
    with pytest.raises(GradusError) as caught:
        find_target(kit, words)
    assert said in str(caught.value)


def test_a_task_s_name_alone_is_enough_for_check_and_hint(kit, capfd):
    shutil.copy(kit.solution("demo"), kit.exercise("demo"))
    assert "double" in gradus("check", "double")
    assert gradus("hint", "demo", "double") == gradus("hint", "double", "--again")


def test_errors_for_people_come_without_a_traceback_and_exit_with_2(kit):
    done = subprocess.run(
        [sys.executable, "-m", "gradus.cli", "check", "cmn"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("gradus: ")
    assert "Traceback" not in done.stderr


def test_outside_a_kit_it_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GradusError, match=r"no course\.toml here or in a folder above"):
        gradus()


def test_hints_come_one_at_a_time_and_stay_known(kit):
    task = task_names(kit)[0]
    assert "1 of 2" in gradus("hint", f"demo.{task}")
    both = gradus("hint", f"demo.{task}")
    assert "1 of 2" in both
    assert "2 of 2" in both
    assert "last hint" in gradus("hint", f"demo.{task}", "--again")


def test_hints_without_solutions_come_from_the_handed_out_file(kit):
    task = task_names(kit)[0]
    (kit.root / "hints.json").write_text(
        json.dumps({"demo": {task: ["look up"]}}), encoding="utf-8"
    )
    shutil.rmtree(kit.root / "solutions")
    assert "1 of 1: look up" in gradus("hint", f"demo.{task}")
    (kit.root / "hints.json").unlink()
    with pytest.raises(GradusError, match="no hints for demo here"):
        gradus("hint", f"demo.{task}")


def test_reset_brings_the_stub_back_and_keeps_the_work(kit):
    stub = kit.exercise("demo").read_text("utf-8")
    kit.exercise("demo").write_text("my = 'work'\n", encoding="utf-8")
    gradus("reset", "demo")
    assert kit.exercise("demo").read_text("utf-8") == stub
    kit.exercise("demo").unlink()
    gradus("reset", "demo")
    assert kit.exercise("demo").read_text("utf-8") == stub
    backups = list((kit.state / "backups").iterdir())
    assert [path.read_text("utf-8") for path in backups] == ["my = 'work'\n"]


def test_reset_without_solutions_names_another_way(kit):
    kit.solution("demo").unlink()
    with pytest.raises(GradusError, match=r"git checkout -- exercises/demo\.py"):
        gradus("reset", "demo")


def test_export_check_tells_what_is_stale_and_export_mends_it(kit):
    assert gradus("export", "--check") == ""
    kit.exercise("demo").write_text("old\n", encoding="utf-8")
    kit.exercise("demo").with_suffix(".ipynb").unlink()
    out = gradus("export", "--check", code=1)
    assert "exercises/demo.py is stale" in out
    assert "exercises/demo.ipynb is stale" in out
    assert "wrote exercises/demo.py" in gradus("export")
    assert gradus("export", "--check") == ""
    assert gradus("export") == ""


def test_output_is_plain_when_piped(kit):
    for words in ((), ("hint", f"demo.{task_names(kit)[0]}")):
        assert "\x1b" not in gradus(*words)


def test_help_documents_the_exit_codes():
    words = " ".join(gradus("--help").split())
    for text in (
        "0 all right",
        "1 not right yet",
        "2 the command could not",
        "3 a grader is broken",
    ):
        assert text in words


def test_a_course_is_not_built_over_the_kit_or_from_stale_notebooks(kit, tmp_path):
    with pytest.raises(GradusError, match="is the kit or holds it"):
        gradus("course", str(kit.root))
    kit.solution("demo").with_suffix(".ipynb").write_text("old", encoding="utf-8")
    with pytest.raises(GradusError, match="is stale"):
        gradus("course", str(tmp_path / "course"))


def test_dates_of_checks_have_a_year(kit, capfd):
    gradus("check", "demo", code=1)
    assert re.search(r"\b20\d\d-\d\d-\d\d \d\d:\d\d\b", gradus())
