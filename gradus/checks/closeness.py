"""How close two tensors must be, by their dtype."""

import torch

# (rtol, atol). Looser than torch.testing's for float32: a right sum in another order must pass.
TOLERANCES = {
    torch.float16: (5e-3, 1e-3),
    torch.bfloat16: (2e-2, 1e-2),
    torch.float32: (1e-4, 1e-5),
    torch.complex64: (1e-4, 1e-5),
    torch.float64: (1e-7, 1e-8),
    torch.complex128: (1e-7, 1e-8),
}


def tolerances(dtype: torch.dtype, rtol: float | None, atol: float | None) -> tuple[float, float]:
    """Relative and absolute tolerance; None stands for that of the dtype."""
    relative, absolute = TOLERANCES.get(dtype, (0.0, 0.0))
    return relative if rtol is None else rtol, absolute if atol is None else atol


def close(a: torch.Tensor, b: torch.Tensor, rtol: float | None, atol: float | None) -> torch.Tensor:
    """Where `a` agrees with `b`, NaN with NaN; tolerances are those of `b`."""
    rtol, atol = tolerances(b.dtype, rtol, atol)
    if rtol == atol == 0.0:
        return (a == b) | ((a != a) & (b != b))
    return torch.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
