"""Unpack a zip that somebody else made: no file lands outside its folder, and none costs more than it may."""

import contextlib
import errno
import io
import os
import re
import stat
import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gradus.classroom.odd_files import odd_kind
from gradus.errors import GradusError

UTF_8_NAMES, ENCRYPTED = 0x800, 0x1  # flags of an entry
_READ = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for gigabytes of memory
_LONGEST_NAME, _LONGEST_PATH, _DEEPEST = 100, 1000, 30  # bytes, bytes, folders
_MOST_AT_ONCE = 64_000_000  # bytes of a table of contents
_HANGUL = re.compile(r"[\x00-\x7f\uac00-\ud7a3]*")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError)


@dataclass(frozen=True)
class Limits:
    """What a zip may cost: bytes when it is unpacked, and entries."""

    bytes: int
    entries: int


OF_STUDENT = Limits(200_000_000, 10_000)
OF_CLASS = Limits(
    4_000_000_000, 100_000
)  # named by the instructor: it holds those of many students


@dataclass(frozen=True)
class Unpacked:
    """One entry: what it is called in the zip, and where it lies now, or why it was left out."""

    names: tuple[str, ...]  # of its folders and its own; of the zip itself: none
    path: Path | None = None
    why: str = ""


def unpack(archive: Path, into: Path, limits: Limits = OF_STUDENT) -> Iterator[Unpacked]:
    """Unpack a zip into an empty folder; folders without files come too.

    Names that this machine cannot have, or that differ for it in nothing (two forms of one letter, small and
    capital letters), get others on the disk; `Unpacked.names` are those of the zip.

    Args:
        archive: The zip.
        into: The folder.
        limits: What it may cost; above that nothing is unpacked.

    Raises:
        GradusError: If the disk is full.
    """
    try:
        with _Careful(io.FileIO(archive)) as file, zipfile.ZipFile(file) as opened:
            entries = opened.infolist()
            why = _too_much(entries, limits)
            if why:
                yield Unpacked((), why=why)
                return
            yield from _entries(opened, entries, _Places(into))
    except (*_DAMAGED, ValueError) as error:  # names that are no UTF-8 are among the second
        _require_room(error)
        words = "is damaged or no zip"
        yield Unpacked((), why=f"{words} ({_of(error)}). Ask for it again, or unpack it by hand.")


class _Careful(io.BufferedReader):
    """Does not read gigabytes at once because a damaged zip says so."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MOST_AT_ONCE:
            raise zipfile.BadZipFile("its table of contents is too large")
        return super().read(size)


def _too_much(entries: list[zipfile.ZipInfo], limits: Limits) -> str:
    remedy = (
        "Nothing of it was unpacked. If it is meant to be so large, unpack it and give the folder."
    )
    if len(entries) > limits.entries:
        return f"holds {len(entries):,} files; at most {limits.entries:,} are unpacked. {remedy}"
    size = sum(
        entry.file_size for entry in entries
    )  # zipfile gives no byte more than an entry claims
    if size > limits.bytes:
        most = f"{limits.bytes / 1e6:,.0f} MB"
        return f"would take {size / 1e6:,.0f} MB; at most {most} are unpacked. {remedy}"
    return ""


def _entries(
    opened: zipfile.ZipFile, entries: list[zipfile.ZipInfo], places: "_Places"
) -> Iterator[Unpacked]:
    locked = 0
    for entry in entries:
        names, why = _names(_name(entry))
        mode = entry.external_attr >> 16 if entry.create_system == 3 else 0
        if not why and stat.S_IFMT(mode):
            kind = odd_kind(mode)
            why = f"is {kind}, which is never followed. Ask for the file itself." if kind else ""
        if why:
            yield Unpacked(names, why=why)
        elif entry.orig_filename.endswith(("/", "\\")):
            yield _folder(names, places)
        elif entry.flag_bits & ENCRYPTED:
            locked += 1
        else:
            yield _unpacked(opened, entry, names, places)
    if locked:
        words = (
            f"{locked} of its files are encrypted" if locked > 1 else "a file in it is encrypted"
        )
        yield Unpacked((), why=f"{words}. Unpack it with its password and give the folder.")


def _folder(names: tuple[str, ...], places: "_Places") -> Unpacked:
    try:
        return Unpacked(names, places.folder(names))
    except OSError as error:
        _require_room(error)
        return Unpacked(names, why=f"cannot be unpacked here ({_of(error)}). Unpack it by hand.")


def _unpacked(
    opened: zipfile.ZipFile, entry: zipfile.ZipInfo, names: tuple[str, ...], places: "_Places"
) -> Unpacked:
    if entry.compress_type not in _READ:
        why = "is packed in a way that is not read here. Unpack the zip and give the folder."
        return Unpacked(names, why=why)
    path = None
    try:
        with opened.open(entry) as source, places.file(names) as target:
            path = Path(target.name)
            while piece := source.read(1 << 20):
                target.write(piece)
    except (*_DAMAGED, ValueError) as error:
        if path is not None:
            path.unlink()
        _require_room(error)
        return Unpacked(names, why=f"is damaged ({_of(error)}). Ask for the zip again.")
    with contextlib.suppress(ValueError, OverflowError, OSError):  # a day that no month has
        seconds = time.mktime((*entry.date_time, 0, 0, -1))
        os.utime(path, (seconds, seconds))
    return Unpacked(names, path)


def _require_room(error: Exception) -> None:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        raise GradusError(
            f"zips cannot be unpacked: {error.strerror} ({error.filename or 'while writing'}). "
            "Make room, or set TMPDIR to a folder on another disk."
        ) from error


def _of(error: Exception) -> str:
    return str(error)[:100] or type(error).__name__


def _name(entry: zipfile.ZipInfo) -> str:
    """An entry's name: UTF-8, also where that is not declared; of a Korean Windows; else that of DOS."""
    name = entry.orig_filename
    if entry.flag_bits & UTF_8_NAMES or name.isascii():
        return name
    raw = name.encode("cp437")  # what zipfile took it for
    with contextlib.suppress(UnicodeDecodeError):
        return raw.decode("utf-8")
    with contextlib.suppress(UnicodeDecodeError):
        korean = raw.decode("euc_kr")
        if _HANGUL.fullmatch(korean):
            return korean
    return name


