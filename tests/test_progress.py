"""Progress: points of the code that is there now, of a module or a notebook, whichever was checked."""

import json
import os
import re
import shutil
import stat
import time
from pathlib import Path

import nbformat
import pytest

from gradus.course import load_course
from gradus.grading.remembered.memory import remembered
from gradus.grading.remembered.task_code import codes_in, codes_in_file
from gradus.student.progress import State, progress
from gradus.topic import Topic
from tests.kits import POINTS, SOLUTION, answers, notebook, write_kit
from tests.test_cli import gradus

STUDENT = Topic("demo", SOLUTION, None).stub
STUB = 'def double(x):\n    raise NotImplementedError("TODO: double")\n'
DOUBLE = "def double(x):\n    return 2 * x\n"
SQUARED = "def double(x):\n    return x**2\n"
TASKS = list(POINTS)


@pytest.fixture
def kit(tmp_path, monkeypatch):
    """A kit of the test's own, with the working folder in it."""
    course = write_kit(tmp_path / "kit")
    monkeypatch.chdir(course.root)
    return course


def write(course, text, ending=".py"):
    course.exercise("demo").with_suffix(ending).write_text(text, encoding="utf-8")


def states(course):
    """State and points of each task."""
    [topic] = progress(course)
    return {task.task.name: (task.state, task.earned) for task in topic.tasks}


def as_notebook(**texts):
    """The student's notebook with some tasks answered."""
    tasks = Topic("demo", SOLUTION, None).tasks
    cells = [nbformat.v4.new_code_cell("import torch\nfrom torch import nn, Tensor")]
    cells += [nbformat.v4.new_code_cell(texts.get(name, tasks[name].source)) for name in tasks]
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells))


def test_what_was_never_checked_is_not_tried_and_then_edited(kit):
    assert set(states(kit).values()) == {(State.OPEN, 0)}
    write(kit, answers())
    assert set(states(kit).values()) == {(State.EDITED, 0)}
    assert "edited, not checked yet: demo: double, row_means, Affine" in gradus()


def test_a_check_earns_points_and_an_edit_of_that_task_takes_them_away(kit, capfd):
    write(kit, answers(double=SQUARED))
    gradus("check", "demo", code=1)
    assert states(kit) == {
        "double": (State.TRIED, 1), "row_means": (State.DONE, 2), "Affine": (State.DONE, 2)
    }  # fmt: skip
    out = gradus()
    assert "demo    5 / 7   #######..." in out
    assert "next: gradus check demo.double" in out
    write(
        kit, answers(double=SQUARED, row_means="def row_means(table):\n    return table.mean(1)\n")
    )
    assert states(kit)["row_means"] == (State.EDITED, 0)
    assert "total   3 / 7 " in gradus()
    write(kit, answers(double=SQUARED))  # undone: no new check is needed
    assert states(kit)["row_means"] == (State.DONE, 2)


def test_a_task_with_a_mistake_in_it_is_edited_and_then_tried(kit, capfd):
    write(kit, answers(double="def double(x):\n    return (2 * x\n"))
    assert states(kit)["double"] == (State.EDITED, 0)
    gradus("check", "demo", code=1)
    assert states(kit)["double"] == (State.TRIED, 0)
    assert states(kit)["row_means"] == (State.DONE, 2)


def test_a_reset_takes_the_points_of_what_was_reset(kit, capfd):
    write(kit, answers())
    gradus("check", "demo")
    assert "7 / 7   ##########" in gradus()
    gradus("reset", "demo.double")
    assert states(kit)["double"] == (State.OPEN, 0)
    assert "total   4 / 7 " in gradus()
    gradus("restore")
    assert "7 / 7" in gradus()
    gradus("reset", "demo")
    assert "total   0 / 7 " in gradus()


