"""Cheats that lie about what they return, look for the answer, or do something when nobody looks."""

from tests.attacks.forging import NOWHERE, TASKS, Cheat

_LOOK = """
import gc, sys, inspect
def local(name, deepest=40):
    frame = sys._getframe(1)
    for _ in range(deepest):
        frame = frame.f_back
        if frame is None:
            return None
        if name in frame.f_locals and "submission" in frame.f_locals:
            return frame.f_locals[name]
"""

LIES = [
    Cheat(
        "a tensor subclass equals everything",
        """
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func in (torch.allclose, torch.equal, torch.Tensor.__bool__):
            return True
        if func.__name__ == "assert_close":
            return None
        name = getattr(func, "__name__", "")
        if name in ("__eq__", "eq", "__lt__", "lt", "isclose"):
            return torch.ones((), dtype=torch.bool)
        return super().__torch_function__(func, types, args, kwargs or {})
class Close(torch._C._disabled_torch_function_impl.__class__ if False else object):
    pass
torch.testing.assert_close = torch.testing.assert_close
def compared(x):
    liar = torch.zeros(4).as_subclass(Liar)
    torch.testing.assert_close.__code__ = (lambda *a, **k: None).__code__
    return liar
""",
        ("compared",),
    ),
    Cheat(
        "a tensor subclass says that it is none",
        """
class Liar(torch.Tensor):
    __class__ = property(lambda self: torch.Tensor)
    __torch_function__ = classmethod(lambda cls, func, types, args=(), kwargs=None: torch.ones(4, dtype=torch.bool))
def compared(x):
    return torch.zeros(4).as_subclass(Liar)
def matched(x):
    return torch.zeros(4).as_subclass(Liar)
""",
        ("compared", "matched"),
        wins=NOWHERE,
    ),
    Cheat(
        "an int subclass equals every number",
        """
class Number(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __sub__(self, other): return 0
    __rsub__ = __sub__
    def __float__(self): return 0.0
def counted(x):
    return Number(-1)
""",
        ("counted",),
    ),
    Cheat(
        "an object equals, subtracts and claims everything",
        """
class Number:
    __class__ = property(lambda self: int)
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __sub__(self, other): return 0.0
    def __truediv__(self, other): return 1.0
    __rsub__ = __add__ = __radd__ = __sub__
    def __abs__(self): return 0.0
    def __float__(self): return 0.0
    def __index__(self): return 0
    def __bool__(self): return True
def counted(x):
    return Number()
measured = counted
""",
        ("counted", "measured"),
    ),
    Cheat(
        "a metaclass says that everything is an instance",
        """
class Meta(type):
    def __instancecheck__(cls, value): return True
    def __eq__(cls, other): return True
    def __hash__(cls): return 0
class Number(metaclass=Meta):
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __sub__(self, other): return self
    def __abs__(self): return self
    def __lt__(self, other): return True
    __class__ = int
def counted(x):
    return Number()
""",
        ("counted",),
    ),
    Cheat(
        "an object turns into another array each time",
        """
import numpy as np
class Array:
    def __init__(self): self.values = [np.zeros(4)]
    def __array__(self, *a, **k): return self.values[0]
    def __torch_function__(self, func, types, args=(), kwargs=None): return True
    def __sub__(self, other): return torch.zeros(())
    __rsub__ = __sub__
    def __eq__(self, other): return torch.ones(4, dtype=torch.bool)
    shape, dtype, device = (4,), torch.float32, torch.device("cpu")
def compared(x):
    torch.testing.assert_close.__code__ = (lambda *a, **k: None).__code__
    return Array()
""",
        ("compared",),
    ),
    Cheat(
        "the expected value is read off the stack",
        _LOOK + """
def called(step, x):
    want = local("want")
    step(step(x))
    return want.clone()
""",
        ("called",),
    ),
    Cheat(
        "the callback's own frame tells the expected value",
        """
import sys
def called(step, x):
    found = []
    def spy(frame, event, arg):
        while frame is not None:
            if "want" in frame.f_locals:
                found.append(frame.f_locals["want"])
            frame = frame.f_back
    sys.setprofile(spy)
    step(step(x))
    sys.setprofile(None)
    return found[-1]
""",
        ("called",),
    ),
    Cheat(
        "the expected value is found by the garbage collector",
        """
import gc
def called(step, x):
    step(step(x))
    for found in gc.get_objects():
        if type(found) is torch.Tensor and found.shape == (4,) and torch.allclose(found, (x + 1) * 5):
            return found
    import sys
    frame = sys._getframe()
    while frame:
        for value in frame.f_locals.values():
            if isinstance(value, torch.Tensor) and value is not x and "seen" in frame.f_locals:
                return frame.f_locals["want"]
        frame = frame.f_back
""",
        ("called",),
    ),
    Cheat(
        "the list of calls is filled through the callback's closure",
        """
def called(step, x):
    cells = dict(zip(step.__code__.co_freevars, step.__closure__))
    cells["seen"].cell_contents += [x, x]
    import sys
    frame = sys._getframe()
    while "want" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["want"]
""",
        ("called",),
    ),
    Cheat(
        "the grader's globals are changed through the callback",
        """
def called(step, x):
    step.__globals__["assert_matches"] = lambda *a, **k: None
    step.__globals__["len"] = lambda seen: 2
    return x
""",
        ("called",),
    ),
    Cheat(
        "the check's expected value is overwritten",
        """
import sys
def matched(x):
    return x * 3 + 7
import gradus.grading.compare as compare
real = compare._Comparison.tensors
def tensors(self, got, want, what, part):
    want.data = got.data
    return real(self, got, want, what, part)
compare._Comparison.tensors = tensors
def kept(x):
    return x.clone()
""",
        ("kept",),
    ),
    Cheat(
        "the reference is read from disk",
        """
import glob, pathlib, sys
places = [".", *sys.path, "..", "/tmp", "/work", "/home", "/root"]
found = []
for place in places:
    found += glob.glob(place + "/solutions/demo.py") + glob.glob(place + "/*/solutions/demo.py")
found += glob.glob("/tmp/*/*/*/*/solutions/demo.py") + glob.glob("/tmp/*/*/*/solutions/demo.py")
exec(pathlib.Path(found[0]).read_text())
""",
        TASKS,
    ),
    Cheat(
        "the reference is loaded by gradus itself",
        """
import gc
from gradus.course import Course
for course in gc.get_objects():
    if isinstance(course, Course):
        exec(course.solution("demo").read_text())
        break
else:
    raise LookupError
""",
        TASKS,
    ),
    Cheat(
        "the grader on disk is rewritten",
        """
import pathlib, sys
for module in list(sys.modules.values()):
    path = getattr(module, "__file__", "") or ""
    if path.endswith("test_demo.py"):
        for name in ("matched", "compared", "counted"):
            getattr(module, "test_" + name).__code__ = (lambda submission, random: None).__code__
        pathlib.Path(path).write_text("def test(): pass")
""",
        ("matched", "compared", "counted"),
        wins=NOWHERE,
    ),
    Cheat(
        "an exit handler rewrites the report",
        """
import atexit, os, pathlib
def rewrite():
    path = pathlib.Path("report.json")
    text = path.read_text()
    path.write_text(text.replace('"failed"', '"passed"').replace('"error"', '"passed"'))
atexit.register(rewrite)
""",
    ),
    Cheat(
        "a thread rewrites the report later",
        """
import atexit, pathlib, threading, time
def rewrite():
    path = pathlib.Path("report.json")
    for _ in range(500):
        if path.exists() and path.stat().st_size:
            break
        time.sleep(0.01)
    time.sleep(0.05)
    text = path.read_text()
    path.write_text(text.replace('"failed"', '"passed"').replace('"error"', '"passed"'))
thread = threading.Thread(target=rewrite, daemon=True)
thread.start()
atexit.register(thread.join)
""",
    ),
    Cheat(
        "an object's end rewrites the report",
        """
import pathlib, gc
class Last:
    def __del__(self, path=pathlib.Path("report.json"), gone=[]):
        if path.exists():
            text = path.read_text()
            path.write_text(text.replace('"failed"', '"passed"').replace('"error"', '"passed"'))
import atexit
atexit.register(lambda last=Last(): None)
atexit.register(lambda: Last())
""",
    ),
    Cheat(
        "a child process rewrites the report after the end",
        """
import atexit, os, subprocess, sys
subprocess.Popen([sys.executable, "-c", '''
import pathlib, time
path = pathlib.Path("report.json")
for _ in range(1000):
    time.sleep(0.01)
    if path.exists() and path.stat().st_size:
        break
time.sleep(0.1)
text = path.read_text()
path.write_text(text.replace('"failed"', '"passed"').replace('"error"', '"passed"'))
'''])
import time
atexit.register(time.sleep, 1.5)
""",
    ),
    Cheat(
        "os._exit after a report of its own",
        """
import gc, os, pathlib, signal
import gradus.grading.results as results
def honest(x):
    return 2 * x
real = results.Results.write
def write(self, own_work):
    real(self, own_work)
    path = pathlib.Path("report.json")
    text = path.read_text()
    path.write_text(text.replace('"failed"', '"passed"').replace('"error"', '"passed"'))
    os.kill(os.getpid(), signal.SIGKILL)
results.Results.write = write
""",
    ),
    Cheat(
        "os._exit, with status 0",
        """
import os
def matched(x): os._exit(0)
def compared(x): os.kill(os.getpid(), 9)
def counted(x): raise SystemExit(0)
def refused(x): os.abort()
""",
        ("matched", "counted", "refused"),
        wins=NOWHERE,
    ),
    Cheat(
        "the process is killed in each call",
        """
import os, signal
def matched(x): os.kill(os.getpid(), signal.SIGKILL)
compared = counted = refused = matched
""",
        ("matched", "compared", "counted", "refused"),
        wins=NOWHERE,
    ),
    Cheat(
        "pytest is told to skip, to fail as expected, and to end",
        """
import pytest
def matched(x): pytest.skip("never mind")
def compared(x): pytest.xfail("as expected")
def counted(x): pytest.exit("done", returncode=0)
def refused(x): pytest.fail("negative")
""",
        ("matched", "compared", "counted", "refused"),
        wins=NOWHERE,
    ),
    Cheat(
        "exceptions of gradus claim that all is well",
        """
from gradus.errors import GraderError
from gradus.grading.compare import Mismatch
from gradus.submission.calls import StudentError
from gradus.submission.exits import ProcessLost, SubmissionExit
from gradus.submission.status import Status
def matched(x): raise StudentError("passed", Status.PASSED)
def compared(x): raise ProcessLost("passed")
def counted(x): raise GraderError("this check is broken")
def refused(x): raise SubmissionExit("negative")
def kept(x): raise Mismatch("passed", "passed")
def called(step, x): raise StudentError("not run", Status.NOT_RUN)
""",
        ("matched", "compared", "counted", "refused", "kept", "called"),
        wins=NOWHERE,
    ),
    Cheat(
        "the time limit is taken away and time stands still",
        """
import faulthandler, signal, time
import pytest_timeout
signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, signal.SIG_IGN)
faulthandler.cancel_dump_traceback_later()
pytest_timeout.timeout_setup = lambda item: None
time.time = time.monotonic = time.perf_counter = lambda: 0.0
def matched(x):
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 30))
    while True:
        pass
""",
        ("matched",),
        wins=NOWHERE,
    ),
    Cheat(
        "NaN, infinity and nothing",
        """
def matched(x): return x * float("nan")
def compared(x): return torch.full((4,), float("nan"))
def counted(x): return float("nan")
def kept(x): return torch.full((4,), float("inf"))
def called(step, x): return step(step(x))[:0]
""",
        ("matched", "compared", "counted", "kept", "called"),
        wins=NOWHERE,
    ),
    Cheat(
        "the argument itself comes back, and is changed later",
        """
import threading, time
last = []
def matched(x):
    last.append(x)
    return x
def compared(x): return x
def kept(x):
    threading.Thread(target=lambda: (time.sleep(0.001), x.mul_(3))).start()
    return x
def called(step, x):
    later = torch.zeros(4)
    threading.Thread(target=lambda: (time.sleep(0.001), later.copy_((x + 1) * 5)), daemon=True).start()
    step(step(x))
    return later
""",
        ("matched", "compared", "kept"),
        wins=NOWHERE,
    ),
    Cheat(
        "results of another layout",
        """
def matched(x): return torch.zeros(()).expand(4) * x
def compared(x): return torch.zeros(1).expand(4)
def kept(x): return torch.zeros(100)[::25]
def called(step, x): return torch.zeros(4, dtype=torch.complex64).real
""",
        ("matched", "compared", "kept", "called"),
        wins=NOWHERE,
    ),
    Cheat(
        "the seed is always the same one",
        """
import random as dice
from gradus.grading.random_source import RandomSource
torch.manual_seed(0)
torch.initial_seed = lambda: 0
torch.Generator.manual_seed = lambda self, seed: self
def matched(x):
    torch.manual_seed(0)
    return torch.randn(4, requires_grad=True) * 3
""",
        ("matched",),
        wins=NOWHERE,
    ),
    Cheat(
        "gradient mode is left off",
        """
def matched(x):
    torch.set_grad_enabled(False)
    return torch.zeros(4) * x
def Model(weight):
    torch.set_grad_enabled(False)
    return nn.Identity()
""",
        ("matched", "Model"),
        wins=NOWHERE,
    ),
    Cheat(
        "a module whose parameters equal everything",
        """
class Liar(nn.Parameter):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return torch.ones((), dtype=torch.bool)
class Model(nn.Linear):
    def __init__(self, weight):
        super().__init__(1, 1)
        self.weight = Liar(torch.zeros(()))
    def forward(self, x):
        return torch.zeros(4)
    def parameters(self):
        return [torch.tensor(2.5)]
    def __call__(self, x):
        return 2.5 * x
""",
        ("Model",),
        wins=NOWHERE,
    ),
]