def _names(name: str) -> tuple[tuple[str, ...], str]:
    """The parts of an entry's name, and why it may not be unpacked."""
    parts = re.split(r"[/\\]", name)
    names = tuple(part for part in parts if part not in ("", "."))
    outside = not parts[0] or ".." in names or re.match(r"[A-Za-z]:", parts[0])
    if outside or not names or "\0" in name:
        return (name,), "is a name that leads out of the zip. Ask what it is; it was not unpacked."
    if len(name.encode("utf-8", "replace")) > _LONGEST_PATH or len(names) > _DEEPEST:
        return (
            name[:_LONGEST_NAME] + "...",
        ), "is too long a name. Ask for the file under another."
    return names, ""


class _Places:
    """Where entries lie: below one folder, each in a place of its own."""

    def __init__(self, root: Path) -> None:
        self._folders: dict[tuple[str, ...], Path] = {(): root}

    def folder(self, names: tuple[str, ...]) -> Path:
        """The folder of these names, made where it is not there yet."""
        for depth in range(1, len(names) + 1):
            if names[:depth] in self._folders:
                continue
            for path in _ways(self._folders[names[: depth - 1]], names[depth - 1]):
                with contextlib.suppress(FileExistsError):
                    path.mkdir()
                    self._folders[names[:depth]] = path
                    break
        return self._folders[names]

    def file(self, names: tuple[str, ...]) -> io.BufferedWriter:
        """A new file, open for writing."""
        for path in _ways(self.folder(names[:-1]), names[-1]):
            with contextlib.suppress(FileExistsError):
                return path.open("xb")
        raise AssertionError("there is no end of names")


def _ways(folder: Path, name: str) -> Iterator[Path]:
    """The paths that a name may get, the best first. Whether one is free the file system itself must say."""
    plain = re.sub(r'[<>:"|?*\x00-\x1f\x7f]', "_", name).rstrip(" .") or "_"
    free = Path(f"_{plain}" if _DEVICES.match(plain) else plain)
    stem, ending = _cut(free.stem), _cut(free.suffix)
    yield folder / f"{stem}{ending}"
    number = 2
    while True:
        yield folder / f"{stem}~{number}{ending}"
        number += 1


def _cut(name: str) -> str:
    return name.encode("utf-8", "replace")[:_LONGEST_NAME].decode("utf-8", "ignore")
