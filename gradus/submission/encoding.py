"""From the bytes of a file to its text, as Python reads source."""

import codecs
import re

from gradus.errors import SubmissionError

_COOKIE = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_NO_CODE = re.compile(rb"[ \t\f]*(?:#|$)")
_SLOW = {"idna", "punycode"}  # a long text takes them for ever, and no editor writes them


def decode_source(data: bytes, *, python: bool) -> str:
    """The text, with line ends as Python has them.

    Args:
        data: The bytes.
        python: Whether a comment may name another encoding than UTF-8, as PEP 263 has it.

    Raises:
        SubmissionError: If it is no text in that encoding; tells where.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    encoding = _declared(data) if python else "UTF-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SubmissionError(
            f"line {line} is not {encoding} text (byte 0x{data[error.start]:02x}). "
            'Save the file with the encoding "UTF-8".'
        ) from error
    except UnicodeError as error:
        raise SubmissionError(
            f'is not {encoding} text ({error}). Save the file with the encoding "UTF-8".'
        ) from error
    if "\0" in text:
        raise SubmissionError(
            "is not a text file (it holds NUL bytes). Hand in the .py or .ipynb itself."
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _declared(data: bytes) -> str:
    """The encoding that one of the first two lines names; UTF-8 where none does."""
    start = data[:1000].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for number, line in enumerate(start.split(b"\n")[:2], start=1):
        found = _COOKIE.match(line)
        if found is not None:
            return _known(found[1].decode("ascii", "replace"), number)
        if _NO_CODE.match(line) is None:
            break
    return "UTF-8"


def _known(name: str, line: int) -> str:
    if name.lower().replace("_", "-") in ("utf-8", "utf8"):
        return "UTF-8"
    try:
        found = codecs.lookup(name)
        "".encode(name)  # refuses what encodes something else than text
    except LookupError as error:
        raise SubmissionError(
            f"line {line} names the encoding {name!r}, which Python does not know. "
            'Save the file with the encoding "UTF-8" and remove that comment.'
        ) from error
    if found.name in _SLOW:
        raise SubmissionError(
            f"line {line} names the encoding {name!r}, which is none for a program. "
            'Save the file with the encoding "UTF-8" and remove that comment.'
        )
    return name
