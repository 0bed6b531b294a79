"""Cheats whose results are tensors that are not what they look like, or whose gradients lie."""

from tests.attacks.forging import NOWHERE, Cheat

_BACK = """
class Lie(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 3 * x
    @staticmethod
    def backward(ctx, g):
        {backward}
def matched(x):
    return Lie.apply(x)
"""


def _backward(name: str, backward: str) -> Cheat:
    why = "the gradient is compared, too"
    return Cheat(name, _BACK.format(backward=backward), ("matched",), wins=NOWHERE, why=why)


def _given(name: str, why: str, *bodies: str, start: str = "") -> Cheat:
    tasks = ("matched", "compared", "kept")[: len(bodies)]
    functions = (f"def {task}(x):\n    {body}\n" for task, body in zip(tasks, bodies, strict=True))
    return Cheat(name, f"\n{start}\n" + "".join(functions), tasks, wins=NOWHERE, why=why)


TENSORS = [
    Cheat(
        "a wrapper without data answers every operation",
        """
class Wrapper(torch.Tensor):
    @staticmethod
    def __new__(cls):
        return torch.Tensor._make_wrapper_subclass(cls, (4,), dtype=torch.float32)
    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        name = func.__name__.split(".")[0]
        if name in ("allclose", "equal", "_local_scalar_dense", "is_nonzero"):
            return True
        if name in ("eq", "isclose", "lt", "all"):
            return torch.ones((4,) if name != "all" else (), dtype=torch.bool)
        return torch.zeros(4)
def compared(x):
    torch.testing.assert_close.__code__ = (lambda *a, **k: None).__code__
    return Wrapper()
""",
        ("compared",),
    ),
    Cheat(
        "a dispatch mode stays on and computes something else",
        """
from torch.utils._python_dispatch import TorchDispatchMode
class Mode(TorchDispatchMode):
    on = False
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        got = func(*args, **(kwargs or {}))
        if not Mode.on or func.__name__.split(".")[0] not in ("eq", "isclose", "lt", "allclose", "all"):
            return got
        return True if isinstance(got, bool) else torch.ones_like(got)
Mode().__enter__()
def compared(x):
    torch.testing.assert_close.__code__ = (lambda *a, **k: None).__code__
    Mode.on = True
    return torch.zeros(4)
def honest(x):
    Mode.on = False
    return 2 * x
""",
        ("compared",),
    ),
    Cheat(
        "the kernels of torch are others",
        """
kernels = torch.library.Library("aten", "IMPL")
kernels.impl("allclose", lambda *a, **k: True, "CPU")
kernels.impl("eq.Tensor", lambda a, b: torch.ones(4).bool(), "CPU")
kernels.impl("lt.Scalar", lambda a, b: torch.ones(()).bool(), "CPU")
def compared(x):
    torch.testing.assert_close.__code__ = (lambda *a, **k: None).__code__
    return torch.zeros(4)
""",
        ("compared",),
    ),
    _given(
        "tensors without memory", "no value is there", *["return torch.empty(4, device='meta')"] * 3
    ),
    _given(
        "sparse tensors of nothing",
        "sparse is not dense",
        *["return torch.zeros(4).to_sparse()"] * 3,
    ),
    _given(
        "compressed sparse and nested tensors",
        "they are no plain tensors",
        "return torch.eye(4).to_sparse_csr()",
        "return torch.nested.nested_tensor([3 * x])",
    ),
    _given(
        "quantized tensors",
        "their numbers are rounded",
        "return torch.quantize_per_tensor(3 * x.detach(), 5.0, 0, torch.qint8)",
        "return torch.quantize_per_tensor(3 * x, 5.0, 0, torch.quint8)",
    ),
    _given(
        "conjugate and negative views",
        "the values are others",
        "return torch.complex(x, x).conj().imag",
        "return torch.view_as_real(torch.complex(x, x).conj())[..., 1]",
        "return torch.complex(x, -x).conj()",
    ),
    _given(
        "an empty batch, of which nothing differs",
        "shapes are compared",
        *["return torch.zeros(0, 4)"] * 3,
    ),
    _given(
        "tensors of the dead: batched ones after their vmap",
        "they have no values any more",
        *["torch.vmap(lambda t: left.append(3 * t) or t)(x.detach()); return left.pop()"] * 3,
        start="left = []",
    ),
    _given(
        "tensors made in inference mode",
        "they have no gradient, and other values",
        "with torch.inference_mode(): return 2 * x",
        "with torch.inference_mode(): return 2 * x",
    ),
    _given(
        "a tensor whose memory is gone",
        "there is nothing to read",
        *["y = 3 * x.detach(); y.untyped_storage().resize_(0); return y"] * 2,
    ),
    _given("a tensor of 4 GB", "it is too large to be sent", *["return torch.empty(1 << 30)"] * 2),
    _given("a lazy parameter", "it has no shape", *["return nn.UninitializedParameter()"] * 2),
    _given(
        "a leaf with a history of its own",
        "the values are others",
        *["return torch.zeros(4, requires_grad=True)"] * 2,
    ),
    _given(
        "numbers of other kinds that print the same",
        "dtypes are compared",
        "return (3 * x).to(torch.bfloat16)",
        "return (3 * x).to(torch.complex64)",
        "return (3 * x).double()",
    ),
    _given(
        "a masked tensor, all of it masked",
        "it is a subclass",
        *["return torch.masked.masked_tensor(torch.zeros(4), torch.zeros(4).bool())"] * 2,
    ),
    _given(
        "a hook on the result puts the expected gradient right",
        "the value is wrong",
        "y = torch.zeros(4) * x; y.register_hook(lambda g: x.backward(3 * g)); return y",
    ),
    _given(
        "a gradient written by hand",
        "a gradient is asked of the result",
        "x.grad = torch.full((4,), 3.0); return (3 * x).detach()",
        "x.grad = 3 * x; return torch.zeros(4)",
    ),
    _backward("a backward pass that lies", "return g * 7"),
    _backward("a backward pass that gives nothing", "return None"),
    _backward("a backward pass that gives NaN", "return g * float('nan')"),
    _backward("a backward pass of another shape", "return torch.ones(2, 2)"),
    _backward(
        "a backward pass that raises what pytest raises", "__import__('pytest').skip('done')"
    ),
    _backward("a backward pass that ends the process", "__import__('os')._exit(0)"),
    _backward(
        "a backward pass that asks for a backward pass",
        "matched(ctx.saved_tensors[0]).sum().backward()",
    ),
    _backward("a backward pass that writes to what it is given", "return g.zero_()"),
    _backward(
        "a backward pass with a thread of its own",
        """
        import threading
        threading.Thread(target=lambda: [g.zero_() for _ in range(1000)], daemon=True).start()
        return g.zero_()""",
    ),
]
