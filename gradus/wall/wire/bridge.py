"""Gradients across the wall: a call's results hang on a node whose backward pass runs on the other side."""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from gradus.wall.wire.nodes import WireError

MOST_KEPT = 256 << 20  # bytes of results that one side keeps graphs of
_LEAST = 10_000  # bytes that a graph is counted for, however small its results are


@dataclass(frozen=True)
class Backward:
    """A backward pass that has arrived at results of the other side's.

    Attributes:
        graph: Its number there.
        gradients: Of the results; None where there is none.
        wanted: Which of the inputs are to get one.
        keep: Whether the graph is kept for another pass.
        again: Whether the gradients are to be differentiated again.
        everywhere: Whether leaves that are known there alone get theirs too, as `backward` does.
        inputs: Those that are to get a gradient, where the pass has arrived: they are not sent.
    """

    graph: Any
    gradients: list[torch.Tensor | None]
    wanted: list[bool]
    keep: bool
    again: bool
    everywhere: bool
    inputs: tuple[torch.Tensor, ...] = ()


# Gives the gradients of the inputs that were asked for, and the number of a graph of those gradients.
Pull = Callable[[Backward], tuple[list[torch.Tensor | None], int | None]]


@dataclass
class Graph:
    """A call whose results the other side may ask gradients of."""

    outputs: list[torch.Tensor]
    inputs: list[torch.Tensor]

    def size(self) -> int:
        """Bytes that it keeps from being freed, about: its results are, or are made from, what was sent."""
        return _LEAST + sum(output.nbytes for output in self.outputs)


class Graphs:
    """The graphs that this side keeps for the other, which may forget to let them go."""

    def __init__(self) -> None:
        self._graphs: dict[int, Graph] = {}
        self._next = 0
        self.size = 0  # bytes of the outputs that are kept, each at least _LEAST

    def add(self, outputs: list[torch.Tensor], inputs: list[torch.Tensor]) -> int:
        """Keep a graph; its number.

        Raises:
            WireError: If there are more than may be kept.
        """
        graph = Graph(outputs, inputs)
        if self.size + graph.size() > MOST_KEPT:
            raise WireError(
                f"more than {MOST_KEPT >> 20} MB of results that gradients may be asked of"
            )
        self.size += graph.size()
        self._next += 1
        self._graphs[self._next] = graph
        return self._next

    def drop(self, numbers: Sequence[int]) -> None:
        """Free graphs that the other side has let go."""
        for number in numbers:
            graph = self._graphs.pop(number, None)
            self.size -= graph.size() if graph is not None else 0

    def clear(self) -> None:
        """Free them all."""
        self._graphs.clear()
        self.size = 0

    def pull(self, asked: Backward) -> tuple[list[torch.Tensor | None], int | None]:
        """Gradients of a graph's inputs, and the number of a graph of them where that is asked for.

        Raises:
            WireError: If there is no such graph, or the gradients do not fit it.
            RuntimeError: torch's own, such as that the graph was freed.
        """
        graph = self._graphs.get(asked.graph) if type(asked.graph) is int else None
        gradients, wanted, again = asked.gradients, asked.wanted, asked.again
        if (
            graph is None
            or len(gradients) != len(graph.outputs)
            or len(wanted) != len(graph.inputs)
        ):
            raise WireError("gradients for no known result")
        pairs = [(o, g) for o, g in zip(graph.outputs, gradients, strict=True) if g is not None]
        targets = [x for x, want in zip(graph.inputs, wanted, strict=True) if want]
        others = _other_leaves(graph) if asked.everywhere else []
        found: list[torch.Tensor | None] = [None] * len(targets)
        upstream = [g.detach().requires_grad_(again) for _, g in pairs]
        if pairs and (targets or others):
            found = list(
                torch.autograd.grad(
                    [o for o, _ in pairs],
                    [*targets, *others],
                    upstream,
                    retain_graph=asked.keep or again,
                    create_graph=again,
                    allow_unused=True,
                )
            )
            for leaf, gradient in zip(others, found[len(targets) :], strict=True):
                if gradient is not None:
                    before = leaf.grad
                    leaf.grad = gradient.clone() if before is None else before + gradient
            del found[len(targets) :]
        if not again:
            return found, None
        present = [g for g in found if g is not None and g.requires_grad]
        return found, self.add(present, [*upstream, *graph.inputs]) if present else None


