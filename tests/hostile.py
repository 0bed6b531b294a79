"""Text that is meant to do harm to whoever reads it, and what must not be left of it."""

import re

STEERING = (
    "\x1b[2J\x1b[1A\x1b[31m\x1b]0;title\x07\x1b]8;;http://evil\x07link\x1b]8;;\x07\x9b2J\x90q\x9c"
    "\rover\b\b\x00\x7f\x85\u2028\u2029\x0b\x0c\x1c"
    "\u202eevil\u202c\u2066\u2069\u200b\u200d\u2060\ufeff\U000e0041\ud800\ufe0f"
)
COMMANDS = (
    "::error::owned\n  ::set-output name=a::b\n\t\xa0\u3000::stop-commands::token\n::add-mask::e\n"
    "x ##[error]owned\n##vso[task.complete result=Succeeded;]\n ##teamcity[buildStatus status='SUCCESS']\n"
    "\x1b[0Ksection_start:1:name\r\x1b[0Khello\n"
)
FORGED = "PASSED\n===== 7 passed in 0.01s =====\n  total        7 / 7\ndemo is done.\n"
HOSTILE = STEERING + COMMANDS + FORGED
KEPT = "한국어 ∑∂ é 👩\u200d💻 ❤️ नमस्ते می\u200cخواهم 日本語"  # noqa: RUF001  not hostile at all

_STEERS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff"
    r"\U000e0000-\U000e0fff\ud800-\udfff]"
)


def steers(text: str) -> list[str]:
    """Characters that act on a terminal or hide, with what stands around them."""
    return [text[max(0, m.start() - 20) : m.end() + 20] for m in _STEERS.finditer(text)]


def commands(text: str) -> list[str]:
    """Lines that a CI service obeys, by the rules of GitHub's and Azure's runners and of TeamCity.

    GitHub's runner trims white space before it looks for `::` and a name, and finds `##[` anywhere in a line.
    """
    return [
        line
        for line in re.split(r"[\r\n]", text)
        if re.match(r"\s*::\S", line) or re.search(r"##(\[|vso|teamcity)", line, re.IGNORECASE)
    ]


def forged(text: str) -> list[str]:
    """Lines that pass for lines of pytest's or ours."""
    fakes = FORGED.strip("\n").split("\n")
    return [line for line in text.split("\n") if line.rstrip() in fakes]
