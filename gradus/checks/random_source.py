"""The `random` fixture: values for a check, seeded, and the same on every device."""

import hashlib
import json

import torch

INPUTS = "inputs"  # what the check draws
TORCH = "torch's own source"  # where layers and samplers of the submission draw from in a check


class RandomSource:
    """Draws inputs for checks. Every draw is made on the CPU and then moved, so devices agree.

    Each draw has a generator of its own, seeded with SHA-256 of the grade's seed, the check's name, the
    purpose and the number of the draw. So what a submission sees (inputs, a generator, its own process's
    `torch.initial_seed()`) does not lead to any other draw: torch's generators have 2³² states to begin
    with, which can all be tried, but the seed of a grade that stands behind the hash has 2¹²⁸.
    """

    def __init__(self, seed: int, name: str, purpose: str = INPUTS) -> None:
        self._of = [str(seed), name, purpose]
        self._draws = 0

    def normal(
        self, *shape: int, dtype: torch.dtype = torch.float32, device: str = "cpu"
    ) -> torch.Tensor:
        """Standard normal values."""
        drawn = torch.randn(shape, dtype=torch.float64, generator=self._next())
        return drawn.to(dtype=dtype).to(device)

    def uniform(
        self,
        *shape: int,
        low: float = 0.0,
        high: float = 1.0,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> torch.Tensor:
        """Uniform values in [low, high)."""
        drawn = torch.rand(shape, dtype=torch.float64, generator=self._next())
        return (low + (high - low) * drawn).to(dtype=dtype).to(device)

    def integers(self, low: int, high: int, *shape: int, device: str = "cpu") -> torch.Tensor:
        """int64 values in [low, high)."""
        return torch.randint(low, high, shape, generator=self._next()).to(device)

    def permutation(self, n: int) -> torch.Tensor:
        """The numbers 0 ... n-1 in random order, int64."""
        return torch.randperm(n, generator=self._next())

    def seed(self) -> int:
        """A fresh seed, 0 ... 2³¹-1."""
        return self._number() % 2**31

    def generator(self, device: str = "cpu") -> torch.Generator:
        """A fresh generator with a seed of its own."""
        return torch.Generator(device).manual_seed(self.seed())

    def _next(self) -> torch.Generator:
        """The generator of one draw."""
        return torch.Generator().manual_seed(self._number())

    def _number(self) -> int:
        """The next 63 bits of this source."""
        self._draws += 1
        text = json.dumps([*self._of, self._draws])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
