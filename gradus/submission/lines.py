"""Where in Python's grammar a line of text begins: in a string, in brackets, or as a statement of its own."""

import re
from dataclasses import dataclass

_OPENING, _CLOSING, _QUOTES = tuple("([{"), tuple(")]}"), tuple("'\"")
_CODE = re.compile(r"[^\\#'\"()\[\]{}]+")  # nothing in these that changes where a line stands
_STRING = re.compile(r"[^\\'\"]+")


@dataclass
class Reader:
    """Reads text line by line. It never refuses any: a string that is not closed ends with its line.

    Python's own tokenizer will not do: what it makes of `!`, `?` and of a quote that is not closed, which
    lines of IPython hold, differs from version to version.
    """

    quote: str = ""  # the string that is open
    depth: int = 0  # brackets that are open
    continued: bool = False  # the last line ended with a backslash

    @property
    def at_statement(self) -> bool:
        """Whether the next line begins a statement."""
        return not (self.quote or self.depth or self.continued)

    def read(self, line: str) -> str:
        """Go behind a line (without its end); returns it as far as its comment.

        In what is returned strings and what stands in brackets are underscores, so that positions stay.
        """
        seen: list[str] = []
        at = 0
        self.continued = False
        while at < len(line):
            step = self._step(line, at)
            if step == 0:
                break
            open_before = bool(self.quote)
            self._enter_or_leave(line[at : at + step])
            plain = not (open_before or self.quote or self.depth)
            seen.append(line[at : at + step] if plain else "_" * step)
            at += step
        if len(self.quote) == 1 and not self.continued:
            self.quote = ""
        return "".join(seen)

    def _step(self, line: str, at: int) -> int:
        """How many characters at this place belong together; 0 where a comment begins."""
        if line[at] == "\\":
            self.continued = at == len(line) - 1
            return 1 if self.continued else 2
        run = (_STRING if self.quote else _CODE).match(line, at)
        if run is not None:
            return len(run[0])
        if self.quote:
            return len(self.quote) if line.startswith(self.quote, at) else 1
        if line[at] == "#":
            return 0
        return 3 if line[at] in _QUOTES and line.startswith(line[at] * 3, at) else 1

    def _enter_or_leave(self, text: str) -> None:
        if self.quote:
            if text == self.quote:
                self.quote = ""
        elif text[0] in _QUOTES:
            self.quote = text
        elif text in _OPENING:
            self.depth += 1
        elif text in _CLOSING:
            self.depth = max(0, self.depth - 1)
