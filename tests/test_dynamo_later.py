"""The compiler's front end, `torch._dynamo`, is imported when something is compiled, and no earlier."""

import json
import subprocess
import sys

import pytest

# A Python that has imported torch: each line of its input is code that a fork of it runs.
FORKS = """
import json, os, sys, traceback
import torch

for line in sys.stdin:
    reading, writing = os.pipe()
    if not os.fork():
        try:
            exec(json.loads(line), {"__name__": "__main__"})
            said = "fine"
        except BaseException:
            said = traceback.format_exc()
        os.write(writing, said.encode()[-60_000:])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        print(json.dumps(told.read()), flush=True)
    os.wait()
"""


@pytest.fixture(scope="module")
def run():
    """Run code where torch is imported and nothing else; what it raises is raised here."""
    words = [sys.executable, "-c", FORKS]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, text=True, **pipes) as python:

        def run(code: str) -> None:
            print(json.dumps(code), file=python.stdin, flush=True)
            said = json.loads(python.stdout.readline())
            assert said == "fine", said

        yield run
        python.stdin.close()


TRAINED = """
import sys
import torch
from gradus import dynamo_later

dynamo_later.install()
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.Adam(model.parameters())
before = model.weight.detach().clone()
model(torch.ones(4, 2)).sum().backward()
optimizer.step()
optimizer.zero_grad()
assert not torch.equal(model.weight, before)
parts = [name for name in sys.modules if name.startswith("torch._dynamo.")]
assert parts == [], parts
[getattr(module, "__file__", "") for module in list(sys.modules.values())]
parts = [name for name in sys.modules if name.startswith("torch._dynamo.")]
assert parts == [], parts
"""
USES = {
    "compiled": (
        "double = torch.compile(lambda x: 2 * x, backend='eager')\n"
        "assert double(torch.ones(2)).tolist() == [2, 2]"
    ),
    "a part is imported": (
        "import torch._dynamo.eval_frame as part\n"
        "assert part is sys.modules['torch._dynamo'].eval_frame is torch._dynamo.eval_frame\n"
        "assert part.__spec__.origin == part.__file__"
    ),
    "from it": "from torch._dynamo import config, disable\nassert config.__name__ == 'torch._dynamo.config'",
    "from a part": (
        "from torch._dynamo.utils import counters\n"
        "import torch._dynamo.utils as utils\n"
        "assert utils is torch._dynamo.utils and counters is utils.counters\n"
        "assert utils.__spec__.origin == utils.__file__"
    ),
    "from a part, what there is without it": (
        "from torch._dynamo.utils import is_compile_supported\n"
        "import torch._dynamo.utils as utils\n"
        "assert not hasattr(utils, '__file__')\n"
        "assert is_compile_supported('cpu') is utils.is_compile_supported('cpu')\n"
        "assert utils.counters is sys.modules['torch._dynamo.utils'].counters"
    ),
    "torchvision": (
        "from gradus import torchvision_ops\n"
        "torchvision_ops.install()\n"
        "import torchvision.models, torchvision.transforms.v2, torchvision.ops\n"
        "parts = [name for name in sys.modules if name.startswith('torch._dynamo.')]\n"
        "assert parts == ['torch._dynamo.utils'], parts\n"
        "torch._dynamo.config"
    ),
    "an unknown part": (
        "try:\n    import torch._dynamo.no_such_part\n"
        "except ModuleNotFoundError as error:\n    assert error.name == 'torch._dynamo.no_such_part'\n"
        "else:\n    raise AssertionError"
    ),
    "decorated": (
        "assert torch._dynamo.disable(recursive=True)(max)(1, 2) == 2\n"
        "assert torch._dynamo.disable(max)(1, 2) == 2\n"
        "torch._dynamo.graph_break()\n"
        "torch._dynamo.config"
    ),
    "vmap": "assert torch.func.vmap(torch.sum)(torch.ones(3, 2)).tolist() == [2, 2, 2]\ntorch._dynamo.config",
}
AFTERWARDS = """
assert type(sys.modules["torch._dynamo"]).__name__ == "module"
assert torch._dynamo is sys.modules["torch._dynamo"]
model(torch.ones(4, 2)).sum().backward()
optimizer.step()
torch.optim.SGD(model.parameters()).step()
dynamo_later.install()
assert type(torch._dynamo).__name__ == "module"
"""


@pytest.mark.parametrize("use", USES)
def test_training_imports_no_compiler_and_whoever_needs_it_gets_it(use, run):
    run(TRAINED + USES[use] + AFTERWARDS)


def test_what_is_imported_already_is_left_alone(run):
    run(
        "import torch._dynamo as real\n"
        "import sys\n"
        "from gradus import dynamo_later\n"
        "before = list(sys.meta_path)\n"
        "dynamo_later.install()\n"
        "assert sys.modules['torch._dynamo'] is real and sys.meta_path == before"
    )


SHAPES = """
import sys
import torch
from gradus import dynamo_later

dynamo_later.install()
NAME = "torch.fx.experimental.symbolic_shapes"
x = torch.ones(2, 3, requires_grad=True)
(got,) = torch.autograd.grad(2 * x, x, torch.ones(2, 3))
assert got.tolist() == [[2, 2, 2], [2, 2, 2]]
(2 * x).backward(torch.ones(2, 3))
try:
    torch.autograd.grad(2 * x, x, torch.ones(3, 2))
except RuntimeError as error:
    assert "Mismatch in shape" in str(error), error
else:
    raise AssertionError
assert "sympy" not in sys.modules
"""
SHAPES_USES = {
    "imported": (
        "import torch.fx.experimental.symbolic_shapes as shapes\n"
        "assert shapes.ShapeEnv is sys.modules[NAME].ShapeEnv"
    ),
    "from it": (
        "from torch.fx.experimental.symbolic_shapes import ShapeEnv, sym_eq\n"
        "assert ShapeEnv is sys.modules[NAME].ShapeEnv\n"
        "assert sym_eq([2, [3]], [2, [3]]) is True and sym_eq((2, 3), (2,)) is False"
    ),
    "an attribute": "torch.fx.experimental.symbolic_shapes.ShapeEnv",
    "symbolic": (
        "from torch.fx.experimental.symbolic_shapes import expect_true, sym_eq\n"
        "from torch.fx.experimental.symbolic_shapes import ShapeEnv\n"
        "from torch._subclasses.fake_tensor import FakeTensorMode\n"
        "fake = FakeTensorMode(shape_env=ShapeEnv(), static_shapes=False)\n"
        "size = fake.from_tensor(torch.ones(4, 5)).shape\n"
        "assert expect_true(sym_eq(size, size)) is True"
    ),
    "compiled": (
        "double = torch.compile(lambda x: 2 * x, backend='eager', dynamic=True)\n"
        "assert double(torch.ones(2)).tolist() == [2, 2]\n"
        "assert double(torch.ones(3)).tolist() == [2, 2, 2]"
    ),
}
SHAPES_AFTERWARDS = """
assert type(sys.modules[NAME]).__name__ == "module"
assert torch.fx.experimental.symbolic_shapes is sys.modules[NAME]
(got,) = torch.autograd.grad(2 * x, x, torch.ones(2, 3))
assert got.tolist() == [[2, 2, 2], [2, 2, 2]]
dynamo_later.install()
assert type(sys.modules[NAME]).__name__ == "module"
"""


@pytest.mark.parametrize("use", SHAPES_USES)
def test_a_gradient_that_is_given_imports_no_sympy_and_whoever_needs_it_gets_it(use, run):
    run(SHAPES + SHAPES_USES[use] + SHAPES_AFTERWARDS)
