"""`gradus doctor`: what is wrong with this machine's setup, and the command that fixes it."""

import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from gradus.course import FILE, PACKAGE, find_course
from gradus.errors import CourseError

OLDEST = (3, 10)
CHECKOUT = PACKAGE.parent  # ... of a developer's, who has the versions that gradus is tested with
PIP = f"pip install{' -c constraints.txt' if (CHECKOUT / 'constraints.txt').exists() else ''}"
SECONDS = 180


class Level(str, Enum):
    """How bad a finding is: only `bad` keeps exercises from being graded."""

    OK = "ok"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report."""

    what: str
    level: Level
    words: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Every finding, in the order in which they should be fixed."""
    yield _python()
    yield from _torch()
    yield _torchvision()
    yield from _packages()
    yield _sandbox()
    yield from _kit()
    yield _writable(
        "temporary folder", Path(tempfile.gettempdir()), "set TMPDIR to a folder of yours"
    )


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info < OLDEST:
        return Finding("Python", Level.BAD, f"{version} is too old", "install Python 3.10 or newer")
    in_environment = sys.prefix != sys.base_prefix or "CONDA_PREFIX" in os.environ
    if not in_environment:
        remedy = "python -m venv .venv, then activate it (or: make setup)"
        return Finding("Python", Level.NOTE, f"{version}, not in a virtual environment", remedy)
    return Finding("Python", Level.OK, f"{version} in {sys.prefix}")


def _run(code: str) -> tuple[bool, str]:
    """Run code in a fresh Python: whether it worked, and the last line that it printed."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer within {SECONDS} s"
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return done.returncode == 0, lines[-1] if lines else f"exit code {done.returncode}"


def _torch() -> Iterator[Finding]:
    code = (
        "import torch; c = torch.cuda.is_available(); "
        "print(torch.__version__, '|', torch.cuda.get_device_name() if c else '', '|', torch.version.cuda)"
    )
    works, words = _run(code)
    if not works:
        yield Finding("torch", Level.BAD, words, f"{PIP} torch")
        return
    version, card, cuda = (part.strip() for part in words.split("|"))
    yield Finding("torch", Level.OK, version)
    if card:
        yield Finding("CUDA", Level.OK, f"{card} (CUDA {cuda}): checks run on it too")
    elif cuda != "None":
        yield Finding(
            "CUDA", Level.NOTE,
            f"torch was built for CUDA {cuda} but finds no GPU; checks run on the CPU and a simulated GPU",
            "nothing to do without a GPU; with one: nvidia-smi must list it",
        )  # fmt: skip
    else:
        yield Finding(
            "CUDA", Level.NOTE, "a CPU build of torch: checks run on the CPU and a simulated GPU"
        )


def _torchvision() -> Finding:
    works, words = _run("import torchvision; print(torchvision.__version__)")
    if works:
        return Finding("torchvision", Level.OK, words)
    if "torchvision::nms does not exist" in words:
        return Finding(
            "torchvision", Level.NOTE,
            "its compiled operators were built for another torch (operator torchvision::nms does not "
            "exist). gradus declares them, so graders and notebooks work; torchvision.io, nms and "
            "detection models do not, and a bare `import torchvision` stops",
            "pip install --force-reinstall torch torchvision --index-url "
            "https://download.pytorch.org/whl/cpu   (both from one place)",
        )  # fmt: skip
    return Finding("torchvision", Level.BAD, words, f"{PIP} torchvision")


def _packages() -> Iterator[Finding]:
    for name in ("pytest", "pytest-timeout", "scikit-learn", "gymnasium"):
        version = _version(name)
        if version is None:
            yield Finding(name, Level.BAD, "is not installed", f"{PIP} {name}")
        else:
            yield Finding(name, Level.OK, version)
    if _version("ipykernel") is None:
        yield Finding(
            "Jupyter", Level.NOTE, "is not installed; only notebooks need it",
            'pip install "gradus-kit[notebook]"',
        )  # fmt: skip
    version = _version("nbgrader")
    if version is None:
        yield Finding(
            "nbgrader", Level.NOTE, "is not installed; only instructors need it",
            'pip install "gradus-kit[instructor]"',
        )  # fmt: skip
        return
    works, words = _run("import nbgrader.apps")
    if works:
        yield Finding("nbgrader", Level.OK, version)
    else:
        yield Finding(
            "nbgrader",
            Level.BAD,
            words,
            f"{PIP} --force-reinstall nbgrader",
        )


def _sandbox() -> Finding:
    from gradus.sandbox.levels import Level as Reached
    from gradus.sandbox.levels import probe_level

    reached = probe_level()
    if reached.level is Reached.SANDBOX:
        memory, user = reached.details["memory"], reached.details["user"]
        words = f"a submission can be graded in one; memory: {memory}; its user: {user}"
        return Finding("sandbox", Level.OK, words)
    why = reached.details.get("why", "")
    words = f"this machine reaches the level {reached.level} (docs/security.md): {why}"
    return Finding("sandbox", Level.NOTE, words, reached.details.get("remedy", ""))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _kit() -> Iterator[Finding]:
    try:
        course = find_course()
    except CourseError as error:
        yield Finding(
            "kit", Level.BAD, str(error), "cd into your course, or make one: gradus init my-course"
        )
        return
    yield Finding("kit", Level.OK, f"{course.root} ({len(course.topics)} topics)")
    missing = [topic for topic in course.topics if not course.grader(topic).exists()]
    if missing:
        own = [topic for topic in missing if course.source(topic) is None]
        of_kit = [topic for topic in missing if topic not in own]
        has_solutions = (course.root / "solutions").is_dir()
        if of_kit:
            remedy = "git checkout -- graders" if has_solutions else "gradus update"
            yield Finding("graders", Level.BAD, f"missing for {', '.join(of_kit)}", remedy)
        for topic in own:
            words = f"missing for {topic}, which is no topic of the kit's"
            remedy = f"write {course.grader(topic)}, or take {topic} out of {course.root / FILE}"
            yield Finding("graders", Level.BAD, words, remedy)
    for folder in (course.root, course.root / "exercises"):
        if folder.exists():
            yield _writable(folder.name + "/", folder, f"chmod -R u+w {folder}")


def _writable(what: str, folder: Path, remedy: str) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x" * 4096)
    except OSError as error:
        return Finding(what, Level.BAD, f"cannot be written to ({error.strerror})", remedy)
    return Finding(what, Level.OK, f"{folder} can be written to")
