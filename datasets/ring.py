"""A ring of Gaussians in the plane, and how well samples cover it: the classic test of a generator.

The data is as in Luke Metz, Ben Poole, David Pfau and Jascha Sohl-Dickstein, "Unrolled Generative
Adversarial Networks" (ICLR 2017): eight Gaussians on a circle of radius 2. Theirs have a standard
deviation of 0.02, these 0.15, so that a small network learns them in seconds.

The measures follow Akash Srivastava, Lazar Valkov, Chris Russell, Michael U. Gutmann and Charles
Sutton, "VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning" (NeurIPS 2017,
section 4.1): a sample is good when it is within three standard deviations of its nearest mode. The
paper counts a mode as covered when one good sample belongs to it; here it takes 2 % of all samples.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

MODES = 8
RADIUS = 2.0
STD = 0.15
COVERED = 0.02  # a mode counts as covered from this share of all samples on


def ring_centres(modes: int = MODES, radius: float = RADIUS) -> Float[Tensor, "modes 2"]:
    """Give the centres of the Gaussians, counter-clockwise from (radius, 0)."""
    angles = torch.arange(modes) * (2 * math.pi / modes)
    return radius * torch.stack([angles.cos(), angles.sin()], dim=1)


def sample_ring(n: int, gen: torch.Generator, std: float = STD) -> Float[Tensor, "n 2"]:
    """Draw `n` points with the CPU generator `gen`: each from one of the eight Gaussians, by chance."""
    mode = torch.randint(MODES, (n,), generator=gen)
    return ring_centres()[mode] + std * torch.randn(n, 2, generator=gen)


@dataclass(frozen=True)
class Coverage:
    """How samples lie on the ring. For samples of the data itself: 8, 0.99 and about 0.12.

    Attributes:
        modes: How many of the eight modes have at least 2 % of all samples.
        near: The share of samples within three standard deviations of a mode; the others are strays.
        smallest: The share of all samples that are near the mode with the fewest.
    """

    modes: int
    near: float
    smallest: float


def measure_ring(samples: Float[Tensor, "n 2"], std: float = STD) -> Coverage:
    """Measure how `samples` cover the ring; a sample that is NaN or infinite is a stray.

    Raises:
        ValueError: there is no sample.
    """
    if len(samples) == 0:
        raise ValueError("measure_ring: expected at least one sample, got none")
    distances = torch.cdist(samples.detach().cpu().double(), ring_centres().double())
    distance, nearest = distances.nan_to_num(math.inf).min(dim=1)
    good = distance <= 3 * std
    shares = torch.bincount(nearest[good], minlength=MODES) / len(samples)
    return Coverage(
        modes=int((shares >= COVERED).sum()),
        near=good.double().mean().item(),
        smallest=shares.min().item(),
    )
