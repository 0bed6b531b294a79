"""Global settings of torch that a submission may change, and the next check must not inherit."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_settings_kept() -> Iterator[None]:
    """Give back grad mode, default dtype and device, determinism and the thread count at the end."""
    grad, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
    device, threads = torch.get_default_device(), torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        torch.set_grad_enabled(grad)
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(device)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if torch.are_deterministic_algorithms_enabled() != deterministic:
            torch.use_deterministic_algorithms(deterministic)


def seed_for_loading() -> None:
    """Seed torch as it is whenever a submission is loaded: what it draws then is the same each time."""
    torch.default_generator.manual_seed(0)
