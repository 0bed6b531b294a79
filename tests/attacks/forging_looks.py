"""Cheats that look for the answer: on the stack, in memory, on disk."""

from tests.attacks.attacked_kit import TASKS
from tests.attacks.forging import NOWHERE, Cheat

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

LOOKS = [
    Cheat(
        "the expected value is read off the stack",
        _LOOK
        + """
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
from gradus.checks import compare
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
places = [".", *sys.path, "..", "/tmp", "/home", "/root"]
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
]
