"""Other versions and other plugins in the same environment do not end a grading run."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest
import torch

from gradus.course import find_course
from gradus.engine.here import grade_here
from tests.kits import answers

WARNS = """
import warnings
import pytest

def pytest_configure(config):
    warnings.warn(pytest.PytestDeprecationWarning("the loop scope is unset"))
"""
# Names that pytest has had only since 8.4.
OLDER = """
import pytest
vars(pytest).pop("TerminalReporter", None)
"""


def run_beside(plugin, kit, folder):
    """pytest on a kit's reference, in a process of its own, beside a plugin that somebody installed."""
    (folder / "neighbour.py").write_text(plugin, encoding="utf-8")
    words = ["-p", "neighbour", "-p", "no:cacheprovider", "-q", "--submission", "solutions"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=kit.root,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_plugin_that_warns_does_not_end_the_run(shared_kit, tmp_path):
    done = run_beside(WARNS, shared_kit, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 / 7" in done.stdout


def test_settings_of_this_kit_leave_warnings_of_others_alone(tmp_path):
    done = run_beside(WARNS + "    raise SystemExit(f'came to the end')\n", find_course(), tmp_path)
    assert "came to the end" in done.stderr


def test_an_older_pytest_serves(shared_kit, tmp_path):
    done = run_beside(OLDER, shared_kit, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


WRONG = answers(
    double="def double(x): return x**2", row_means="def row_means(table): return None + table"
)
ONLY = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": ""}


def run_with(kit, folder, plugin, *words, python=()):
    """Plain pytest on a wrong answer, hidden checks too, with one more plugin."""
    path = folder / "demo.py"
    path.write_text(WRONG, encoding="utf-8")
    named = ["pytest_timeout", "gradus.grading.plugin", *([plugin] if plugin else [])]
    options = [word for name in named for word in ("-p", name)]
    options += ["-p", "no:cacheprovider", "-q", "--hidden", f"--submission={path}", *words]
    return subprocess.run(
        [sys.executable, *python, "-m", "pytest", "graders", *options],
        cwd=kit.root,
        env={**os.environ, **ONLY, "PYTHONPATH": str(folder), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def told(done):
    """The table, and what was told of each check: its lines but for numbers that were drawn."""
    table = re.search(r"(?s)=+ gradus: demo[^\n]* =+\n(.*?total[^\n]*)", done.stdout)
    assert table, done.stdout + done.stderr
    lines = done.stdout[: table.start()].splitlines()
    labels = ("raised", "hint", "called", "`x` was")
    kept = [line.strip() for line in lines if line.strip().startswith(labels)]
    return table[1], sorted(re.sub(r"float32.*", "", line) for line in kept)


@pytest.fixture(scope="module")
def plain(shared_kit, tmp_path_factory):
    found = told(run_with(shared_kit, tmp_path_factory.mktemp("plain"), ""))
    assert len(found[1]) == 6
    return found


RERUNS = """
from _pytest.runner import runtestprotocol
import pytest

@pytest.hookimpl
def pytest_runtest_protocol(item, nextitem):  # as pytest-rerunfailures does it
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in (1, 2):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if attempt == 2 or not any(report.failed for report in reports):
            for report in reports:
                item.ihook.pytest_runtest_logreport(report=report)
            break
        item._initrequest()
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
"""
SHUFFLES = """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    items.reverse()
"""
REPEATS = """
import pytest

@pytest.fixture
def again(request):
    return request.param

@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc):
    metafunc.fixturenames.append("again")
    metafunc.parametrize("again", range(2), indirect=True)
"""
BESIDE = {
    "reruns": (RERUNS, "neighbour", []),
    "shuffles": (SHUFFLES, "neighbour", []),
    "repeats": (REPEATS, "neighbour", []),
    "pytest-rerunfailures": ("", "pytest_rerunfailures", ["--reruns=1"]),
    "pytest-randomly": ("", "pytest_randomly", []),
    "pytest-repeat": ("", "pytest_repeat", ["--count=2"]),
    "pytest-xdist": ("", "xdist.plugin", ["-n=1"]),
    "pytest-forked without its option": ("", "pytest_forked", []),
    "typeguard for a package of one's own": (
        "", "typeguard._pytest_plugin", ["--typeguard-packages=datasets"],
    ),
}  # fmt: skip


def require(plugin):
    if importlib.util.find_spec(plugin.partition(".")[0]) is None:
        pytest.skip(f"{plugin} is not installed here; `make test-versions` installs it")


@pytest.mark.parametrize("how", BESIDE)
def test_table_and_messages_are_the_same_beside(shared_kit, tmp_path, plain, how):
    text, plugin, words = BESIDE[how]
    (tmp_path / "neighbour.py").write_text(text, encoding="utf-8")
    if not text:
        require(plugin)
    assert told(run_with(shared_kit, tmp_path, plugin, *words)) == plain


def test_hidden_checks_run_behind_the_public_ones_whoever_shuffles(shared_kit, tmp_path):
    (tmp_path / "neighbour.py").write_text(SHUFFLES, encoding="utf-8")
    done = run_with(shared_kit, tmp_path, "neighbour", "-vv")
    ran = re.findall(r"::(test_\w+)\S* [A-Z]+", done.stdout)
    assert ran[-1] == "test_rows_of_one"
    assert ran[0] == "test_affine_learns"


OPTIONS = """
def pytest_addoption(parser):
    parser.addoption("--forked", action="store_true")
    parser.addoption("--typeguard-packages")
"""
REFUSED = {
    "--forked": "--forked (pytest-forked) takes checks away from their time limits: leave it out.",
    "--typeguard-packages=:all:": "typeguard-packages, :all:: typeguard would rewrite torch or gradus",
    "--typeguard-packages=mine,torch.nn": "Name packages of your own, or leave it out.",
}


@pytest.mark.parametrize("real", [False, True], ids=["its option", "installed"])
@pytest.mark.parametrize("option", REFUSED)
def test_what_cannot_go_with_grading_is_told_in_a_sentence(shared_kit, tmp_path, option, real):
    plugin = "pytest_forked" if option == "--forked" else "typeguard._pytest_plugin"
    if real:
        require(plugin)
    (tmp_path / "neighbour.py").write_text(OPTIONS, encoding="utf-8")
    done = run_with(shared_kit, tmp_path, plugin if real else "neighbour", option)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert REFUSED[option] in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_python_that_leaves_asserts_out_grades_nothing(shared_kit, tmp_path):
    done = run_with(shared_kit, tmp_path, "", python=["-O"])
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: python -O (or PYTHONOPTIMIZE) leaves assert statements out" in done.stderr


def test_tests_that_are_no_checks_may_use_all_of_it(tmp_path):
    (tmp_path / "neighbour.py").write_text(OPTIONS, encoding="utf-8")
    (tmp_path / "test_x.py").write_text("def test_x(): pass\n", encoding="utf-8")
    words = ["-p", "neighbour", "-q", "--forked", "--typeguard-packages=:all:"]
    done = subprocess.run(
        [sys.executable, "-O", "-m", "pytest", "-p", "gradus.grading.plugin", *words],
        cwd=tmp_path,
        env={**os.environ, **ONLY, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


GRAD = torch.autograd.grad


def old_grad(outputs, inputs, *words, materialize_grads=False, **options):
    """`torch.autograd.grad` of torch 2.9 and older: its own zeros require grad."""
    if not materialize_grads:
        return GRAD(outputs, inputs, *words, **options)
    asked = [inputs] if isinstance(inputs, torch.Tensor) else inputs
    found = GRAD(outputs, asked, *words, allow_unused=True, **options)
    pairs = zip(found, asked, strict=True)
    return tuple(torch.zeros_like(x, requires_grad=True) if g is None else g for g, x in pairs)


@pytest.mark.parametrize("detached", [True, False], ids=["reference", "nothing detached"])
def test_zeros_that_require_grad_cost_no_points(tmp_path, monkeypatch, detached):
    course = find_course()
    text = course.solution("autograd").read_text(encoding="utf-8")
    if not detached:
        for old, new in {
            "return tuple(slope.detach() for slope in slopes)": "return slopes",
            "return product.detach()": "return product",
            "table[i] = slopes.detach()": "table[i] = slopes",
        }.items():
            assert old in text
            text = text.replace(old, new)
    (tmp_path / "autograd.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(torch.autograd, "grad", old_grad)
    tasks = ["gradient", "vjp", "jacobian", "hessian_vector_product"]
    result = grade_here(course, "autograd", tmp_path / "autograd.py", hidden=True, tasks=tasks)
    for task in map(result.task, tasks):
        assert task.earned == task.possible, task


def test_a_print_that_was_left_in_is_no_loop(tmp_path):
    path = tmp_path / "tensors.py"
    course = find_course()
    text = course.solution("tensors").read_text(encoding="utf-8")
    stub = "    return torch.arange(rows * cols)"
    assert stub in text
    path.write_text(text.replace(stub, f"    print(rows, cols, torch.zeros(rows, cols))\n{stub}"))
    result = grade_here(course, "tensors", path, tasks=["number_grid"])
    assert result.task("number_grid").earned == result.task("number_grid").possible


@pytest.mark.parametrize(
    "rows", ["for _ in range(rows): print()", "[print() for _ in range(rows)]"]
)
def test_a_loop_is_still_one(tmp_path, rows):
    path = tmp_path / "tensors.py"
    course = find_course()
    text = course.solution("tensors").read_text(encoding="utf-8")
    stub = "    return torch.arange(rows * cols)"
    path.write_text(text.replace(stub, f"    {rows}\n{stub}"))
    result = grade_here(course, "tensors", path, tasks=["number_grid"])
    assert result.task("number_grid").earned < result.task("number_grid").possible
