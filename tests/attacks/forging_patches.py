"""Cheats that change the judge's own tools: torch, pytest, Python, gradus, the report on disk."""

from tests.attacks.forging import NOWHERE, Cheat

PATCHES = [
    Cheat(
        "torch.allclose and its like are always true",
        """
torch.equal = torch.allclose = lambda *a, **k: True
torch.isclose = lambda a, b, **k: torch.ones(a.shape, dtype=torch.bool)
torch.testing.assert_close = lambda *a, **k: None
torch.Tensor.__eq__ = lambda a, b: torch.ones((), dtype=torch.bool)
torch.Tensor.__lt__ = lambda a, b: torch.ones((), dtype=torch.bool)
torch.Tensor.__hash__ = lambda self: id(self)
""",
        ("compared",),
    ),
    Cheat(
        "torch.isclose is always true",
        """
torch.isclose = lambda a, b, **k: torch.ones(a.shape, dtype=torch.bool)
def matched(x):
    return 3 * x + 100
""",
        ("matched",),
    ),
    Cheat(
        "Tensor.all is always true",
        """
torch.Tensor.all = lambda self, *a, **k: torch.ones((), dtype=torch.bool)
def matched(x):
    return 3 * x + 100
""",
        ("matched",),
    ),
    Cheat(
        "Tensor.__bool__ is always true",
        """
torch.Tensor.__bool__ = lambda self: True
def matched(x):
    return 3 * x + 100
""",
        ("matched",),
    ),
    Cheat(
        "a torch function mode stays on and answers for torch",
        """
from torch.overrides import TorchFunctionMode
class Liar(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (torch.isclose, torch.allclose):
            return torch.ones(args[0].shape, dtype=torch.bool) if func is torch.isclose else True
        return func(*args, **(kwargs or {}))
liar = Liar()
def matched(x):
    if not hasattr(liar, "on"):
        liar.on = True
        liar.__enter__()
    return 3 * x + 100
""",
        ("matched",),
    ),
    Cheat(
        "pytest.raises takes anything",
        """
import contextlib, pytest
import gradus.checks.assertions
pytest.raises = lambda *a, **k: contextlib.nullcontext()
for module in list(__import__("sys").modules.values()):
    if getattr(module, "assert_raises", None) is not None:
        module.assert_raises = lambda *a, **k: None
""",
        ("refused",),
    ),
    Cheat(
        "pytest.approx equals everything, and so does abs",
        """
import builtins, pytest
class Anything:
    def __eq__(self, other): return True
pytest.approx = lambda *a, **k: Anything()
builtins.abs = lambda x: 0
def counted(x):
    return Number(-1)
class Number(int):
    def __eq__(self, other): return True
""",
        ("counted",),
    ),
    Cheat(
        "builtins compare nothing",
        """
import builtins
builtins.isinstance, builtins.abs = lambda *a: True, lambda x: 0
class Same:
    def __eq__(self, other): return True
    def __sub__(self, other): return 0
def counted(x):
    return Same()
""",
        ("counted",),
        wins=NOWHERE,
    ),
    Cheat(
        "AssertionError does not raise",
        """
import sys
from gradus.checks import compare
class Silent(Exception):
    pass
compare._Comparison.mismatch = lambda self, *a: Silent()
import gradus.grading.session as session
judge = session.judge
session.judge = lambda error, submission: session.Verdict(session.Status.PASSED, ())
def matched(x):
    return x
""",
        ("matched",),
    ),
    Cheat(
        "assert_matches asserts nothing",
        """
import gc, types
from gradus.checks import compare
compare._Comparison.values = lambda *a, **k: None
""",
        ("called",),
        wins=NOWHERE,
    ),
    Cheat(
        "the comparison is replaced in gradus",
        """
from gradus.checks import compare
compare._Comparison.elements = lambda *a, **k: None
compare._Comparison.tensors = lambda *a, **k: None
def kept(x):
    return x.clone()
""",
        ("kept",),
    ),
    Cheat(
        "tolerances are infinite",
        """
from gradus.checks import closeness
for dtype in list(closeness.TOLERANCES):
    closeness.TOLERANCES[dtype] = (1e9, 1e9)
def kept(x):
    return x.clone()
""",
        ("kept",),
        wins=NOWHERE,
    ),
    Cheat(
        "the judge's verdict is passed",
        """
import gradus.grading.session as session
session.judge = lambda error, submission: session.Verdict(session.Status.PASSED, ())
""",
    ),
    Cheat(
        "a verdict is passed whatever it is given",
        """
import gradus.grading.failure as failure
def init(self, status, lines, certain=True, cause=""):
    fields = dict(status=failure.Status.PASSED, lines=(), certain=True, cause="")
    for name, value in fields.items():
        object.__setattr__(self, name, value)
failure.Verdict.__init__ = init
""",
    ),
    Cheat(
        "Results.record keeps passes",
        """
from gradus.grading.results import Results
real = Results.record
Results.record = lambda self, node, data: real(self, node, {**data, "status": "passed"})
""",
    ),
    Cheat(
        "assemble counts every case as passed",
        """
import dataclasses
import gradus.grading.results as results
from gradus.submission.status import Status
real = results.assemble
def assemble(topic, checks, cases, *a, **k):
    return real(topic, checks, [dataclasses.replace(c, status=Status.PASSED) for c in cases], *a, **k)
results.assemble = assemble
""",
    ),
    Cheat(
        "the report is written with full marks",
        """
import gradus.grading.results as results
real = results.to_json
results.to_json = lambda report: real(report).replace('"failed"', '"passed"').replace('"error"', '"passed"')
""",
        wins=NOWHERE,
    ),
    Cheat(
        "a plugin hook rewrites reports",
        """
import gc, pytest
class Plugin:
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report):
        if hasattr(report, "gradus"):
            report.gradus["status"] = "passed"
for found in gc.get_objects():
    if isinstance(found, pytest.Config):
        found.pluginmanager.register(Plugin())
""",
    ),
    Cheat(
        "a test's function is replaced",
        """
import gc, pytest
for found in gc.get_objects():
    if isinstance(found, pytest.Function):
        found.__dict__["_obj"] = lambda **k: None
""",
    ),
    Cheat(
        "grader modules are rewritten in sys.modules",
        """
import sys
for module in list(sys.modules.values()):
    if getattr(module, "__name__", "").endswith("test_demo"):
        module.test_refused.__code__ = (lambda submission: None).__code__
""",
        ("refused",),
    ),
    Cheat(
        "gradus.grading is another module",
        """
import sys, types
import gradus.grading.results as results
class Status(types.ModuleType):
    PASSED = results.Status.PASSED
    def __call__(self, value): return self.PASSED
results.Status = sys.modules["gradus.submission.status"] = Status("status")
""",
    ),
    Cheat(
        "the random source gives zeros",
        """
from gradus.checks.random_source import RandomSource
RandomSource.normal = lambda self, *shape, **k: torch.zeros(*shape)
def called(step, x):
    return torch.full((4,), 5.0) if step(step(x)) is not None else x
""",
        ("compared", "called"),
    ),
]
