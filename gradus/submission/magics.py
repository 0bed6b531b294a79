"""What only IPython understands, as Python, line for line; IPython itself need not be installed.

A magic or a line for the shell becomes `pass`, since it may be all that a block holds. One that runs a
statement becomes the statement; one that gives the notebook names becomes a call that does the same, or says
that it cannot.
"""

import re
import textwrap
from dataclasses import replace

from gradus.submission.lines import Reader

RUN_IN_THE_NOTEBOOK = {"%%capture", "%%debug", "%%memit", "%%prun", "%%time"}  # Python stands below
RUN_THEIR_LINE = {  # magic -> its options of one letter that take a value
    "lprun": "DTfmu",
    "memit": "irt",
    "mprun": "Tf",
    "prun": "DTls",
    "pyinstrument": "",
    "snakeviz": "f",
    "time": None,  # has none: `%time -x` tells the time of `-x`
}
GIVE_NAMES = {"load", "macro", "pylab", "recall", "rep", "rerun", "run", "store"}
_SHELL = (
    "cat cd conda copy cp ddir echo ldir less ll ls mamba man mkdir more mv pip ren rm rmdir uv"
)
_WITHOUT_PERCENT = (
    "autoreload env load_ext matplotlib prun pylab pwd reload_ext run set_env time timeit who whos"
)
_CELL_MAGIC = re.compile(r"(%%(?:\w+|!))")
_LINE_MAGIC = re.compile(r"%{1,2}\s*([A-Za-z]\w*)(.*)", re.DOTALL)
_ASSIGNED = re.compile(r"([^=]*?)(?<![=!<>+\-*/%&|^@:])=(?!=)\s*(?=[%!])")
_HELP = re.compile(r"%{0,2}[^\W\d*][\w.*]*\?{1,2}$")
_NO_PERCENT = re.compile(  # neither a use of a variable so called, nor `in`, `if` ... behind it
    rf"({'|'.join(f'{_SHELL} {_WITHOUT_PERCENT}'.split())})"
    r"(?:\s*$|\s+(?!(?:and|else|for|if|in|is|not|or)\b)(?:[\w~$\"']|\.(?![A-Za-z_])|[-/*](?![\s=*/])))"
)
_MAYBE = re.compile(  # most cells hold nothing of the kind, and reading each character takes time
    rf"^[ \t]*(?:[!?%,;/]|{_NO_PERCENT.pattern})|=[ \t]*[%!]|\?[ \t]*(?:#.*)?$", re.MULTILINE
)
_PROMPTS = (
    (re.compile(r"\s*>>>(?: |$)"), re.compile(r"\s*(?:>>>|\.\.\.)(?: |$)")),
    (re.compile(r"In \[\d+\]: "), re.compile(r"(?:In \[\d+\]: |\s*\.{3,}: ?)")),
)


def without_prompts(lines: list[str]) -> list[str]:
    """The lines without prompts that were pasted with them, and without an indentation that all share."""
    first = next((line for line in lines if line.strip()), "")
    if first[:1].isspace():
        lines = textwrap.dedent("\n".join(lines)).split("\n")
        first = first.lstrip()
    for initial, prompt in _PROMPTS:
        if initial.match(first):
            return [prompt.sub("", line, count=1) for line in lines]
    return lines


def without_cell_magics(lines: list[str]) -> tuple[list[str], str | None]:
    """The lines, and the cell magic for which they are not run as Python of the notebook, if any.

    As in IPython a cell magic is the first line that is not blank; below one that runs the rest as
    Python another may follow. Such lines become comments, so that line numbers stay.
    """
    plain = list(lines)
    for at, line in enumerate(lines):
        if not line.strip():
            continue
        found = _CELL_MAGIC.match(line)
        if found is None:
            break
        if found[1] not in RUN_IN_THE_NOTEBOOK:
            return plain, found[1]
        plain[at] = f"# {line}"
    return plain, None


def as_python(lines: list[str]) -> list[str]:
    """As many lines of Python; those that are Python already stay as they are."""
    if not _MAYBE.search("\n".join(lines)):
        return lines
    reader, plain = Reader(), []
    at = 0
    while at < len(lines):
        line, taken = lines[at], 1
        if reader.at_statement:
            line, taken = _statement(lines, at, reader)
        reader.read(line)
        plain += [line, *[""] * (taken - 1)]
        at += taken
    return plain


def _statement(lines: list[str], at: int, reader: Reader) -> tuple[str, int]:
    """The line at which a statement begins, as Python, and how many lines it takes the place of."""
    line, taken = lines[at], 1
    body = line.lstrip()
    if body[:1] in ("!", "?", "%", ",", ";", "/") or _NO_PERCENT.match(body):
        while line.endswith("\\") and at + taken < len(lines):
            line = f"{line[:-1].rstrip()} {lines[at + taken].strip()}"
            taken += 1
        indent = line[: len(line) - len(line.lstrip())]
        return indent + _escaped(line.strip()), taken
    code = replace(reader).read(line)
    if _HELP.match(code.strip()):
        return line[: len(line) - len(body)] + "pass", taken
    assigned = _ASSIGNED.match(code)
    if assigned is not None:
        return line[: assigned.end()] + _value(line[assigned.end() :].strip()), taken
    return line, taken


def _escaped(text: str) -> str:
    """A statement of IPython's as Python."""
    if text[0] in "!?" or text.endswith("?"):
        return "pass"
    if text[0] in ",;/":
        name, _, words = text[1:].strip().partition(" ")
        given = {",": ", ".join(map(repr, words.split())), ";": repr(words), "/": words}[text[0]]
        return f"{name}({given})" if name else text
    found = _LINE_MAGIC.match(text if text[0] == "%" else f"%{text}")
    if found is None:
        return text
    if text[0] != "%" and found[1] in _SHELL.split():
        return "pass"
    return _line_magic(found[1], found[2].strip())


def _line_magic(name: str, words: str) -> str:
    if name in RUN_THEIR_LINE:
        statement = _without_options(words, RUN_THEIR_LINE[name])
        return as_python([statement])[0] if statement else "pass"
    if name in GIVE_NAMES:
        return f"get_ipython().run_line_magic({name!r}, {words!r})"
    return "pass"


def _value(text: str) -> str:
    """What stands behind `x =`, as Python."""
    if text[0] == "!":
        return "[]"  # the lines of a command that was not run
    found = _LINE_MAGIC.match(text)
    if found is None:
        return text
    if found[1] in ("time", "prun"):
        return _without_options(found[2].strip(), RUN_THEIR_LINE[found[1]]) or "None"
    called = _line_magic(found[1], found[2].strip())
    return called if found[1] in GIVE_NAMES else "None"


def _without_options(words: str, valued: str | None) -> str:
    """The statement behind a magic's options."""
    while True:
        option = re.match(r"(--[A-Za-z][\w-]*(?:=\S+)?|-[A-Za-z]\S*)(?:\s+|$)", words)
        if option is None or (valued is None and not option[1].startswith("--")):
            return words
        words = words[option.end() :]
        if len(option[1]) == 2 and option[1][1] in (valued or ""):
            words = words.partition(" ")[2].lstrip()
