"""The files that are saved while one watches."""

import threading
from collections.abc import Iterator
from pathlib import Path

import watchfiles

from gradus.course import Course

DEBOUNCE, STEP = 50, 10  # milliseconds: editors write a file in several steps
LOOK = 2_000  # milliseconds between two looks whether the folders are still the same ones


def saves(course: Course, over: threading.Event) -> Iterator[set[Path]]:
    """The files of a course's exercises, graders and data sets that have changed, until it is over.

    Where the system tells of no changes (too many programs ask it, or the folder is on another machine), the
    folders are looked at again and again. A folder that another one has taken the place of is watched anew.
    """
    polling: bool | None = None  # the library's own choice
    while not over.is_set():
        places = _places(course)
        known = _which(places)
        try:
            for changes in watchfiles.watch(
                *places, debounce=DEBOUNCE, step=STEP, stop_event=over, raise_interrupt=False,
                force_polling=polling, rust_timeout=LOOK, yield_on_timeout=True,
            ):  # fmt: skip
                if changes:
                    yield {Path(path) for _, path in changes}
                if _which(_places(course)) != known:
                    yield set(places)
                    break
        except (OSError, RuntimeError):
            if polling:
                over.wait(LOOK / 1000)  # the folder is gone: it may come back
            polling = True


def _places(course: Course) -> list[Path]:
    kit = [course.root / name for name in ("graders", "datasets")]
    return [place for place in (course.exercises, *kit) if place.is_dir()]


def _which(places: list[Path]) -> list[tuple[str, int]]:
    """Folders as the system knows them: another one of the same name is not the same."""
    return [(str(place), place.stat().st_ino) for place in places if place.is_dir()]
