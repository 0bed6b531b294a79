"""Bars for trained results: `graders/thresholds.toml`, made from measured runs of the reference."""

import sys
from collections.abc import Callable
from pathlib import Path

from gradus.errors import GraderError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_thresholds(path: Path, topic: str) -> Callable[[str], float]:
    """A function that gives the `threshold` of the table `[<topic>.<name>]`.

    Raises:
        GraderError: If the file cannot be read (at once) or a table is missing (when asked for).
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise GraderError(f"{path}: cannot be read ({error}).") from error

    def threshold(name: str) -> float:
        try:
            return float(tables[topic][name]["threshold"])
        except (KeyError, TypeError, ValueError) as error:
            raise GraderError(f"{path}: no `threshold` in a table [{topic}.{name}].") from error

    return threshold
