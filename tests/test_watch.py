"""`gradus watch` in a real terminal: a save is graded, keys work, a loop is ended, nothing is left behind."""

import queue
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import nbformat
import psutil
import pytest
import watchfiles

from gradus.cli.watch import where_to_begin
from gradus.course import load_course
from gradus.student.outcome import Line
from gradus.student.watch.saves import saves
from gradus.student.watch.screen import render
from tests.kits import answers, code_cells, notebook, write_kit
from tests.terminal import NEEDS_TMUX, PATIENCE, Terminal

WAITS = "waiting for a file to be saved"
SQUARED = "def double(x): return x**2"
LOOP = "def double(x):\n    while True: pass"


@pytest.fixture
def kit(tmp_path):
    return write_kit(tmp_path / "kit")


def save(kit, text):
    """Save an exercise as an editor does: written aside, and put in its place."""
    path = kit.exercise("demo")
    aside = path.with_name("demo.py~")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


@contextmanager
def watching(kit, *words):
    with Terminal(kit.root) as terminal:
        terminal.type(" ".join(["gradus", "watch", *words]))
        terminal.press("Enter")
        terminal.sees(WAITS)
        yield terminal


def warm_processes(kit):
    """Process ids of the warm processes of a kit, and of what they have forked."""
    wanted = {"gradus.engine.warm_process", str(kit.root)}
    return [
        process.info["pid"]
        for process in psutil.process_iter(["pid", "cmdline"])
        if wanted <= set(process.info["cmdline"] or ())
    ]


