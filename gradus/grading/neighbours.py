"""What else is in a pytest run, and cannot go with grading: told in one sentence. Light: imports no torch."""

import contextlib
import sys

import pytest

from gradus.course import FILE

WHOLE = (":all:", "torch", "gradus")  # what typeguard must not rewrite


def refuse(config: pytest.Config) -> None:
    """Stop a run of checks whose results would be other than those of a plain one.

    Raises:
        pytest.UsageError: Names the option, why it cannot be, and what to do.
    """
    if words := _optimized() or _forked(config) or _typeguard(config):
        raise pytest.UsageError(words)


def spoiled(config: pytest.Config) -> str:
    """Why a kit's graders cannot be imported in this run, and what to do; "" where they can, and elsewhere."""
    return _typeguard(config) if (config.rootpath / FILE).is_file() else ""


def _optimized() -> str:
    if not sys.flags.optimize:
        return ""
    return (
        "python -O (or PYTHONOPTIMIZE) leaves assert statements out, those of a submission too, so that points "
        "would be others than in a grade: run pytest without it."
    )


def _forked(config: pytest.Config) -> str:
    if not config.getoption("forked", False):
        return ""
    return (
        "--forked (pytest-forked) takes checks away from their time limits: leave it out. `gradus check TOPIC` "
        "grades in a process of its own, and a crash there costs one check."
    )


def _typeguard(config: pytest.Config) -> str:
    named = (config.getoption("typeguard_packages", None) or "").split(",")
    with contextlib.suppress(ValueError):  # typeguard is not installed
        named += config.getini("typeguard-packages") or []
    wrong = [name for name in map(str.strip, named) if name.partition(".")[0] in WHOLE]
    if not wrong:
        return ""
    return (
        f"typeguard-packages, {wrong[0]}: typeguard would rewrite torch or gradus, which then do not work any "
        "more. Name packages of your own, or leave it out."
    )
