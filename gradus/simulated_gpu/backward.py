"""The backward pass: hooks and `autograd.Function`s of a student's see the simulated GPU there too."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.autograd.function import BackwardCFunction

from gradus.simulated_gpu.mode import SimulatedGPU
from gradus.simulated_gpu.places import Place


def replacements(gpu: SimulatedGPU) -> Iterator[tuple[Any, str, Any]]:
    """What keeps the mode on while torch's engine runs: whose attribute, its name, and its value.

    Gradients come out of the engine without a note; they live where the loss does.
    """
    engine: Any = torch.autograd
    run: Callable[..., Any] = engine._engine_run_backward
    apply: Callable[..., Any] = BackwardCFunction.apply

    def run_backward(outputs: Any, *args: Any, **kwargs: Any) -> Any:
        first = next((x for x in outputs if isinstance(x, torch.Tensor)), None)
        place = gpu.places.unknown if first is None else Place(gpu.places.device(first))
        with gpu.everywhere(), gpu.places.assuming(place):
            return run(outputs, *args, **kwargs)

    def apply_noted(function: Any, *gradients: Any) -> Any:
        for gradient in gradients:
            note_gradient(gpu, gradient)
        return apply(function, *gradients)

    yield torch.autograd, "_engine_run_backward", run_backward
    yield BackwardCFunction, "apply", apply_noted


def note_gradient(gpu: SimulatedGPU, gradient: Any, place: Place | None = None) -> Any:
    """Let a gradient that the engine hands out live somewhere, by default where the loss does; the gradient."""
    if isinstance(gradient, torch.Tensor):
        gpu.places.note(gradient, gpu.places.of(gradient) if place is None else place)
    return gradient
