"""What a training step costs on the simulated GPU, beside the same step on the CPU."""

import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

from gradus.simulated_gpu.simulation import simulated_gpu

STEPS, ROUNDS = 30, 7


def training(device: str, batch: int) -> float:
    """CPU seconds of some steps of a small CNN with Adam."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10),
    ).to(device)  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    x, y = torch.randn(batch, 1, 8, 8), torch.randint(0, 10, (batch,))
    start = time.process_time()
    for _ in range(STEPS):
        optimizer.zero_grad()
        F.cross_entropy(model(x.to(device)), y.to(device)).backward()
        optimizer.step()
    return time.process_time() - start


def ratio(batch: int) -> float:
    """The simulated GPU's time over the CPU's, taken in turns."""
    ratios = []
    for _ in range(ROUNDS):
        base = training("cpu", batch)
        with simulated_gpu([__file__]):
            ratios.append(training("cuda", batch) / base)
    return statistics.median(ratios)


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    training("cpu", 8)
    for batch in (32, 64):
        found = ratio(batch)
        print(
            f"a CNN's step, simulated GPU / CPU, batches of {batch}: {found:.2f} (goal at most 2)"
        )


if __name__ == "__main__":
    main()
