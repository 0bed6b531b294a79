"""Assertions about calls: gradients, inputs left alone, errors raised, functions avoided."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from gradus.checks.compare import assert_matches
from gradus.checks.outcomes import DETACHED, Failure, Mismatch
from gradus.checks.random_source import RandomSource
from gradus.submission.calls import StudentFunction
from gradus.submission.describe import describe, with_article


def assert_same_gradients(
    function: Callable[..., Any],
    oracle: Callable[..., Any],
    *inputs: Any,
    random: RandomSource,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Assert that gradients flow through `function` to every floating input as through `oracle`.

    Both are called on float64 copies of the inputs; one random upstream gradient is pulled back through
    both results (a tensor, or a tuple of tensors of which the floating ones count).

    Raises:
        Mismatch: A gradient is missing or differs.
    """
    __tracebackhide__ = True
    ours, theirs = _leaves(inputs), _leaves(inputs)
    expected, got = oracle(*ours), function(*theirs)
    assert_matches(got, expected, rtol=rtol, atol=atol)
    outputs = _floating(expected)
    upstream = [random.normal(*out.shape, dtype=out.dtype).to(out.device) for out in outputs]
    leaves = [x for x in ours if _differentiable(x)]
    wanted = [
        torch.zeros_like(x) if gradient is None else gradient
        for gradient, x in zip(_pull(outputs, leaves, upstream), leaves, strict=True)
    ]
    detached = [out for out in _floating(got) if not out.requires_grad]
    if detached:
        raise Mismatch(
            "a result that gradients flow through",
            "one that is detached",
            DETACHED,
        )
    found = _pull(_floating(got), [x for x in theirs if _differentiable(x)], upstream)
    places = [i for i, x in enumerate(theirs) if _differentiable(x)]
    for place, gradient, want in zip(places, found, wanted, strict=True):
        if gradient is None and bool(want.any()):
            raise Mismatch(
                f"a gradient with respect to argument {place + 1}",
                "none: the result does not depend on it, or was cut off from it",
                DETACHED,
            )
        if gradient is None:
            continue
        assert_matches(
            gradient,
            want,
            what=f"the gradient with respect to argument {place + 1}",
            rtol=1e-5 if rtol is None else rtol,
            atol=1e-7 if atol is None else atol,
        )


def _differentiable(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _leaves(inputs: tuple[Any, ...]) -> list[Any]:
    return [
        x.detach().to(torch.float64).clone().requires_grad_() if _differentiable(x) else x
        for x in inputs
    ]


def _floating(result: Any) -> list[torch.Tensor]:
    parts = result if isinstance(result, tuple | list) else [result]
    return [part for part in parts if _differentiable(part)]


def _pull(
    outputs: list[torch.Tensor], inputs: list[torch.Tensor], upstream: list[torch.Tensor]
) -> list[torch.Tensor | None]:
    """Gradients of sum(output * upstream): the same as `grad_outputs=upstream`, which imports sympy (0.5 s)."""
    total = torch.stack([(out * up).sum() for out, up in zip(outputs, upstream, strict=True)]).sum()
    return list(torch.autograd.grad(total, inputs, allow_unused=True))


def assert_inputs_unchanged(function: StudentFunction, *args: Any, **kwargs: Any) -> Any:
    """Call the student's function and assert that its arguments are as they were; returns the result.

    Raises:
        Failure: If an argument was changed.
    """
    __tracebackhide__ = True
    seen = function.observe(*args, **kwargs)
    for place, (before, after) in enumerate(zip(args, seen.args, strict=True), start=1):
        if not _is_same(before, after):
            raise Failure(f"input was changed in place: argument {place} ({describe(before)})")
    for name, before in kwargs.items():
        if not _is_same(before, seen.kwargs[name]):
            raise Failure(f"input was changed in place: {name} ({describe(before)})")
    return seen.result


def _is_same(before: Any, after: Any) -> bool:
    if isinstance(before, torch.Generator) or callable(before):
        return True  # drawing from a generator is what it is there for
    try:
        assert_matches(after, before, rtol=0.0, atol=0.0)
    except AssertionError:
        return False
    return not isinstance(before, torch.Tensor) or before.requires_grad == after.requires_grad


def assert_avoids(
    function: StudentFunction, forbidden: Mapping[str, str], *args: Any, **kwargs: Any
) -> Any:
    """Call the student's function and assert that it does the work itself; returns the result.

    Args:
        function: `submission.NAME`.
        forbidden: Beginning of a torch function's name (`torch.conv2d`) -> what to do instead.
        args: Arguments of the call.
        kwargs: Named arguments of the call.

    Raises:
        Failure: If a forbidden function was called.
    """
    __tracebackhide__ = True
    seen = function.observe(*args, **kwargs)
    for start, instead in forbidden.items():
        for name in seen.calls:
            if name.startswith(start):
                raise Failure(f"expected your own arithmetic, got a call of {name}: {instead}")
    return seen.result


def assert_raises(
    kind: type[Exception], function: Callable[..., Any], *args: Any, because: str, **kwargs: Any
) -> None:
    """Assert that the call raises `kind`, since `because` (`4 heads do not divide 10`).

    Raises:
        Mismatch: If it returns, or raises something else.
    """
    __tracebackhide__ = True
    expected = f"{kind.__name__} because {because}"
    try:
        result = function(*args, **kwargs)
    except kind as error:
        if isinstance(error, NotImplementedError) and kind is not NotImplementedError:
            raise
        return
    except (NotImplementedError, NameError, AttributeError, ImportError):
        raise  # the answer is broken; it did not choose another exception
    except Exception as error:
        raise Mismatch(expected, f"{type(error).__name__}: {error}") from error
    raise Mismatch(expected, f"no error: {with_article(result)} came back")
