"""A stateful model of a hostile worker: any message, in any order, with any number, node and length.

    python -m tests.attacks.hostile_worker STEPS SEED      many more steps than the test suite takes

The judge runs here, its worker is this model: before each request it puts its answers on the wire, then the
judge asks, and serves whatever is asked of it. An audit hook watches what this process does meanwhile.
"""

import contextlib
import json
import os
import random
import socket
import sys
import time
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from torch import nn

from gradus.submission.exits import ProcessLost, SubmissionExit
from gradus.wall.judge.judge import Judge
from gradus.wall.judge.proxies import Remote
from gradus.wall.judge.sending import Whole
from gradus.wall.wire.channel import Channel
from gradus.wall.wire.nodes import BEGUN
from tests.attacks.hostile_messages import MARK, Drawn
from tests.attacks.wire_targets import framed

SECONDS = 0.01  # of silence, at which the judge gives up
RUNNING = (
    "exec",
    "compile",
    "import",
    "marshal.loads",
    "code.__new__",
)  # forbidden for the worker's
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FORBIDDEN = (
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork"),
    *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.chown", "os.link"),
    *("os.symlink", "os.truncate", "os.putenv", "os.unsetenv", "os.kill", "shutil.rmtree"),
    *("pickle.find_class", "socket.connect", "socket.bind", "ctypes.dlopen"),
    *("sys.settrace", "sys.setprofile", "builtins.input", "sys.addaudithook", "os.chdir"),
)

watching = False
violations: list[str] = []


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if not watching:
        return
    if event == "open":
        _, mode, flags = args
        if (isinstance(flags, int) and flags & WRITING) or (mode and set(mode) & set("wax+")):
            violations.append(f"{event} {args}")
    elif event in FORBIDDEN or (event in RUNNING and MARK in repr(args)):
        violations.append(f"{event} {args}"[:300])


