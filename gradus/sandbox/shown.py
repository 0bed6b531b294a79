"""What a sandbox shows of this machine's Python, and what stays hidden below it."""

import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradus.sandbox.errors import SandboxError

PACKAGE = Path(__file__).parent.parent  # the one that is imported here must be the one inside
# Of a prefix, which may be the root of anything: `python -m venv .`
PARTS = ("bin", "lib", "lib32", "lib64", "libexec", "include", "ssl", "nvvm", "targets")
NEEDED = ("torch", "numpy", "pyseccomp")  # shown wherever they lie
FOLDERS_OF_PACKAGES = ("site-packages", "dist-packages")
TOO_MUCH = (
    *("/", "/home", "/root", "/tmp", "/etc", "/var", "/opt"),
    *("/proc", "/dev", "/sys", "/scratch"),
)


@dataclass(frozen=True)
class Views:
    """Paths that are mounted, and those that are covered, in the order in which it is done: outer first."""

    steps: tuple[tuple[Path, bool], ...]  # path, and whether it is shown

    @property
    def covered(self) -> list[Path]:
        """The paths that are covered."""
        return [path for path, is_shown in self.steps if not is_shown]


def views(system: Iterable[Path], readable: Iterable[Path], hidden: Iterable[Path]) -> Views:
    """What to mount so that Python and `readable` are seen and nothing of `hidden`; the deeper path decides.

    `system`: folders that are mounted already.

    Raises:
        SandboxError: If a path is missing or would show far more than was meant, or if Python cannot be
            shown without something that is to be hidden.
    """
    secret = {path.resolve() for path in hidden if path.exists()}
    named = {_absolute(path) for path in readable}
    found = named | {_absolute(path) for path in python_paths(secret)}
    for path in named | found:
        _check(path)
    mounted = {_absolute(path) for path in system}
    entries = dict.fromkeys(mounted | found, True)
    for path in list(entries):
        real = path.resolve()
        for place in secret:
            if place == real:
                if path not in named:
                    raise SandboxError(
                        f"sandbox: Python or gradus needs {path}, and it is to be hidden from submissions; "
                        "install Python and gradus in a folder of their own"
                    )
            elif real in place.parents:
                entries.setdefault(path / place.relative_to(real), False)
    steps: list[tuple[Path, bool]] = []
    for path in sorted(entries, key=lambda path: (len(path.parts), str(path))):
        around = (entries.get(outer) for outer in path.parents)
        visible = next((state for state in around if state is not None), False)
        if visible == entries[path] or path in mounted:
            continue  # as its surroundings
        steps.append((path, entries[path]))
    return Views(tuple(steps))


def python_paths(hidden: Collection[Path] = ()) -> list[Path]:
    """Where this Python, its packages and this package lie: those folders themselves, not what is around."""
    prefixes = dict.fromkeys(
        map(Path, (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix))
    )
    paths = [prefix / name for prefix in prefixes for name in (*PARTS, "pyvenv.cfg")]
    paths += [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]
    paths += [*_site_folders(), PACKAGE]
    for folder in import_folders():
        if not _is_private(folder, hidden):
            paths.append(folder)
    for name in NEEDED:
        paths += _package(name)
    link = Path(sys.executable)
    for _ in range(40):  # an environment's python is a chain of links, each of which must be there
        paths.append(link)
        if not link.is_symlink():
            break
        link = Path(os.path.normpath(link.parent / link.readlink()))
    return [path for path in dict.fromkeys(paths) if path.exists()]


def import_folders() -> list[Path]:
    """Folders that this Python was told to import from: by PYTHONPATH, and by .pth files of its packages.

    Not all of `sys.path`: pytest adds folders of tests, and a command the folder it was started in.
    """
    told = [Path(word) for word in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    for folder in _site_folders():
        for file in sorted(folder.glob("*.pth")):
            for line in file.read_text("utf-8", "replace").splitlines():
                if line.strip() and not line.startswith(("#", "import ", "import\t")):
                    told.append(folder / line.strip())
    return [path for path in dict.fromkeys(told) if path.is_absolute() and path.exists()]


def import_path() -> str:
    """PYTHONPATH for a process inside, so that it imports the package that is imported here."""
    told = [Path(word) for word in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    paths = [path for path in told if path.is_absolute() and path.exists()]
    if PACKAGE.parent.name not in FOLDERS_OF_PACKAGES:
        paths.insert(0, PACKAGE.parent)
    return os.pathsep.join(map(str, dict.fromkeys(paths)))


def user_packages() -> Path | None:
    """The folder of packages of this user alone, where Python uses it."""
    if site.ENABLE_USER_SITE and site.USER_BASE and Path(site.getusersitepackages()).is_dir():
        return Path(site.getusersitepackages())
    return None


def _site_folders() -> list[Path]:
    own = user_packages()
    folders = [*site.getsitepackages(), *([str(own)] if own is not None else [])]
    return [path for path in map(Path, folders) if path.is_dir()]


def _is_private(folder: Path, hidden: Collection[Path]) -> bool:
    """Whether a folder may hold more than packages: it is in something hidden, or has that in it."""
    real = folder.resolve()
    if str(real) in TOO_MUCH or real == Path.home().resolve():
        return True
    if real.name in FOLDERS_OF_PACKAGES:
        return False
    return any(real == p or real in p.parents or p in real.parents for p in hidden)


def _package(name: str) -> Sequence[Path]:
    """Where one package or module lies."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return ()
    if spec is None:
        return ()
    if spec.submodule_search_locations:
        return [Path(place) for place in spec.submodule_search_locations]
    return [Path(spec.origin)] if spec.has_location and spec.origin else ()


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  links are kept as they are


def _check(path: Path) -> None:
    if str(path) in TOO_MUCH or path == Path.home():
        raise SandboxError(
            f"sandbox: {path} would be readable by submissions, and that is too much; "
            "name the files that they need, or install Python and gradus in a folder of their own"
        )
    if not path.exists():
        raise SandboxError(f"sandbox: {path} is to be readable by submissions and is not there")