def _other_leaves(graph: Graph) -> list[torch.Tensor]:
    """Leaves of a graph that are none of its inputs; bridges to results of the other side's are among them."""
    known = {id(x) for x in graph.inputs}
    leaves, seen = [], set()
    ahead: list[Any] = [x.grad_fn for x in graph.outputs]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = node.variable if type(node).__name__ == "AccumulateGrad" else None
        if leaf is not None and id(leaf) not in known:
            leaves.append(leaf)
        ahead += [following for following, _ in node.next_functions]
    return leaves


class _Bridge(torch.autograd.Function):
    """Outputs that were computed elsewhere, as functions of inputs that are here."""

    @staticmethod
    def forward(ctx: Any, pull: Pull, token: "Token", outputs: Any, *inputs: Any) -> Any:
        ctx.pull, ctx.token = pull, token
        ctx.set_materialize_grads(False)
        ctx.inputs = inputs[1:]  # as they are: the other side says whether they have changed
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        inputs, wanted = ctx.inputs, list(ctx.needs_input_grad[4:])
        again = torch.is_grad_enabled()  # create_graph=True
        everywhere = _reaches(ctx.next_functions[0][0])  # the anchor: no `autograd.grad` of others
        targets = tuple(x for x, want in zip(inputs, wanted, strict=True) if want)
        asked = Backward(
            ctx.token.number, list(gradients), wanted, _keeps_graph(), again, everywhere, targets
        )
        found, graph = ctx.pull(asked)
        if graph is not None:
            upstream = [g for g in gradients if g is not None]
            found = attach(found, graph, [*upstream, *inputs], ctx.pull, ctx.token.freed)
        rest = iter(found)
        return (None, None, None, None, *(next(rest) if want else None for want in wanted))


class Token:
    """Lives as long as a graph of the other side's is needed here."""

    def __init__(self, number: int, freed: list[int]) -> None:
        self.number, self.freed = number, freed
        weakref.finalize(self, freed.append, number)


def attach(
    outputs: Sequence[torch.Tensor | None],
    number: int,
    inputs: Sequence[torch.Tensor],
    pull: Pull,
    freed: list[int],
) -> list[torch.Tensor | None]:
    """Let gradients flow from `outputs`, computed elsewhere in graph `number`, to `inputs`.

    Args:
        outputs: Tensors without history; None stays None.
        number: Of the graph, on the side that keeps it.
        inputs: What it was computed from, on this side.
        pull: Asks the other side for gradients.
        freed: Gets the number when the graph is no longer needed here.
    """
    # Without an input that requires grad the results would not either: the anchor is one that always does.
    anchor = torch.zeros((), requires_grad=True)
    present = [x for x in outputs if x is not None]
    with torch.enable_grad():
        linked = iter(_Bridge.apply(pull, Token(number, freed), present, anchor, *inputs))  # type: ignore[no-untyped-call]
    return [None if x is None else next(linked) for x in outputs]


def _keeps_graph() -> bool:
    """Whether the backward pass that runs now was told to `retain_graph`."""
    asked = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", None)
    return bool(asked()) if asked is not None else True


def _reaches(leaf: Any) -> bool:
    """Whether the backward pass that runs now arrives at a leaf's node: `backward`, or `grad` of just it."""
    will = getattr(torch._C, "_will_engine_execute_node", None)
    try:
        return bool(will(leaf)) if will is not None else True
    except RuntimeError:  # torch's answer where `grad` was asked for this leaf
        return True
