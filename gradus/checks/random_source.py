"""The `random` fixture: values for a check, seeded, and the same on every device."""

import zlib

import torch


class RandomSource:
    """Draws inputs for checks. Every draw is made on the CPU and then moved, so devices agree."""

    def __init__(self, seed: int, name: str) -> None:
        self._generator = torch.Generator().manual_seed(
            zlib.crc32(name.encode()) ^ (seed * 0x9E3779B1 % 2**62)
        )

    def normal(
        self, *shape: int, dtype: torch.dtype = torch.float32, device: str = "cpu"
    ) -> torch.Tensor:
        """Standard normal values."""
        drawn = torch.randn(shape, dtype=torch.float64, generator=self._generator)
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
        drawn = torch.rand(shape, dtype=torch.float64, generator=self._generator)
        return (low + (high - low) * drawn).to(dtype=dtype).to(device)

    def integers(self, low: int, high: int, *shape: int, device: str = "cpu") -> torch.Tensor:
        """int64 values in [low, high)."""
        return torch.randint(low, high, shape, generator=self._generator).to(device)

    def permutation(self, n: int) -> torch.Tensor:
        """The numbers 0 ... n-1 in random order, int64."""
        return torch.randperm(n, generator=self._generator)

    def seed(self) -> int:
        """A fresh seed, 0 ... 2³¹-1."""
        return int(torch.randint(0, 2**31 - 1, (), generator=self._generator))

    def generator(self, device: str = "cpu") -> torch.Generator:
        """A fresh generator with a seed of its own."""
        return torch.Generator(device).manual_seed(self.seed())