def test_comments_and_other_tasks_and_what_stands_around_count_not(kit, capfd):
    write(kit, answers())
    gradus("check", "demo")
    text = answers(double=SQUARED).replace("### BEGIN", "# a thought\n    ### BEGIN")
    write(kit, text.replace("# %% [markdown]\n# ## 3", "more = 1\n\n# %% [markdown]\n# ## 3"))
    assert states(kit) == {
        "double": (State.EDITED, 0), "row_means": (State.DONE, 2), "Affine": (State.DONE, 2)
    }  # fmt: skip


def test_a_helper_that_a_task_names_is_part_of_it():
    first = "def helper(x):\n    return x\n\n\ndef double(x):\n    return helper(x) + x\n"
    other = first.replace("return x\n", "return x + 0\n", 1)
    far = first.replace(
        "def helper(x):\n    return x", "N = 1\n\n\ndef helper(x):\n    return N * x"
    )
    task = first.replace("helper", "row_means")
    code = codes_in([first], TASKS)["double"]
    assert codes_in([other], TASKS)["double"] != code
    assert codes_in([far], TASKS) != codes_in([far.replace("N = 1", "N = 2")], TASKS)
    assert (
        codes_in([task], TASKS)["double"]
        == (codes_in([task.replace("return x\n", "return 3\n", 1)], TASKS)["double"])
    )


def test_the_same_code_is_the_same_in_a_module_and_a_notebook_and_in_any_layout(tmp_path):
    plain = "def double(x):\n    y = x  # a copy\n\n    return 2*x\n"
    module, path = tmp_path / "demo.py", tmp_path / "demo.ipynb"
    module.write_bytes(b"\xef\xbb\xbf" + plain.replace("\n", "\r\n").encode())
    cells = [
        nbformat.v4.new_code_cell("%%time\ndef double(x):\n  y = x\n  return 2 * x"),
        nbformat.v4.new_code_cell("def broken(:"),
    ]
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells)), encoding="utf-8")
    assert codes_in([plain], TASKS) == codes_in_file(module, TASKS) != {}
    unlike = plain.replace("    return", "    if x:\n        return")
    assert codes_in([unlike], TASKS) != codes_in([plain], TASKS)
    assert codes_in_file(tmp_path / "none.py", TASKS) == {}
    cells[0].source = cells[0].source.removeprefix("%%time\n")
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells)), encoding="utf-8")
    assert codes_in_file(path, TASKS) == codes_in([plain], TASKS)


def test_the_hash_is_the_same_in_every_python():
    """Or an update of Python would take all points away."""
    code = (
        'def double(x):\n    words = f"{x + 1 !r:>{4}} {{{x}}}" + f"""\n{x\n} a"""\n'
        "    return [x for _ in words][:1] or -x\n"
    )
    assert codes_in([code], ["double"])["double"].digest == "43784ea8eb316148"


def test_a_partial_run_renews_its_part_and_keeps_the_rest(kit, run_pytest, capfd):
    write(kit, answers(double=SQUARED))
    gradus("check", "demo", code=1)
    write(kit, answers())
    run_pytest("--rootdir", kit.root, kit.grader("demo"), "--task=double")
    assert states(kit)["double"] == (State.DONE, 3)
    run_pytest("--rootdir", kit.root, kit.grader("demo"), "-k", "twice_every_number")
    assert states(kit)["double"] == (State.DONE, 3)  # the other check's result is of the same code
    write(kit, answers(double="def double(x):\n    return x + x\n"))
    run_pytest("--rootdir", kit.root, kit.grader("demo"), "-k", "twice_every_number")
    assert states(kit)["double"] == (State.TRIED, 2)


def test_a_damaged_or_older_memory_is_begun_anew(kit, capfd):
    write(kit, answers())
    memory = kit.state / "progress" / "demo.json"
    gradus("check", "demo")
    for text in (
        "{",
        "[]",
        '{"version": 0, "tasks": {}}',
        '{"version": 2, "tasks": {"double": [{}]}}',
    ):
        memory.write_text(text, encoding="utf-8")
        assert "0 / 7" in gradus()
        gradus("check", "double")
        assert "3 / 7" in gradus()
    old = kit.state / "reports" / "demo.json"
    old.parent.mkdir()
    old.write_text("{}", encoding="utf-8")
    assert "3 / 7" in gradus()