@NEEDS_TMUX
def test_a_save_is_graded_and_a_loop_is_ended_in_the_same_process(kit):
    with watching(kit) as terminal:
        assert "next: double" in terminal.screen()
        (warm,) = warm_processes(kit)
        save(kit, answers(double=SQUARED))
        screen = terminal.sees("double gives two times every number.", WAITS)
        assert "`x` was squared" in screen
        save(kit, answers(double=LOOP))
        terminal.sees("checking for")
        save(kit, answers())
        terminal.sees("demo.double is done.", WAITS)
        assert warm_processes(kit) == [warm]
        save(kit, answers(row_means="def row_means(table): return table"))
        terminal.sees(
            "gradus watch   demo.row_means", "row_means gives one mean for each row.", WAITS
        )
        terminal.type("q")
        terminal.sees(last="ready$")
    assert not warm_processes(kit)
    progress = subprocess.run(
        [sys.executable, "-m", "gradus.cli"],
        cwd=kit.root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "gradus check demo.row_means" in progress.stdout  # what was watched is remembered


@NEEDS_TMUX
def test_a_misspelled_name_is_told(kit):
    save(kit, answers())
    with watching(kit, "demo.row_means") as terminal:
        terminal.sees("demo.row_means is done.")
        save(kit, answers(double="def dubble(x): return 2 * x"))
        terminal.sees("gradus watch   demo.double", "dubble", WAITS)
        save(kit, answers())
        terminal.sees("demo.double is done.", WAITS)


@pytest.mark.parametrize("begun", ["", "second"])
def test_it_begins_with_what_is_begun_or_comes_first(tmp_path, begun):
    course = write_kit(tmp_path / "kit")
    for room, name in (("solutions", "{}.py"), ("graders", "test_{}.py"), ("exercises", "{}.py")):
        folder = course.root / room
        for topic in ("first", "second", "third"):
            shutil.copy(folder / name.format("demo"), folder / name.format(topic))
    (course.root / "course.toml").write_text('topics = ["first", "second", "third"]\n', "utf-8")
    course = load_course(course.root)
    if begun:
        course.exercise(begun).write_text(answers(double=SQUARED), encoding="utf-8")
        course.exercise("third").touch()
    assert where_to_begin(course) == (begun or "first")


@NEEDS_TMUX
def test_keys(kit):
    save(kit, answers(double=SQUARED, row_means="def row_means(table): return table.mean()"))
    with watching(kit, "demo.double") as terminal:
        terminal.type("h")
        terminal.sees("1 of 2: Doubling is a multiplication.")
        terminal.type("r")
        terminal.sees("`x` was squared")
        terminal.type("n")
        terminal.sees(
            "gradus watch   demo.row_means", "row_means gives one mean for each row.", WAITS
        )
        terminal.type("l")
        terminal.sees("row_means", "Affine")
        terminal.press("C-c")
        terminal.sees(last="ready$")
        terminal.type("stty -a")
        terminal.press("Enter")
        assert "-icanon" not in terminal.sees("icanon").split()
    assert not warm_processes(kit)


@NEEDS_TMUX
def test_what_a_save_has_changed_is_shown(kit):
    save(kit, answers())
    with watching(kit, "demo.double") as terminal:
        terminal.sees("demo.double is done.")
        save(kit, answers(row_means="def row_means(table):\n    return (table"))
        terminal.sees("SyntaxError", WAITS)
        assert "gradus watch   demo.row_means" in terminal.screen()
        save(kit, answers())
        terminal.sees("demo.row_means is done.", WAITS)
        helper = "def half(x): return x / 2\n\ndef double(x): return half(x)"
        save(kit, answers(double=helper))
        terminal.sees("gradus watch   demo.double", "double gives two times every number.", WAITS)
        save(kit, answers(double=helper.replace("x / 2", "x * 2")))
        terminal.sees("demo.double is done.", WAITS)


@NEEDS_TMUX
def test_a_process_that_was_stopped_goes_on(kit):
    save(kit, answers(double=SQUARED))
    with watching(kit, "demo.double") as terminal:
        terminal.press("C-z")
        terminal.sees(last="ready$")
        terminal.type("fg")
        terminal.press("Enter")
        terminal.sees("gradus watch   demo.double", WAITS)
        terminal.type("h")
        terminal.sees("1 of 2: Doubling is a multiplication.")


@NEEDS_TMUX
def test_a_notebook_that_an_editor_saves_by_itself_takes_nobody_away(kit):
    path = kit.exercise("demo").with_suffix(".ipynb")
    save(kit, answers(double=SQUARED))
    with watching(kit, "demo.double") as terminal:
        path.write_text(
            path.read_text("utf-8").replace('"nbformat_minor": 5', '"nbformat_minor":  5')
        )
        save(kit, answers())
        terminal.sees("demo.double is done.", "demo.py", WAITS)


@NEEDS_TMUX
def test_a_topic_without_files_and_a_file_that_cannot_be_read_stop_nothing(kit):
    (kit.root / "course.toml").write_text('topics = ["mine", "demo"]\n', encoding="utf-8")
    save(kit, answers(double=SQUARED))
    with watching(kit, "demo.row_means") as terminal:
        terminal.sees("demo.row_means is done.")
        kit.exercise("demo").write_bytes(b"# na\xefve\n" + answers().encode())
        terminal.sees("UTF-8")
        save(kit, answers(row_means="def row_means(table): return table"))
        terminal.sees(
            "gradus watch   demo.row_means", "row_means gives one mean for each row.", WAITS
        )


def heard(course, begin, act):
    """The first files that `saves` tells of after something was done, in a thread."""
    over, found = threading.Event(), queue.Queue()

    def listen():
        for saved in saves(course, over):
            found.put(saved)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        begin(found)
        act()
        return found.get(timeout=PATIENCE)
    finally:
        over.set()
        thread.join()


def until_heard(path):
    """Write a file until it is told of: from now on one is listened to."""

    def begin(found):
        until = time.monotonic() + PATIENCE
        while found.empty() and time.monotonic() < until:
            path.write_text(str(time.monotonic()), encoding="utf-8")
            time.sleep(0.3)
        time.sleep(0.5)
        while not found.empty():
            found.get()

    return begin


def test_where_the_system_tells_of_no_changes_it_is_looked(kit, monkeypatch):
    real = watchfiles.watch

    def none_left(*places, force_polling=None, **words):
        if not force_polling:
            raise RuntimeError("Too many open files")
        return real(*places, force_polling=True, **words)

    monkeypatch.setattr(watchfiles, "watch", none_left)
    path = kit.exercise("demo")
    begin = until_heard(path.with_name("other.py"))
    assert path in heard(kit, begin, lambda: path.write_text("x = 1\n", encoding="utf-8"))


def test_a_folder_that_was_replaced_is_watched_anew(kit):
    folder = kit.exercises

    def replace():
        folder.rename(kit.root / "before")
        shutil.copytree(kit.root / "before", folder)

    assert folder in heard(kit, until_heard(folder / "other.py"), replace)


@NEEDS_TMUX
def test_a_notebook_that_is_saved_is_graded(kit):
    with watching(kit) as terminal:
        path = kit.exercise("demo").with_suffix(".ipynb")
        cells = code_cells(answers(double=SQUARED))
        path.write_text(notebook(*cells), encoding="utf-8")
        terminal.sees("demo.ipynb", "`x` was squared", WAITS)
        assert nbformat.read(path, 4).cells


@NEEDS_TMUX
def test_a_changed_grader_is_taken_up_and_a_broken_one_is_told(kit):
    save(kit, answers())
    with watching(kit, "demo.double") as terminal:
        terminal.sees("demo.double is done.")
        grader = kit.grader("demo").read_text("utf-8")
        kit.grader("demo").write_text(grader.replace("2 * x, suspects", "3 * x, suspects"), "utf-8")
        terminal.sees("double gives two times every number.", WAITS)
        kit.grader("demo").write_text("def (", "utf-8")
        terminal.sees("SyntaxError")
        kit.grader("demo").write_text(grader, "utf-8")
        terminal.sees("demo.double is done.", WAITS)


@NEEDS_TMUX
def test_a_terminal_that_is_closed_leaves_nothing_behind(kit):
    with watching(kit):
        assert warm_processes(kit)
    until = time.monotonic() + PATIENCE
    while warm_processes(kit) and time.monotonic() < until:
        time.sleep(0.1)
    assert not warm_processes(kit)


def test_without_a_terminal_it_says_so(kit):
    done = subprocess.run(
        [sys.executable, "-m", "gradus.cli", "watch"],
        cwd=kit.root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "watch needs a terminal. Without one: gradus check TOPIC.TASK" in done.stderr


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 10), (20, 5), (200, 60)])
def test_a_screen_is_never_taller_or_wider_than_the_terminal(columns, rows):
    body = [Line(f"line {number} " + "long " * 30, "red") for number in range(99)]
    text = render("a title " * 10, body, "a status " * 20, columns, rows)
    assert text.count("\n") < rows
    assert "more lines: make the window taller"[: columns - 20] in text


@NEEDS_TMUX
def test_a_warm_process_that_is_killed_is_replaced(kit):
    with watching(kit, "demo.double") as terminal:
        (warm,) = warm_processes(kit)
        psutil.Process(warm).kill()
        save(kit, answers(double=SQUARED))
        terminal.sees("`x` was squared", WAITS)
        assert warm not in warm_processes(kit)
