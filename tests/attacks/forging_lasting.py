"""Cheats that stay: hooks of Python's that run inside the check, and what goes on after an answer."""

from tests.attacks.forging import NOWHERE, Cheat

# Runs in the check's own process, while the check compares.
_SPOIL = """
import sys
def spoil(frame=None):
    frame = frame or sys._getframe(1)
    while frame is not None:
        held = frame.f_locals
        if "submission" in held and "want" in held and isinstance(held.get("got"), torch.Tensor):
            held["want"].copy_(held["got"].detach())
        frame = frame.f_back
def compared(x):
    start()
    return torch.zeros(4)
"""


def _spoils(name: str, start: str) -> Cheat:
    return Cheat(name, f"{_SPOIL}\n{start}", ("compared",))


LASTING = [
    _spoils(
        "a profiler changes what is expected",
        """
def profile(frame, event, arg):
    if event == "c_call":
        spoil(frame)
def start(): sys.setprofile(profile)
""",
    ),
    _spoils(
        "a tracer changes what is expected",
        """
def trace(frame, event, arg):
    spoil(frame)
    return trace
def start():
    sys.settrace(trace)
    frame = sys._getframe()
    while frame is not None:
        frame.f_trace = trace
        frame = frame.f_back
""",
    ),
    _spoils(
        "the garbage collector calls back",
        """
import gc
def start():
    gc.callbacks.append(lambda phase, info: spoil())
    gc.enable()
    gc.set_threshold(1)
    torch.allclose = lambda a, b, real=torch.allclose: (gc.collect(), real(a, b))[1]
""",
    ),
    _spoils(
        "a signal arrives while the check compares",
        """
import signal
signal.signal(signal.SIGUSR2, lambda number, frame: spoil(frame))
def start():
    torch.allclose = lambda a, b, real=torch.allclose: (signal.raise_signal(signal.SIGUSR2), real(a, b))[1]
""",
    ),
    _spoils(
        "a thread that stays writes to what is expected",
        """
import threading, time
def stay():
    main = threading.main_thread().ident
    for _ in range(2000):
        spoil(sys._current_frames()[main])
        time.sleep(0.001)
def start():
    threading.Thread(target=stay, daemon=True).start()
    torch.allclose = lambda a, b, real=torch.allclose: (time.sleep(0.3), real(a, b))[1]
""",
    ),
    Cheat(
        "what the check computes with is computed by the submission",
        """
torch.Tensor.__mul__ = torch.Tensor.__rmul__ = lambda a, b: torch.zeros(4)
def compared(x): return torch.zeros(4)
""",
        ("compared",),
        costs_honest="it multiplies, too",
    ),
    Cheat(
        "inputs of earlier checks and calls are answered from memory",
        """
seen = {}
def called(step, x):
    seen["called"] = step(step(x)).clone()
    return seen["called"] * 0
def matched(x):
    seen[tuple(x.tolist())] = x
    return seen.get("called", torch.zeros(4)) + 0 * x
def counted(x): return len(seen)
def kept(x): return seen.get("called", x)
""",
        ("called", "matched", "counted", "kept"),
        wins=NOWHERE,
        why="each check draws inputs of its own",
    ),
    Cheat(
        "the file is rewritten for the next load",
        """
import os, pathlib
def matched(x):
    for path in pathlib.Path(".").rglob("*.py"):
        path.write_text("def matched(x): return 3 * x\\n")
    os.kill(os.getpid(), 9)
counted = matched
""",
        ("matched", "counted"),
        wins=NOWHERE,
        why="what is loaded is what was handed in",
    ),
    Cheat(
        "an exception is thrown into the check's thread",
        """
import ctypes, threading, time
import pytest
def throw():
    time.sleep(0.01)
    main = threading.main_thread().ident
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(main), ctypes.py_object(pytest.skip.Exception))
def matched(x):
    threading.Thread(target=throw).start()
    time.sleep(0.2)
    return torch.zeros(4)
""",
        ("matched",),
        wins=NOWHERE,
        why="a check that is skipped earns nothing",
    ),
    Cheat(
        "the load takes its time for each letter of a secret",
        """
import os, sys, time
names = [name for name in os.listdir("/proc") if name.isdigit()]
time.sleep(0.01 * (len(names) % 7) + 0.001 * len(str(sys.argv)))
def matched(x): return torch.full((4,), float(len(names)))
""",
        ("matched",),
        wins=NOWHERE,
        why="the time tells nothing about what is expected",
    ),
    Cheat(
        "signals and timers without end",
        """
import signal
def matched(x):
    signal.signal(signal.SIGALRM, lambda *words: None)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    return torch.zeros(4) * x
def kept(x):
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    return x.zero_()
""",
        ("matched", "kept"),
        wins=NOWHERE,
        why="no answer is right",
    ),
]

_RAISES = {
    "what ends loops": ("StopIteration('done')", "GeneratorExit()", "StopAsyncIteration()"),
    "what ends programs": ("SystemExit(0)", "KeyboardInterrupt()", "BaseException('all is well')"),
    "what a machine runs out of": ("MemoryError()", "RecursionError()", "OSError(28, 'no space')"),
    "groups of exceptions": (
        "BaseExceptionGroup('passed', [SystemExit(0)])",
        "ExceptionGroup('passed', [ValueError('negative')])",
        "type('TimeoutError', (TimeoutError,), {})('Timeout (>4.0s)')",
    ),
    "an exception whose text raises, ends, and is endless": (
        "type('E', (Exception,), {'__str__': lambda self: 1 / 0})()",
        "type('E', (Exception,), {'__str__': lambda self: __import__('os')._exit(0)})()",
        "type('E', (Exception,), {'__str__': lambda self: 'x' * 50_000_000})()",
    ),
    "an exception that says it is another": (
        "type('E', (Exception,), {'__class__': property(lambda self: SystemExit)})()",
        "type('Passed', (AssertionError,), {'kind': 'passed', 'raised_elsewhere': 1, 'number_elsewhere': 1})()",
        "type('E', (Exception,), {'__reduce__': lambda self: (print, ()), '__notes__': ['passed']})()",
    ),
}


def _raising(raised: tuple[str, ...]) -> str:
    tasks = ("matched", "counted", "refused")
    return "".join(f"def {t}(x): raise {what}\n" for t, what in zip(tasks, raised, strict=True))


LASTING += [
    Cheat(
        name,
        "\n" + _raising(raised),
        ("matched", "counted", "refused"),
        wins=NOWHERE,
        why="what raises is no answer",
    )
    for name, raised in _RAISES.items()
]