def test_results_hold_for_the_checks_that_gave_them(kit, capfd):
    write(kit, answers())
    gradus("check", "demo")
    grader = kit.grader("demo").read_text("utf-8")
    kit.grader("demo").write_text(
        grader.replace('"double", points=2', '"double", points=5'), "utf-8"
    )
    assert states(kit)["double"] == (State.EDITED, 0)


def test_a_notebook_is_graded_by_its_name_and_remembered(kit, capfd):
    write(kit, as_notebook(double=SQUARED), ".ipynb")
    assert "demo: 5 of 7 points   exercises/demo.ipynb" in gradus(
        "check", "exercises/demo.ipynb", code=1
    )
    assert states(kit) == {
        "double": (State.TRIED, 1), "row_means": (State.DONE, 2), "Affine": (State.DONE, 2)
    }  # fmt: skip
    [newest, *_] = remembered(kit, "demo")["double"]
    assert newest.file == "exercises/demo.ipynb"
    write(kit, answers(double=DOUBLE))  # the best of both
    gradus("check", "demo.double")
    assert "7 / 7" in gradus()


def test_what_is_tried_in_a_notebook_takes_no_points_from_the_module(kit, capfd):
    write(kit, answers())
    gradus("check", "demo")
    for power in range(2, 8):
        write(kit, as_notebook(double=f"def double(x): return x**{power}"), ".ipynb")
        gradus("check", "exercises/demo.ipynb", "double", code=1)
    assert states(kit)["double"] == (State.DONE, 3)


def test_a_check_on_one_device_alone_is_not_remembered(kit, run_pytest, capfd):
    on_the_cpu = "def row_means(table):\n    return table.cpu().mean(1)\n"
    write(kit, answers(row_means=on_the_cpu))
    out = gradus("check", "row_means", "--device", "cpu")
    assert "demo.row_means is done." in out
    assert "not remembered: checked on cpu alone.\n" in out
    done = run_pytest("--rootdir", kit.root, kit.grader("demo"), "--device=cpu")
    assert "not remembered: checked on cpu alone." in done.stdout.str()
    assert set(states(kit).values()) == {(State.EDITED, 0)}
    gradus("check", "row_means", code=1)
    assert states(kit)["row_means"] == (State.TRIED, 0)


def test_a_file_beside_that_cannot_be_read_costs_no_result(kit, monkeypatch, capfd):
    write(kit, answers())
    closed, real = kit.exercise("demo").with_suffix(".ipynb"), Path.read_bytes

    def read_bytes(path):
        if path.resolve() == closed.resolve():
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert "demo is done." in gradus("check", "demo")
    assert "7 / 7" in gradus()


def test_a_submission_is_not_remembered(kit, capfd):
    gradus("check", "demo", "--submission", str(kit.solution("demo")))
    assert not (kit.state / "progress").exists()


def test_the_other_form_is_named_where_it_is_newer_and_holds_other_answers(kit, capfd):
    write(kit, answers())
    path = kit.exercise("demo").with_suffix(".ipynb")
    later = time.time_ns() + 10**9
    os.utime(path, ns=(later, later))
    assert "newer" not in gradus("check", "demo")  # it is as it was handed out
    write(kit, as_notebook(), ".ipynb")
    os.utime(path, ns=(later, later))
    assert "newer" not in gradus("check", "demo") + gradus()  # the same answers
    write(kit, as_notebook(double=SQUARED), ".ipynb")
    os.utime(path, ns=(later, later))
    line = "the newer file has other answers: gradus check exercises/demo.ipynb"
    assert line in gradus("check", "demo")
    assert line in gradus()
    gradus("check", "exercises/demo.ipynb", code=1)
    assert "newer" not in gradus()


@pytest.fixture
def kernel(kit, monkeypatch):
    """Run a cell as a notebook's kernel does; returns what it gives."""
    import IPython
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell(config=Config(HistoryManager={"enabled": False}))
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)

    def run(cell):
        return shell.run_cell(cell, store_history=True).result

    run("import torch\nfrom torch import nn, Tensor")
    run('import gradus\ncheck = gradus.checker("demo")')
    return run


