"""Cheats whose results are objects that do arithmetic of their own, or are no results at all."""

from tests.attacks.forging import NOWHERE, Cheat

_ZERO = "__add__ = __radd__ = __rsub__ = __mul__ = __truediv__ = __pow__ = __abs__ = __sub__"

NUMBERS = [
    Cheat(
        "an object that has every attribute and is every result",
        """
class Self:
    def __getattr__(self, name): return self
    def __call__(self, *args): return self
    def __lt__(self, other): return True
    __gt__ = __le__ = __ge__ = __lt__
    def __sub__(self, other=None): return self
    """
        + _ZERO
        + """
def measured(x): return Self()
""",
        ("measured",),
    ),
    Cheat(
        "a class whose metaclass does its arithmetic",
        """
class Meta(type):
    def __sub__(cls, other): return 0.0
    def __truediv__(cls, other): return 1.0
    def __add__(cls, other): return 0.0
    __rsub__ = __sub__
class Number(metaclass=Meta): pass
def measured(x): return Number
""",
        ("measured",),
    ),
    Cheat(
        "an array of objects does arithmetic by its items",
        """
import numpy as np
class Zero:
    def __sub__(self, other): return 0.0
    def __truediv__(self, other): return 1.0
    __rsub__ = __add__ = __sub__
def measured(x): return np.array(Zero(), dtype=object)
""",
        ("measured",),
    ),
    Cheat(
        "a weak proxy of a liar",
        """
import weakref
class Zero:
    def __sub__(self, other): return 0.0
    def __truediv__(self, other): return 1.0
    __rsub__ = __add__ = __sub__
zero = Zero()
def measured(x): return weakref.proxy(zero)
""",
        ("measured",),
    ),
    Cheat(
        "a fraction that cancels out",
        """
from fractions import Fraction
class Half(Fraction):
    def __sub__(self, other): return 0
    def __truediv__(self, other): return 1.0
    __rsub__ = __add__ = __sub__
def measured(x): return Half(1, 2)
""",
        ("measured",),
    ),
    Cheat(
        "a member of an enumeration",
        """
import enum
class Count(enum.IntEnum):
    ALL = 7
    def __eq__(self, other): return True
    def __sub__(self, other): return 0
    __rsub__ = __sub__
    def __hash__(self): return 0
def counted(x): return Count.ALL
""",
        ("counted",),
    ),
    Cheat(
        "a number of NumPy's with arithmetic of its own",
        """
import numpy as np
class Zero(np.float64):
    def __sub__(self, other): return 0.0
    def __truediv__(self, other): return 1.0
    __rsub__ = __add__ = __sub__
def measured(x): return Zero(3.0)
""",
        ("measured",),
    ),
    Cheat(
        "a data set that says it is long, and whose items are whatever was asked for",
        """
class walked:
    def __init__(self, x): self.x = x
    def __len__(self): return 5
    def __getitem__(self, i): return type("T", (), {"__class__": torch.Tensor})()
    def __iter__(self): return iter([torch.zeros(())] * 5)
""",
        ("walked",),
        wins=NOWHERE,
        why="assert_matches asks for the type itself",
    ),
    Cheat(
        "a length that is negative, huge, true",
        """
class walked:
    lengths = [-1, 2**80, True, 5.0]
    def __init__(self, x): pass
    def __len__(self): return self.lengths.pop()
""",
        ("walked",),
        wins=NOWHERE,
        why="len() refuses it",
    ),
    Cheat(
        "iterators without end, and of other things",
        """
import itertools
class walked:
    def __init__(self, x): pass
    def __len__(self): return 5
    def __getitem__(self, i): return torch.zeros(())
    def __iter__(self): return itertools.repeat(torch.zeros(()))
def collected(word): return iter(itertools.count())
""",
        ("walked", "collected"),
        wins=NOWHERE,
        why="no item is right",
    ),
    Cheat(
        "generators, coroutines, context managers and futures in place of results",
        """
import asyncio, concurrent.futures, contextlib
def matched(x): yield 3 * x
async def compared(x): return 3 * x
def counted(x): return contextlib.suppress(BaseException)
def measured(x):
    future = concurrent.futures.Future()
    future.set_result(float(x.sum()))
    return future
def kept(x): return lambda: 3 * x
""",
        ("matched", "compared", "counted", "measured", "kept"),
        wins=NOWHERE,
        why="a promise of a value is none",
    ),
    Cheat(
        "modules, frames, descriptors and slots in place of results",
        """
import sys, types
def matched(x): return sys.modules["torch"]
def compared(x): return sys._getframe()
def counted(x): return property(lambda self: 3)
def measured(x): return types.MethodType(lambda self: 0.0, 3)
def kept(x): return type(x).__dict__["__add__"]
""",
        ("matched", "compared", "counted", "measured", "kept"),
        wins=NOWHERE,
        why="none is a number",
    ),
    Cheat(
        "values inside themselves",
        """
def matched(x):
    a = []
    a.append(a)
    return a
def collected(word):
    d = {}
    d["name"] = d
    return d
def counted(x):
    t = ([],)
    for _ in range(100_000): t = (t,)
    return t
""",
        ("matched", "collected", "counted"),
        wins=NOWHERE,
        why="they compare with nothing",
    ),
    Cheat(
        "numbers beyond all limits",
        """
def counted(x): return 10 ** 20_000
def measured(x): return -(1 << 60_000)
def collected(word): return {"name": "x" * 10_000_000, "places": list(range(2_000_000))}
def matched(x): return float("1e308") * 10
""",
        ("counted", "measured", "collected", "matched"),
        wins=NOWHERE,
        why="they are not the numbers",
    ),
]
