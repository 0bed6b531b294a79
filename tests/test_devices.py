"""Checks that take a device: which ones they run on, what a student reads, and a GPU that is lost."""

import subprocess
import sys

import pytest
import torch

from gradus.engine.apart import grade_apart
from gradus.engine.here import grade_here
from tests.kits import answers, comparable, earned, grade, message, statuses

ON_CPU = """\
def row_means(table):
    total = torch.zeros(len(table))
    return total + table.sum(1) / table.shape[1]
"""
RETURNS_CPU = """\
def row_means(table):
    total = torch.zeros(len(table))
    for i, row in enumerate(table):
        total[i] = row.mean()
    return total
"""
LOSES_THE_GPU = """\
def row_means(table):
    def gone(*args):
        raise RuntimeError("CUDA error: device-side assert triggered")
    if table.is_cuda:
        torch.cuda.synchronize = gone
        gone()
    return table.mean(1)
"""
TWO_MORE = '''

@pytest.mark.task("row_means", points=3)
def test_means_once_more(submission, random, device):
    """row_means gives the mean of each row once more."""
    table = random.normal(2, 2, device=device)
    assert_matches(submission.row_means(table), table.sum(1) / 2)


@pytest.mark.task("double", points=4)
def test_double_on_a_device(submission, random, device):
    """double gives two times every number on every device."""
    x = random.normal(2, device=device)
    assert_matches(submission.double(x), 2 * x)
'''
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a real GPU here")


@NO_GPU
@pytest.mark.parametrize("isolated", [False, True])
def test_a_tensor_made_on_the_cpu_is_found_without_a_gpu(shared_kit, isolated):
    result = grade(shared_kit, answers(row_means=ON_CPU), isolated=isolated)
    assert statuses(result)["one_mean_for_each_row"] == "error"
    text = message(result, "one_mean_for_each_row")
    assert "found at least two devices, cuda:0 and cpu!" in text
    assert "the tensor on the CPU was made at demo.py:" in text
    assert "total = torch.zeros(len(table))" in text


@NO_GPU
def test_a_result_on_the_cpu_is_told_with_the_line_that_made_it(shared_kit, tmp_path):
    path = tmp_path / "demo.py"
    path.write_text(answers(row_means=RETURNS_CPU), encoding="utf-8")
    here, behind = (
        grade_here(shared_kit, "demo", path, isolated=isolated) for isolated in (False, True)
    )
    assert comparable(here) == comparable(behind)
    text = message(here, "one_mean_for_each_row")
    assert "expected a tensor on cuda:0 got one on cpu" in text
    assert "it was made at demo.py:" in text
    assert "total = torch.zeros(len(table))" in text


def test_a_check_may_leave_a_device_out(kit, run_pytest):
    grader = kit.grader("demo")
    text = grader.read_text("utf-8")
    mark = '@pytest.mark.task("row_means", points=2)'
    grader.write_text(text.replace(mark, f'@pytest.mark.devices("cpu")\n{mark}'), encoding="utf-8")
    done = run_pytest("-v", f"--submission={kit.solution('demo')}", "--task=row_means")
    done.stdout.fnmatch_lines(["*one_mean*cpu*PASSED*", "*row_means*2 / 2*"])
    done.stdout.no_fnmatch_line("*one_mean*simulated*")


@NO_GPU
def test_a_device_can_be_chosen(kit, run_pytest):
    solution = f"--submission={kit.solution('demo')}"
    every = run_pytest("-v", solution)
    every.stdout.fnmatch_lines(["*row*cpu*PASSED*", "*row*simulated*PASSED*"])
    only = run_pytest("-v", solution, "--device=simulated")
    only.stdout.fnmatch_lines(["*row*simulated*PASSED*"])
    only.stdout.no_fnmatch_line("*one_mean*cpu*")
    none = run_pytest(solution, "--device=cuda")
    none.stderr.fnmatch_lines(["*--device cuda: torch finds no CUDA device here*"])
    assert none.ret == pytest.ExitCode.USAGE_ERROR


@NO_GPU
def test_gradus_check_says_in_one_sentence_that_there_is_no_gpu(kit):
    done = subprocess.run(
        [sys.executable, "-m", "gradus.cli", "check", "demo", "--device", "cuda"],
        cwd=kit.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("gradus: --device cuda: torch finds no CUDA device here")
    assert "pytest" not in done.stdout + done.stderr


@pytest.mark.parametrize("memory", ["much", "-1", "0", "nan", "inf"])
def test_a_memory_limit_that_is_no_number_is_refused(kit, run_pytest, monkeypatch, memory):
    monkeypatch.setenv("GRADUS_GPU_MEMORY", memory)
    done = run_pytest()
    done.stderr.fnmatch_lines([f"*GRADUS_GPU_MEMORY={memory}: how many GiB*"])


def test_gradus_check_takes_a_device(kit):
    words = ["check", "demo.row_means", "--device", "simulated", "--submission", "solutions"]
    done = subprocess.run(
        [sys.executable, "-m", "gradus.cli", *words],
        cwd=kit.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "demo.row_means is done." in done.stdout


@NO_GPU
def test_a_test_that_needs_a_gpu_is_skipped_visibly(pytester):
    pytester.makepyfile(
        "import pytest\n@pytest.mark.gpu\ndef test_on_a_card():\n    assert False\n"
    )
    done = pytester.runpytest_inprocess("-rs", "-p", "no:hypothesispytest")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*needs a real GPU*"])


class TestLostGPU:
    """A failed assertion on a GPU ends all work of its process there."""

    @pytest.fixture
    def losing(self, kit):
        grader = kit.grader("demo")
        grader.write_text(grader.read_text("utf-8") + TWO_MORE, encoding="utf-8")
        path = kit.root / "handed_in.py"
        path.write_text(answers(row_means=LOSES_THE_GPU), encoding="utf-8")
        return path

    def test_it_costs_that_check_alone_where_another_process_goes_on(self, kit, losing):
        result = grade_apart(kit, "demo", losing).topic("demo")
        found = statuses(result)
        assert found["one_mean_for_each_row"] == found["means_once_more"] == "error"
        assert "device-side assert triggered" in message(result, "means_once_more")
        assert found["double_on_a_device"] == "passed"
        assert earned(result)["double"] == 7
        assert result.complete

    def test_behind_the_wall_another_worker_goes_on(self, kit, losing):
        result = grade_here(kit, "demo", losing, isolated=True)
        found = statuses(result)
        assert found["one_mean_for_each_row"] == found["means_once_more"] == "error"
        assert found["double_on_a_device"] == "passed"
        assert result.complete

    def test_without_one_the_rest_is_not_run(self, kit, losing, run_pytest):
        done = run_pytest(f"--submission={losing}", "-rs")
        done.stdout.fnmatch_lines(["*has made the GPU unusable for this process*"])