@pytest.fixture
def in_notebook(kernel):
    """Run cells, and check a task in the last one."""

    def run(*cells):
        for cell in cells:
            kernel(cell)
        return lambda task: kernel(f'check("{task}")')

    return run


def test_a_check_in_a_notebook_is_remembered_with_the_code_that_ran(kit, in_notebook):
    check = in_notebook(SQUARED, DOUBLE)
    assert check("double") == 3.0
    assert states(kit)["double"] == (State.OPEN, 0)  # the notebook is not saved yet
    write(kit, as_notebook(double=DOUBLE.replace("2 * x", "2 * x  # once more")), ".ipynb")
    assert states(kit)["double"] == (State.DONE, 3)


WRONG = "def double(x):\n    return x\n"
NOT_RUN = {  # cells that do not come to their end, and what `double` is then
    "not Python": "def double(x):\n    return ((x\n",
    "stopped above": "import no_such_module\n" + WRONG,
    "stopped in the middle": "for _ in range(2):\n    no_such_name\n" + WRONG,
    "timed": "%%time\nimport no_such_module\n" + WRONG,
    "another language": "%%bash\nno_such_command",
    "captured": "%%capture\nimport no_such_module\n" + WRONG,
}


@pytest.mark.parametrize("cell", NOT_RUN.values(), ids=NOT_RUN)
def test_a_cell_that_did_not_run_earns_nothing(kit, in_notebook, cell):
    check = in_notebook(DOUBLE, cell)
    assert check("double") == 3.0  # of the cell before
    write(kit, notebook(cell), ".ipynb")
    assert states(kit)["double"][1] == 0
    write(kit, notebook(DOUBLE), ".ipynb")
    assert states(kit)["double"][1] == (0 if "%%time" in cell else 3)


@pytest.mark.parametrize("above", ["", "%%time\n", "%%capture\n", "%pwd\n"])
def test_a_cell_that_stops_below_the_answer_has_defined_it(kit, in_notebook, above):
    check = in_notebook(STUB, SQUARED, f"{above}{DOUBLE}\nno_such_name\n{WRONG}")
    assert check("double") == 3.0
    write(kit, as_notebook(double=SQUARED), ".ipynb")
    assert states(kit)["double"][1] == 0
    write(kit, as_notebook(double=DOUBLE), ".ipynb")
    assert states(kit)["double"][1] == (0 if above == "%%time\n" else 3)


@pytest.mark.parametrize("above", ["%%time\n", "%%capture\n", "%%time\n%%capture\n"])
def test_an_answer_below_a_magic_is_not_the_stub(kit, in_notebook, above):
    assert in_notebook(STUB, f"{above}{DOUBLE}")("double") == 3.0
    write(kit, as_notebook(double=STUB), ".ipynb")
    assert states(kit)["double"] == (State.OPEN, 0)
    write(kit, as_notebook(double=f"{above}{DOUBLE}"), ".ipynb")
    assert states(kit)["double"] == (State.DONE, 3)


def test_a_check_in_the_cell_of_the_answer_has_seen_what_is_above_it(kit, kernel):
    assert kernel(f"{DOUBLE}\ncheck('double')\n\n{WRONG}") is None
    write(kit, as_notebook(double=DOUBLE), ".ipynb")
    assert states(kit)["double"] == (State.DONE, 3)
    write(kit, as_notebook(double=WRONG), ".ipynb")
    assert states(kit)["double"] == (State.EDITED, 0)


def test_what_was_reset_is_forgotten(kit, in_notebook):
    check = in_notebook(DOUBLE, "%reset -f", "import gradus\ncheck = gradus.checker('demo')")
    assert check("double") == 0.0
    write(kit, as_notebook(double=DOUBLE), ".ipynb")
    assert states(kit)["double"] == (State.EDITED, 0)


