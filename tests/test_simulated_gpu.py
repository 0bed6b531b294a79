"""The simulated GPU says what a real one would: the battery's programs, one by one."""

import inspect
from pathlib import Path

import pytest
import torch

from gradus.simulated_gpu.simulation import simulated_gpu
from tests import device_battery
from tests.both_sides import opened
from tests.device_battery import RIGHT, WRONG

FILE = device_battery.__file__
STRAY = {
    number: line.split("#")[0].strip()
    for number, line in enumerate(Path(FILE).read_text("utf-8").splitlines(), start=1)
    if line.endswith("# stray")
}


def on_cpu(value):
    """A result with every tensor on the CPU, to be compared."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if isinstance(value, list | tuple):
        return [on_cpu(item) for item in value]
    return value


def assert_same(got, expected, tolerance):
    """Fail unless two results agree."""
    if isinstance(expected, torch.Tensor):
        torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
    elif isinstance(expected, list):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_same(one, other, tolerance)
    else:
        assert got == (pytest.approx(expected) if isinstance(expected, float) else expected)


def run(program, device):
    """A program's result, with the random numbers that every run begins with."""
    torch.manual_seed(1)
    return on_cpu(program(device))


def raised_by(program, device):
    """What a program raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  (which one is what is asked)
        run(program, device)
    return caught.value


def note_of(error):
    """What the simulated GPU adds to an error: which line made the stray tensor."""
    return "\n".join(getattr(error, "__notes__", []))


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_program_gives_what_it_gives_on_the_cpu(name):
    expected = run(RIGHT[name], "cpu")
    with simulated_gpu([FILE]):
        got = run(RIGHT[name], "cuda")
    assert_same(got, expected, 1e-3)
    assert not torch.cuda.is_available() or torch.cuda.get_device_name() != "Simulated GPU"


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_program_gets_the_words_of_a_gpu(name):
    program, kind, words = WRONG[name]
    with simulated_gpu([FILE]):
        error = raised_by(program, "cuda")
    assert isinstance(error, kind)
    assert words in str(error)


@pytest.mark.parametrize(
    "name", [name for name in WRONG if "# stray" in inspect.getsource(WRONG[name][0])]
)
def test_the_line_that_made_the_stray_tensor_is_told(name):
    program = WRONG[name][0]
    with simulated_gpu([FILE]):
        note = note_of(raised_by(program, "cuda"))
    first = program.__code__.co_firstlineno
    lines = range(first, first + len(inspect.getsource(program).splitlines()))
    (wanted,) = [number for number in STRAY if number in lines]
    assert f"device_battery.py:{wanted}\n    {STRAY[wanted]}" in note


@pytest.mark.gpu
@pytest.mark.parametrize("name", [*RIGHT, *WRONG])
def test_a_real_gpu_gives_the_same_verdict(name):
    if name in RIGHT:
        assert_same(run(RIGHT[name], "cuda"), run(RIGHT[name], "cpu"), 1e-2)
        return
    program, kind, words = WRONG[name]
    error = raised_by(program, "cuda")
    assert isinstance(error, kind)
    assert words in str(error)


def test_the_wall_changes_nothing(tmp_path):
    verdicts = []
    for isolated in (False, True):
        with (
            simulated_gpu(),
            opened(
                tmp_path, Path(FILE).read_text("utf-8"), isolated=isolated, grader=__name__
            ) as student,
        ):
            told = {}
            for name in [*RIGHT, *WRONG]:
                torch.manual_seed(1)
                try:
                    told[name] = on_cpu(getattr(student, name)("cuda"))
                except Exception as error:
                    told[name] = type(error).__name__, str(error)
        verdicts.append(told)
    here, behind = verdicts
    for name in [*RIGHT, *WRONG]:
        assert_same(behind[name], here[name], 0.0)


@pytest.mark.parametrize("isolated", [False, True])
def test_gradients_and_meta_tensors_keep_their_device_on_both_sides(tmp_path, isolated):
    text = "def move(x, device):\n    return x.to(device)\n"
    with (
        simulated_gpu(),
        opened(tmp_path, text, isolated=isolated, grader=__name__) as student,
    ):
        leaf = torch.ones(2, requires_grad=True)
        (gradient,) = torch.autograd.grad(student.move(leaf, "cuda").sum(), leaf)
        assert gradient.device.type == "cpu"
        assert student.move(torch.ones(1000), "meta").is_meta


class TestOutside:
    """What the simulated GPU leaves behind, which is nothing."""

    def test_torch_is_as_before(self):
        names = ("is_available", "synchronize", "Event", "device", "manual_seed")
        before = [getattr(torch.cuda, name) for name in names]
        kinds = torch.Generator, torch.autocast.__enter__, torch.compile
        with simulated_gpu():
            torch.set_default_device("cuda")
            assert torch.ones(1).is_cuda
        assert [getattr(torch.cuda, name) for name in names] == before
        assert kinds == (torch.Generator, torch.autocast.__enter__, torch.compile)
        assert torch.ones(1).device.type == torch.get_default_device().type == "cpu"

    def test_a_file_of_the_gpu_is_refused_where_there_is_none(self, tmp_path):
        if torch.cuda.is_available():
            pytest.skip("there is a GPU here")
        with simulated_gpu():
            torch.save(torch.ones(3, device="cuda"), tmp_path / "x.pt")
        with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
            torch.load(tmp_path / "x.pt", weights_only=True)
        loaded = torch.load(tmp_path / "x.pt", map_location="cpu", weights_only=True)
        assert torch.equal(loaded, torch.ones(3))

    def test_memory_is_given_back(self):
        with simulated_gpu() as gpu:
            for _ in range(20_000):
                torch.ones(10, device="cuda")
            assert len(gpu.places._known) < 10_000
            assert torch.cuda.memory_allocated() == 0

    def test_two_devices_are_told_apart(self):
        with simulated_gpu():
            a, b = torch.ones(2, device="cuda"), torch.ones(2, device="cuda:1")
            with pytest.raises(RuntimeError, match="found at least two devices, cuda:0 and cuda:1"):
                a + b
            with torch.cuda.device(1):
                assert torch.ones(2).cuda().device == b.device
            assert (b.to("cuda:0") + a).device == a.device
            assert torch.cuda.device_count() == 2
