"""Cheats whose results are containers that lie: subclasses of each kind of Python's that are every one."""

from tests.attacks.forging import Cheat

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


def _part(name: str, kind: str, key: str, value: str, members: str = "") -> Cheat:
    text = f"""{_RIGHT}
class Liar(Lies, {kind}):
    {members or "pass"}
def collected(word):
    return {{**right(word), {key!r}: {value}}}
"""
    return Cheat(name, text, ("collected",))


CONTAINERS = [
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
]