def test_a_check_while_nbgrader_grades_is_not_remembered(kit, in_notebook, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert in_notebook(DOUBLE)("double") == 3.0
    assert remembered(kit, "demo") == {}


@pytest.fixture
def closed(kit):
    """A folder of what is remembered that cannot be written to, for root neither."""
    kit.state.write_text("in the way", encoding="utf-8")
    return kit


def test_where_nothing_can_be_remembered_it_is_said_once(closed, in_notebook, capfd):
    write(closed, answers())
    out = gradus("check", "demo")
    assert out.count("not remembered: ") == 1
    assert "demo is done." in out
    assert "0 / 7" in gradus()
    assert "double" in gradus("list")
    hints = gradus("hint", "double")
    assert "2 of 2" in hints  # it cannot be remembered which were shown
    assert hints.count("not remembered: ") == 1
    check = in_notebook(DOUBLE)
    assert check("double") == check("double") == 3.0
    assert capfd.readouterr().out.count("not remembered: ") == 1


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="needs rights that can be taken"
)
def test_a_folder_without_rights_is_no_error(kit, capfd):
    kit.state.mkdir()
    kit.state.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert "not remembered: " in gradus("check", "demo", code=1)


def test_a_released_folder_has_progress_too(kit, tmp_path, monkeypatch):
    folder = tmp_path / "released"
    (folder / "graders").mkdir(parents=True)
    shutil.copy(kit.root / "course.toml", folder)
    shutil.copy(kit.grader("demo"), folder / "graders")
    (folder / "demo.ipynb").write_text(as_notebook(double=SQUARED), encoding="utf-8")
    monkeypatch.chdir(folder)
    course = load_course(folder)
    assert states(course)["double"] == (State.EDITED, 0)
    gradus("check", "demo.ipynb", code=1)
    assert states(course)["double"] == (State.TRIED, 1)


def test_dates_have_a_year_and_totals_stand_below(kit, capfd):
    gradus("check", "demo", code=1)
    lines = gradus().splitlines()
    assert re.search(r"demo +0 / 7 +\.{10} +20\d\d-\d\d-\d\d \d\d:\d\d +double", lines[1])
    assert lines[2].split() == ["total", "0", "/", "7", "." * 10]
    data = json.loads((kit.state / "progress" / "demo.json").read_text("utf-8"))
    assert list(data["tasks"]) == TASKS


