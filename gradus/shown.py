"""Text of a submission's, made safe to show: in a terminal, in the log of a CI service, in a report, on a page.

Whatever a submission prints, raises or names passes through here on its way to a person. Each function
gives the same again for what it gave, so it may be applied at every door.
"""

import re

# Characters that steer a terminal, end a line, turn the direction of writing, or cannot be seen.
_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029"
_DIRECTIONS = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE = (
    r"\xad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0"
    r"\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_NO_TEXT = r"\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"  # half of an emoji, and what is no character
_ALWAYS = _CONTROLS + _DIRECTIONS + _INVISIBLE + _NO_TEXT
# These belong to some letters and emoji, and are invisible anywhere else.
_JOINERS = r"\u200c\u200d"
_SELECTORS = r"\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_MARKS = (
    r"\u0300-\u034e\u0350-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
_LETTER = rf"[^\x00-\xa0{_ALWAYS}{_JOINERS}{_SELECTORS}{_MARKS}]"  # never escaped itself

_HIDDEN = re.compile(
    rf"[{_ALWAYS}]"
    rf"|(?<!{_LETTER})(?!(?<=[0-9#*])\ufe0f\u20e3)[{_SELECTORS}]"  # but for the emoji of a key: 1, #
    rf"|(?<!{_LETTER})(?<!{_LETTER}\ufe0f)[{_JOINERS}]"
    rf"|[{_JOINERS}](?!{_LETTER})"
    rf"|(?<=[{_MARKS}]{{4}})[{_MARKS}]"  # a heap of accents reaches over the lines above and below
)

# GitHub's runner obeys `::name ...::` where only white space stands before it, and `##[name]` anywhere;
# Azure's obeys `##vso[...]` and TeamCity `##teamcity[...]` anywhere. The first is defused behind any white
# space, since a message is wrapped later. (GitLab's `section_start:` needs an ESC and a carriage return.)
_COLONS = re.compile(r"(?<!\S)::(?=\S)")
_HASHES = re.compile(r"##(?=\[|vso|teamcity)", re.IGNORECASE)

INDENT = "    "
GUTTER = "  | "


def visible(text: str) -> str:
    r"""The text with what cannot be seen, or would steer, written out as Python would: `\x1b`, `\u202e`.

    Line breaks, tabs, letters of every script, symbols and emoji stay as they are.
    """
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(_written_out, text.replace("\r\n", "\n"))


def _written_out(found: "re.Match[str]") -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def safe(text: str) -> str:
    r"""`visible`, and no line of it is a command to a CI service: `\::error::`, `#\#[group]`."""
    return _HASHES.sub(r"#\\#", _COLONS.sub(r"\\::", visible(text)))


def continued(text: str) -> str:
    """`safe`, with every line but the first indented: none of them can pass for a line of ours."""
    return re.sub(rf"\n(?=[^\n])(?!{INDENT})", f"\n{INDENT}", safe(text))


def shown_name(name: str) -> str:
    """A file's name that a student chose, as it may be shown: no line breaks, no orders to a terminal."""
    return name if name.isprintable() else ascii(name)


def quoted(text: str) -> str:
    """`safe`, with a mark before each line, as it is shown of what a submission prints."""
    lines = safe(text).split("\n")
    whole = lines[:-1] if lines[-1] == "" else lines  # a last line break begins no line
    if all(line.startswith(GUTTER) or line == GUTTER.rstrip() for line in whole):
        return "\n".join(lines)
    marked = [f"{GUTTER}{line}" if line else GUTTER.rstrip() for line in whole]
    return "\n".join([*marked, *lines[len(whole) :]])
