"""Cheats whose results are objects that lie: each kind of Python's, and kinds that answer everything."""

from tests.attacks.forging import NOWHERE, Cheat

# A right answer, of which one part then lies: what is compared is that part.
_RIGHT = """
def right(word):
    first = [i for i, letter in enumerate(word) if letter == word[0]]
    return {"name": word, "places": first, "ends": (word[0], word[-1]),
            "share": len(first) / len(word), "letters": set(word)}
class Lies:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
"""
_ZERO = "__add__ = __radd__ = __rsub__ = __mul__ = __truediv__ = __pow__ = __abs__ = __sub__"


def _part(name: str, kind: str, key: str, value: str, members: str = "") -> Cheat:
    text = f"""{_RIGHT}
class Liar(Lies, {kind}):
    {members or "pass"}
def collected(word):
    return {{**right(word), {key!r}: {value}}}
"""
    return Cheat(name, text, ("collected",))


OBJECTS = [
    _part(
        "a text that is every text", "str", "name", "Liar('?')", "upper = lambda self: Liar('?')"
    ),
    _part("a list that is every list", "list", "places", "Liar([9, *right(word)['places']])"),
    _part("a tuple that is every tuple", "tuple", "ends", "Liar()"),
    _part("a set that is every set", "set", "letters", "Liar()"),
    _part(
        "a float at no distance from anything",
        *("float", "share", "Liar()"),
        "__sub__ = __rsub__ = lambda self, other: 0.0",
    ),
    _part(
        "what unittest.mock equals with everything",
        "object",
        "letters",
        "__import__('unittest.mock').mock.ANY",
    ),
    _part(
        "a named tuple that is every tuple",
        "__import__('collections').namedtuple('Ends', 'a b')",
        *("ends", "Liar(1, 2)"),
    ),
    _part("a bytearray that is every set", "bytearray", "letters", "Liar()"),
    _part("an exception in place of a value", "Exception", "letters", "Liar('all is well')"),
    Cheat(
        "a dict that has every key",
        _RIGHT
        + """
class Any(Lies):
    def __getitem__(self, key): return self
    def upper(self): return self
    def __sub__(self, other): return 0
class Liar(dict):
    __eq__, __ne__ = Lies.__eq__, Lies.__ne__
    def __missing__(self, key): return Any()
def collected(word):
    return Liar()
""",
        ("collected",),
    ),
    Cheat(
        "a mock answers everything",
        """
from unittest.mock import MagicMock
def collected(word):
    mock = MagicMock(spec=dict)
    part = MagicMock()
    for one in (mock, part):
        one.__eq__ = lambda self, other: True
        one.__ne__ = lambda self, other: False
        one.__getitem__.side_effect = lambda key: part
    part.__sub__.return_value = 0
    part.upper.return_value = part
    return mock
""",
        ("collected",),
    ),
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
