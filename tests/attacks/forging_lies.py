"""Cheats that lie about what they return."""

from tests.attacks.forging import NOWHERE, Cheat

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
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return torch.ones(4, dtype=torch.bool)
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
from gradus.checks.random_source import RandomSource
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
