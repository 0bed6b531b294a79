"""Assertions about training loops: which model was trained, and the history of losses that came back."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from gradus.checks.outcomes import Failure

State = Mapping[str, torch.Tensor]


def model_state(model: nn.Module) -> State:
    """A copy of a model's parameters and buffers on the CPU, by name, as `state_dict` has them."""
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def assert_history(history: Any, epochs: int) -> None:
    """Assert that the history of a training is a list with one finite Python float for each epoch.

    Raises:
        Failure: If it is not.
    """
    __tracebackhide__ = True
    if not isinstance(history, list):
        raise Failure(
            f"expected a list with the mean loss of each epoch, got {type(history).__name__}"
        )
    if len(history) != epochs:
        raise Failure(f"expected {epochs} losses, one per epoch, got {len(history)}")
    for value in history:
        if not isinstance(value, float):
            raise Failure(
                f"expected Python floats in the history, got {type(value).__name__}: "
                "loss.item() makes a number of a tensor"
            )
        if not math.isfinite(value):
            raise Failure(f"expected finite losses in the history, got {value}")


def assert_falls(history: list[float]) -> None:
    """Assert that the last loss of the history is below the first.

    Raises:
        Failure: If it is not.
    """
    __tracebackhide__ = True
    if not history[-1] < history[0]:
        raise Failure(
            f"expected a history that falls, got {history[0]:.4g} first and {history[-1]:.4g} last"
        )


def assert_trained(model: nn.Module, before: State, device: str) -> None:
    """Assert that every parameter of the model has changed and that all of it is on the device.

    Args:
        model: The model that was given to the student's training loop.
        before: Its `model_state` from before the training.
        device: Where it was to be trained, as `torch.device` names it; only the kind counts, not the number.

    Raises:
        Failure: If it is elsewhere, holds NaN or infinity, or has not changed, or only in parts.
    """
    __tracebackhide__ = True
    kinds = {tensor.device.type for tensor in (*model.parameters(), *model.buffers())}
    if kinds != {torch.device(device).type}:
        raise Failure(
            f"expected the trained model on {device}, got it on {', '.join(sorted(kinds))}"
        )
    now = model_state(model)
    for name, tensor in now.items():
        if not bool(
            tensor.isfinite().all()
        ):  # NaN is another number than before, but not a trained one
            raise Failure(f"{name} of the trained model holds NaN or infinity")
    names = [name for name, _ in model.named_parameters()]
    idle = [name for name in names if torch.equal(now[name], before[name])]
    if idle == names:
        raise Failure(
            "the given model has not changed: train this very object, not a copy, and step"
        )
    if idle:
        raise Failure(
            f"these parameters were not trained: {', '.join(idle)}; "
            "give the optimizer model.parameters()"
        )


def assert_not_trained(model: nn.Module, before: State) -> None:
    """Assert that a training with learning rate 0 has left the model as it was (its `model_state`).

    Raises:
        Failure: If a parameter or buffer has changed.
    """
    __tracebackhide__ = True
    now = model_state(model)
    for name, tensor in before.items():
        if not torch.equal(now[name], tensor):
            raise Failure(
                f"the learning rate is 0, but {name} has changed: pass lr on to the optimizer"
            )


def assert_mean_losses(
    history: list[float],
    logits: torch.Tensor,  # (N, C)
    labels: torch.Tensor,  # (N,)
    *,
    size: int,
    kept: int | None = None,
    suspects: Mapping[str, float] | None = None,
) -> None:
    """Assert that each epoch's loss is the mean cross-entropy over its samples, for a model that stays.

    With learning rate 0 every epoch has the same loss, which tells how a training loop averages:
    the mean over samples, sum_i loss_i / N, and not over batches, which differ in size.

    Args:
        history: One mean loss per epoch, each a float (`assert_history`).
        logits: The model's scores of all samples, in the loader's order.
        labels: Their classes, int64.
        size: Samples in a batch; the last one may hold fewer.
        kept: How many samples the loader gives, if `drop_last` leaves some out.
        suspects: Further mistakes in words -> the mean loss that they lead to.

    Raises:
        Failure: If an epoch's loss differs by more than one part in 10,000.
    """
    __tracebackhide__ = True
    if not history:
        raise Failure("expected a mean loss for each epoch, got none")
    kept = len(labels) if kept is None else kept
    expected = F.cross_entropy(logits[:kept], labels[:kept]).item()
    known = dict(_suspects(logits[:kept], labels[:kept], size, len(labels))) | dict(suspects or {})
    for epoch, got in enumerate(history):
        if abs(got - expected) <= 1e-4 * max(1.0, abs(expected)):  # never true for NaN
            continue
        why = [words for words, loss in known.items() if abs(got - loss) <= 1e-4 * abs(loss)]
        if epoch and not why:
            why = ["does the running sum start at 0 in each epoch?"]
        raise Failure(
            f"the mean loss of epoch {epoch + 1}, over {kept} samples in batches of {size} with "
            f"lr 0: expected {expected:.6g}, got {'; '.join([f'{got:.6g}', *why[:1]])}"
        )


def _suspects(
    logits: torch.Tensor, labels: torch.Tensor, size: int, samples: int
) -> Iterator[tuple[str, float]]:
    """What went wrong -> the mean loss that this leads to; `samples` counts those that were dropped too."""
    losses = F.cross_entropy(logits, labels, reduction="none")
    means = torch.stack([part.mean() for part in torch.split(losses, size)])
    count = len(labels)
    whole = count // size * size
    over_batch = torch.cat([part.softmax(0) for part in torch.split(logits, size)])
    for words, loss in {
        "the mean of the batches' means: weigh each batch by its number of samples": means.mean(),
        "the sum of the batches' means, not a mean over samples": means.sum(),
        "the sum over the samples: divide by their number": losses.sum(),
        "the loss of the last batch only": means[-1],
        "the loss of the first batch only": means[0],
        "the softmax is applied twice: cross_entropy wants the raw logits": F.cross_entropy(
            logits.softmax(1), labels
        ),
        "the softmax runs over the batch; and cross_entropy wants the raw logits": F.cross_entropy(
            over_batch, labels
        ),
        "each batch's mean times the batch size, although the last batch is smaller": (
            (means * size).sum() / count
        ),
        "the sum of the batches' means divided by the number of samples": means.sum() / count,
        "divided by all samples of the data set, although the loader dropped some": (
            losses.sum() / samples
        ),
        "the last, smaller batch is left out of the sum": losses[:whole].sum() / count,
        "the last, smaller batch is left out": losses[:whole].mean(),
    }.items():
        yield words, float(loss)
