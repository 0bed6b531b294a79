"""What `pytest` takes on its command line in a kit. Light: loaded wherever gradus is installed."""

import argparse
import json
from pathlib import Path

import pytest


def seconds(text: str) -> float:
    """A positive number of seconds.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"a number of seconds above 0, such as 600; got {text!r}")
    return number


def add_options(group: pytest.OptionGroup) -> None:
    """Add the options of a grading run."""
    group.addoption(
        "--submission", type=Path, metavar="DIR_OR_FILE",
        help="What to grade: a module, a notebook, or a folder of them (default: exercises/).",
    )  # fmt: skip
    group.addoption("--hidden", action="store_true", help="Run the hidden checks too.")
    group.addoption(
        "--task", action="append", default=[], metavar="TASK",
        help="Run only the checks of this task (may be given more than once).",
    )  # fmt: skip
    group.addoption(
        "--device", action="append", default=[], choices=("cpu", "simulated", "cuda"),
        help="Run checks that take a device on this one only (default: the CPU, and a GPU, "
        "simulated where there is none; may be given more than once).",
    )  # fmt: skip
    group.addoption(
        "--gradus-report",
        type=Path,
        metavar="FILE",
        help="Write the result as JSON (docs/report.md).",
    )
    group.addoption(
        "--gradus-seed", type=int, default=0, metavar="N",
        help="Seed of the random inputs, a whole number of any size (default: 0). A grade is taken with a "
        "secret one of 128 bits.",
    )  # fmt: skip
    group.addoption(
        "--isolated", action="store_true",
        help="Run the submission in a process of its own, in a sandbox where this system has one.",
    )  # fmt: skip
    group.addoption(
        "--isolated=sandbox", action="store_const", const="sandbox", dest="isolated",
        help="The same, and stop where this system has no whole sandbox (gradus doctor tells why).",
    )  # fmt: skip
    group.addoption(
        "--isolated=given", action="store_const", const="given", dest="isolated",
        help=argparse.SUPPRESS,
    )  # fmt: skip
    group.addoption(
        "--limit", type=seconds, metavar="SECONDS",
        help="With --isolated: what one submission may take in all, loads and checks (default: 600).",
    )  # fmt: skip
    for name in ("--gradus-journal", "--gradus-workdir", "--gradus-limits"):
        group.addoption(name, type=Path, metavar="PATH", help="For gradus itself.")


def case_limits(config: pytest.Config) -> dict[str, float]:
    """Seconds for cases, by node id, that hold in place of their checks' own limits."""
    path: Path | None = config.getoption("--gradus-limits")
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path else {}
    return found


def useless(config: pytest.Config) -> str:
    """What an option that was given cannot do in this run, and what to do; "" where there is none."""
    if config.getoption("--limit") is not None and not config.getoption("--isolated"):
        return "--limit is for submissions behind the wall: add --isolated, or leave it out."
    return ""
