"""Cheats whose module is another one than it says."""

from tests.attacks.forging import NOWHERE, Cheat

# Computes what is asked for, with a weight that nobody can learn: it lies about what it is made of.
_HIDES = """
class Model(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.hidden = [torch.tensor(weight, requires_grad=True)]
        {init}
    def forward(self, x): return self.hidden[0] * x
    {members}
"""


def _hides(name: str, members: str = "", init: str = "pass", *, why: str = "") -> Cheat:
    text = _HIDES.format(members=members, init=init)
    return Cheat(name, text, ("Model",), **({"wins": NOWHERE, "why": why} if why else {}))


MODULES = [
    _hides("parameters() lies", "def parameters(self, recurse=True): yield self.hidden[0]"),
    _hides(
        "named_parameters() lies", "def named_parameters(self, *a, **k): yield 'w', self.hidden[0]"
    ),
    _hides("_named_members() lies", "def _named_members(self, *a, **k): yield 'w', self.hidden[0]"),
    _hides(
        "named_modules() lists a part that there is not",
        """def named_modules(self, *a, **k):
        part = nn.Module()
        part._parameters["w"] = self.hidden[0]
        yield "", part""",
    ),
    _hides(
        "a dict of parameters that changes its mind",
        init="""Told = type('Told', (dict,), {'items': lambda told: [('w', self.hidden[0])]})
        self.__dict__['_parameters'] = Told()""",
    ),
    _hides(
        "a buffer that poses as a parameter",
        init="self.register_buffer('w', self.hidden[0])",
        why="it is none",
    ),
    _hides(
        "a parameter that cannot learn",
        init="self.w = nn.Parameter(torch.zeros(()), requires_grad=False)",
        why="its value is compared",
    ),
    _hides(
        "a lazy parameter in a module",
        init="self.w = nn.UninitializedParameter()",
        why="it has no value",
    ),
    _hides(
        "a parametrization that computes the weight",
        init="""self.w = nn.Parameter(torch.zeros(()))
        part = type("P", (nn.Module,), {"forward": lambda p, w: w * 0 + self.hidden[0]})()
        torch.nn.utils.parametrize.register_parametrization(self, "w", part)""",
        why="the parameter behind it is compared",
    ),
    _hides("a module inside itself", init="self._modules['me'] = self", why="it has no parameter"),
    _hides(
        "a mode that is an object",
        "training = property(lambda self: self, lambda self, value: None)",
        why="it is no answer",
    ),
    _hides(
        "parts without parents, without end and of odd names",
        """def named_modules(self, *a, **k):
        yield from (("a..b.\\ud800\\0" * 3, self), ("x" * 10_000, self), ("", self))""",
        why="it is no module",
    ),
    _hides(
        "a state of its own that stands for the weight",
        """get_extra_state = lambda self: self.hidden[0]
    state_dict = lambda self, *a, **k: {"w": self.hidden[0]}
    __dir__ = lambda self: ["w"]""",
        why="no state is asked for",
    ),
    _hides(
        "hooks that swap the module's parts while it runs",
        init="""self.w = nn.Parameter(torch.zeros(()))
        def swap(module, args):
            del module.w
            module.register_parameter("w", nn.Parameter(torch.zeros(())))
        self.register_forward_pre_hook(swap)""",
        why="the weight is still zero",
    ),
    _hides(
        "a weight that is right until it is looked at",
        """__call__ = lambda self, x: self.spoil(x)
    def spoil(self, x):
        y = self.hidden[0] * x
        self.w.data = torch.zeros(3, 3)
        return y""",
        init="self.w = nn.Parameter(torch.tensor(weight))",
        why="it is looked at afterwards",
    ),
    Cheat(
        "a module that is another's class by its word",
        """
class Model:
    __class__ = nn.Linear
    _parameters = _modules = _buffers = {}
    def __init__(self, weight): pass
    def __call__(self, x): return torch.zeros(4, requires_grad=True) * x
    def parameters(self): return [torch.zeros(())]
""",
        ("Model",),
        wins=NOWHERE,
        why="its values are wrong",
    ),
]