CHANGES = {  # of something that `double` uses, which is no definition of its own
    "tuple": ("K, L = 1, 2", "K, L = 3, 2"),
    "chained": ("K = L = 1", "K = L = 3"),
    "augmented": ("K = 1\nK += 1", "K = 3\nK += 1"),
    "twice": ("K = 1\nK += 1", "K = 1\nK += 1\nK += 1"),
    "if": ("if True:\n    K = 1", "if True:\n    K = 3"),
    "try": ("try:\n    K = 1\nexcept OSError: pass", "try:\n    K = 3\nexcept OSError: pass"),
    "for": ("for K in (1,): pass", "for K in (3,): pass"),
    "with": ("with open(0) as K: pass", "with open(1) as K: pass"),
    "walrus": ("(K := 1)", "(K := 3)"),
    "attribute": ("class K: pass\nK.k = 1", "class K: pass\nK.k = 3"),
    "item": ("K = {}\nK['k'] = 1", "K = {}\nK['k'] = 3"),
    "method": ("K = []\nK.append(1)", "K = []\nK.append(3)"),
    "import": ("from a import K", "from b import K"),
    "setattr": ("class K: pass\nsetattr(K, 'k', 1)", "class K: pass\nsetattr(K, 'k', 3)"),
    "setting": ("K = 1", "K = 1\nimport torch\ntorch.set_default_dtype(torch.float64)"),
    "rebound": ("K = 1", "K = 1\nK = -K"),
    "as it was": (
        "def L(): return 1\nK = L()\ndef L(): return 5",
        "def L(): return 2\nK = L()\ndef L(): return 5",
    ),
    "wrapped": ("K = 1", "K = 1\nimport functools\ndouble = functools.cache(double)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGES)
def test_whatever_changes_what_a_task_uses_is_part_of_it(kind):
    first, second = CHANGES[kind]
    task = "\n\ndef double(x):\n    return x * K\n\n\n"
    before, after = first + task, second + task
    if kind == "wrapped":
        after = first + task + second.partition("\n")[2]
    assert codes_in([before], TASKS)["double"].digest != codes_in([after], TASKS)["double"].digest


@pytest.mark.parametrize("one", ["return not x", "return x if x else 1", "return x is x"])
def test_words_are_kept_apart(one):
    glued = one.replace("not x", "notx").replace("x if x else", "xifxelse").replace("x is", "xis")
    texts = [f"def double(x):\n    {text}\n" for text in (one, glued)]
    assert codes_in([texts[0]], TASKS) != codes_in([texts[1]], TASKS)


def test_what_a_notebook_has_besides_its_answers_counts_not():
    answer = "K = 1\ndef double(x):\n    return torch.relu(x) * K\n"
    module = ["import torch\nfrom torch import nn, Tensor\n" + answer]
    cells = [
        "import torch, math\nfrom torch import Tensor",
        'import gradus\n\ncheck = gradus.checker("demo")',
        "K = 7\ndef double(x):\n    return x",
        answer,
        'check("double")',
        "torch.manual_seed(0)\ntorch.set_num_threads(2)\ntorch.rand(3)\nx = 3\nprint(double(x))",
        "for row in range(3):\n    print(row)",
        answer,
    ]
    assert codes_in(module, TASKS) == codes_in(cells, TASKS)
    main = [module[0] + 'if __name__ == "__main__":\n    K = 4\n    print(double(3))\n']
    assert codes_in(module, TASKS) == codes_in(main, TASKS)


def test_an_answer_that_is_imported_is_no_stub(kit, monkeypatch, capfd):
    (kit.root / "exercises" / "mine.py").write_text(DOUBLE, encoding="utf-8")
    write(kit, STUDENT + "\nimport sys\nsys.path.append('exercises')\nfrom mine import double\n")
    gradus("check", "double")
    assert states(kit)["double"] == (State.DONE, 3)
    gradus("reset", "demo")
    assert states(kit)["double"] == (State.OPEN, 0)


@pytest.mark.parametrize("how", ["globals()['double'] = lambda x: 2 * x", "from mine import *"])
def test_the_stub_earns_nothing_whatever_stands_in_for_it(kit, capfd, how):
    (kit.root / "exercises" / "mine.py").write_text(DOUBLE, encoding="utf-8")
    write(kit, STUDENT + f"\nimport sys\nsys.path.append('exercises')\n{how}\n")
    gradus("check", "double")
    gradus("reset", "demo")
    assert states(kit)["double"] == (State.OPEN, 0)


def test_an_answer_above_the_line_of_the_stub_is_an_answer(kit, capfd):
    stub = 'raise NotImplementedError("TODO: double")'
    write(kit, answers(double=f"def double(x):\n    return 2 * x\n    {stub}\n"))
    gradus("check", "double")
    assert states(kit)["double"] == (State.DONE, 3)


def test_a_check_with_another_body_has_not_seen_the_answer(kit, capfd):
    write(kit, answers())
    gradus("check", "demo")
    grader = kit.grader("demo")
    text = grader.read_text("utf-8")
    grader.write_text(text.replace("double gives two times", "double is twice"), "utf-8")
    assert states(kit)["double"] == (State.DONE, 3)  # only its words are others
    grader.write_text(
        text.replace("submission.double(x), 2 * x", "submission.double(x), x + x"), "utf-8"
    )
    assert states(kit)["double"] == (State.EDITED, 0)
    assert states(kit)["Affine"] == (State.DONE, 2)


def test_an_error_for_a_person_has_no_traceback_in_a_notebook(kit, kernel, capsys):
    kernel('check("dubble")')
    shown = capsys.readouterr().out
    assert "no task 'dubble'. Is double meant?" in shown
    assert "Traceback" not in shown
    assert "notebook.py" not in shown