class Check:
    """What a check lends, and what becomes of it."""

    def __init__(self) -> None:
        self.over = False
        self.calls = 0
        self.wrong: list[str] = []

    def function(self, *args: Any, **kwargs: Any) -> Any:
        """May be called, until the check ends."""
        self.calls += 1
        if self.over:
            self.wrong.append("a function was called after its check")
        return args[0] if args and isinstance(args[0], torch.Tensor) else 1

    def items(self) -> Any:
        """May be advanced, until the check ends."""
        for _ in range(3):
            if self.over:
                self.wrong.append("an iterator was advanced after its check")
            yield torch.ones(2)

    def probe(self, *args: Any) -> Any:
        """May be called by nobody here."""
        self.wrong.append("a probe ran in the judge")

    def model(self) -> nn.Module:
        """May not be run here by the worker."""
        check = self

        class Model(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.weight = nn.Parameter(torch.ones(2))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                check.wrong.append("a model ran in the judge")
                return x * self.weight

            def __reduce__(self) -> Any:
                return nn.Linear, (1, 1)  # goes over as something that any worker can make

        return Model()


draws = st.integers(0, 2**64).map(random.Random)


class HostileWorker(RuleBasedStateMachine):
    """Checks begin, ask and end; the worker answers as it likes."""

    @initialize()
    def start(self) -> None:
        """A judge and a socket."""
        self.checks: list[Check] = []
        self.results: list[Any] = []
        self.state = torch.get_rng_state()
        self.judge: Judge | None = None
        self._connect()
        self.begin()

    def _connect(self) -> None:
        self.close()
        self.ours, self.theirs = socket.socketpair()
        self.theirs.settimeout(SECONDS)
        self.results.clear()
        self.judge = Judge(
            Channel(self.ours, judge=True),
            interrupt=lambda: None,
            ended=lambda error: f"ended: {error}",
        )

    def close(self) -> None:
        """Hang up."""
        if self.judge is not None:
            self.ours.close()
            self.theirs.close()
        torch.set_grad_enabled(True)
        torch.set_rng_state(self.state)

    teardown = close

    def _put(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.theirs.sendall(data[:100_000])

    def _attempt(self, action: Any) -> Any:
        """Let the judge do something under the eyes of the audit hook."""
        global watching
        assert self.judge is not None
        if self.judge.lost is not None:
            self._connect()
            self.begin()
        self.judge.channel.deadline = None
        watching = True
        try:
            return action()
        except (ProcessLost, SubmissionExit):
            pass
        except BaseException as error:
            watching = False
            if isinstance(error, KeyboardInterrupt) or not self._expected(error):
                raise
        finally:
            watching = False
        return None

    @staticmethod
    def _expected(error: BaseException) -> bool:
        """Whether an exception is the submission's, or says that its object cannot do what was asked."""
        told = (TypeError, AttributeError, StopIteration, RuntimeError, ValueError, IndexError)
        return hasattr(error, "raised_elsewhere") or isinstance(error, told)

    @rule()
    def begin(self) -> None:
        """A new check."""
        for check in self.checks:
            check.over = True
        self.checks.append(Check())
        judge = self.judge
        assert judge is not None
        if judge.lost is not None:
            return self._connect()
        self._put(framed(BEGUN))
        try:
            judge.channel.deadline = None
            judge.begin(on_gpu=False)
            judge.channel.deadline = _soon()
            judge.await_begin()
        except Exception as error:  # what it had left on the wire comes first
            judge.lost = type(error).__name__
        return None

    def _arguments(self, check: Check, draw: random.Random) -> list[Any]:
        """Some of everything that a check may pass."""
        ways = (
            lambda: check.function, check.items, check.model, torch.Generator, lambda: nn.Linear(2, 2),
            lambda: torch.ones(2, requires_grad=True), lambda: [torch.ones(1), {"a": (1, "b")}],
            lambda: self.results[-1] if self.results else None,
        )  # fmt: skip
        chosen = draw.sample(ways, draw.randint(0, 3))
        return [check.function, check.items(), *(way() for way in chosen)]

    @rule(draw=draws)
    def call(self, draw: random.Random) -> None:
        """The check calls a function of the submission's with everything that there is."""
        self._answer(draw)
        check, judge = self.checks[-1], self.judge
        result = self._attempt(
            lambda: self.judge.request(  # type: ignore[union-attr]
                "function", "f", self._arguments(check, draw), {}, copies=True, seconds=SECONDS
            )
        )
        if judge is self.judge:
            self.results.append(result)

    @rule(draw=draws)
    def probe(self, draw: random.Random) -> None:
        """The check sends a probe."""
        self._answer(draw)
        check = self.checks[-1]
        self._attempt(
            lambda: self.judge.request(  # type: ignore[union-attr]
                "probe", Whole(check.probe), [nn.Linear(1, 1)], seconds=SECONDS
            )
        )

    @rule(draw=draws)
    def noise(self, draw: random.Random) -> None:
        """Bytes that are no message, and frames that promise more than there is."""
        if draw.random() < 0.8:
            return  # it ends the conversation
        size, data = draw.randint(0, 2**40), draw.randbytes(draw.randint(0, 200))
        self._put(data if size % 2 else b"\x00" + size.to_bytes(12, "little") + data)

    @rule(draw=draws)
    def use(self, draw: random.Random) -> None:
        """The check uses what it got."""
        found = [r for r in self.results if isinstance(r, Remote | torch.Tensor | list)]
        if not found:
            return
        value = found[-1]
        value = value[0] if isinstance(value, list) and value else value
        self._answer(draw)

        def act() -> Any:
            self.judge.channel.deadline = _soon()  # type: ignore[union-attr]
            if isinstance(value, torch.Tensor):
                return value.sum().backward() if value.requires_grad else value.tolist()
            ways = (
                lambda: value.name, lambda: value(torch.ones(2)), lambda: len(value),
                lambda: list(zip(range(3), value, strict=False)), lambda: repr(value),
                lambda: value[0], lambda: value.max(), lambda: value + value,
            )  # fmt: skip
            return draw.choice(ways)()

        self._attempt(act)

    def _answer(self, draw: random.Random) -> None:
        if self.judge is not None and self.judge.lost is not None:
            self._connect()
            self.begin()
        judge = self.judge
        assert judge is not None
        # What it will be told with the next request: the numbers that come next.
        known, shared = len(judge.handles._objects), list(judge.shared._entries)
        first = judge.handles._next
        drawn = Drawn(draw, range(max(0, first - known), first + 8), [*shared, *range(0, 12, 2)])
        for _ in range(draw.randint(1, 5)):
            self._put(framed(json.dumps(drawn.message()).encode("utf-8", "replace")))
        self._put(framed({"kind": "told", "value": [drawn.object(), drawn.tensor()]}))

    @invariant()
    def nothing_has_happened(self) -> None:
        """No file written, no process, no code of the worker's; and nothing that was not lent was used."""
        assert not violations, violations
        for check in getattr(self, "checks", ()):
            assert not check.wrong, check.wrong


def _soon() -> float:
    return time.monotonic() + SECONDS


_hooked = False


def watch() -> None:
    global _hooked
    sys.dont_write_bytecode = True  # a late import of the judge's own would write a .pyc
    if not _hooked:
        sys.addaudithook(_audit)  # for the life of this process; it looks away unless `watching`
        _hooked = True
    # What the judge imports and makes once, before anybody watches.
    x = torch.ones(2, requires_grad=True)
    torch.autograd.grad([x * 2], [x], grad_outputs=[torch.ones(2)])


def run(examples: int, steps: int, seed: int | None = None) -> None:
    """Let the machine take about `examples * steps` steps.

    Raises:
        AssertionError: If something has happened that must not; with the steps that led to it.
    """
    watch()
    machine = HostileWorker if seed is None else seeded(seed)(HostileWorker)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, database=None,
            derandomize=seed is None, suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        ),
    )  # fmt: skip


def run_long(steps: int, seed: int) -> int:
    """Take many steps without Hypothesis, which takes most of the time to choose them; how many were taken.

    Raises:
        AssertionError: If something has happened that must not.
    """
    watch()
    source = random.Random(seed)
    machine = HostileWorker()
    machine.start()
    rules = (machine.call, machine.call, machine.use, machine.use, machine.probe, machine.noise)
    for step in range(steps):
        if source.random() < 0.1:
            machine.begin()
        else:
            source.choice(rules)(random.Random(source.getrandbits(64)))
        try:
            machine.nothing_has_happened()
        except AssertionError as error:
            raise AssertionError(f"step {step} of seed {seed}: {error}") from error
        del machine.checks[:-3]
    machine.close()
    return steps


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(run_long(int(sys.argv[1]), int(sys.argv[2])), "steps, and nothing has happened")
