"""What a cell of student code has put out, as a notebook keeps it: what a page can show, and not too much."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import nbformat

LONGEST_TEXT = 20_000  # characters of one output
LONGEST_NAME = 200  # ... of the name of an error, and of what has no room
LARGEST = 2 << 20  # bytes of one picture or table
MOST_OUTPUTS = 200  # of one cell
OF_A_CELL = 6 << 20  # bytes of all its outputs, as JSON
OF_ALL = 12 << 20  # ... and of those of a notebook
TEXT, TABLE = "text/plain", "text/html"
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
KINDS = (TEXT, TABLE, "text/markdown", "text/latex", *PICTURES)

Output = dict[str, Any]


class Recorded:
    """The outputs of one cell as they come: joined where they belong together, and bounded."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self._left_out = 0
        self._cut: dict[int, int] = {}  # place of a stream -> characters that it does not hold

    def stream(self, name: str, text: str) -> None:
        """Text was printed."""
        if not self._continues(name) and not self._add(
            {"output_type": "stream", "name": name, "text": ""}
        ):
            return
        last = self.outputs[-1]
        room = max(0, LONGEST_TEXT - len(last["text"]))
        last["text"] += text[:room]
        place = len(self.outputs) - 1
        self._cut[place] = self._cut.get(place, 0) + len(text[room:])

    def data(self, kind: str, data: dict[Any, Any]) -> None:
        """Something was displayed, or is the value of the cell's last line (`execute_result`)."""
        kept = {k: _bounded(k, _plain(v)) for k, v in data.items() if k in KINDS}
        self._add({"output_type": kind, "data": kept})

    def error(self, name: str, words: str, rows: Sequence[str]) -> None:
        """The cell has raised."""
        rows = [_cut(row) for row in rows[:MOST_OUTPUTS]]
        name, words = name[:LONGEST_NAME], _cut(words)
        self._add({"output_type": "error", "ename": name, "evalue": words, "traceback": rows})

    def clear(self) -> None:
        """Forget what there is."""
        self.outputs.clear()
        self._cut.clear()

    def finished(self, room: int = OF_A_CELL) -> list[Output]:
        """What has room in so many bytes, with a line where something was left out."""
        for place, characters in self._cut.items():
            if characters:
                self.outputs[place]["text"] += f"\n({characters:,} more characters are not shown)\n"
        kept = []
        for output in self.outputs:
            size = size_of(output)
            if size <= room:
                room -= size
                kept.append(output)
                continue
            self._left_out += 1
            if short := _in_short(output):
                kept.append(short)
        if self._left_out:
            words = f"({self._left_out:,} more outputs of this cell are not shown)\n"
            kept.append({"output_type": "stream", "name": "stdout", "text": words})
        return kept

    def _continues(self, name: str) -> bool:
        """Whether the last output is text of the same stream."""
        last = self.outputs[-1] if self.outputs else {}
        return (last.get("output_type"), last.get("name")) == ("stream", name)

    def _add(self, output: Output) -> bool:
        if len(self.outputs) >= MOST_OUTPUTS:
            kinds = map(_scored, self.outputs[MOST_OUTPUTS:])
            if not _scored(output) or _scored(output) in kinds:
                self._left_out += 1
                return False
        self.outputs.append(output)
        return True


def size_of(output: Output) -> int:
    """Bytes that an output takes where it is told."""
    return len(json.dumps(output))


def _scored(output: Output) -> str:
    """What nbgrader takes a score from is never left out: no output at all is full marks."""
    kind = str(output["output_type"])
    if kind == "stream":
        return kind if output["name"] == "stderr" else ""
    return kind if kind in ("error", "execute_result") else ""


def _in_short(output: Output) -> Output | None:
    """What stays of an output that has no room."""
    match _scored(output):
        case "error":
            return {**output, "evalue": output["evalue"][:LONGEST_NAME], "traceback": []}
        case "execute_result":
            return {**output, "data": {TEXT: output["data"].get(TEXT, "")[:LONGEST_NAME]}}
        case "stream":
            return {**output, "text": "(not shown)\n"}
    return None


def _plain(value: Any) -> str:
    """Bytes as a notebook has them."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def believed(outputs: Any, number: int) -> list[Any]:
    """What a sandbox has said that a cell put out, as outputs of a notebook.

    Args:
        outputs: Whatever came.
        number: Of the cell: what Jupyter shows as `[5]`.

    Raises:
        ValueError: If it is nothing that `Recorded` gives.
    """
    if not isinstance(outputs, list) or len(outputs) > MOST_OUTPUTS + 4:
        raise ValueError("no list of outputs")
    return [_believed(output, number) for output in outputs]


def _believed(output: Any, number: int) -> Any:
    if not isinstance(output, dict):
        raise ValueError("no output")
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return nbformat.v4.new_output("stream", name=name, text=_text(output.get("text")))
    if kind == "error":
        rows = output.get("traceback")
        if not isinstance(rows, list):
            raise ValueError("no traceback")
        return error(
            _text(output.get("ename")),
            _text(output.get("evalue")),
            [_text(row) for row in rows[:500]],
        )
    data = output.get("data")
    if kind not in ("display_data", "execute_result") or not isinstance(data, dict):
        raise ValueError("an output of an unknown kind")
    shown = {str(k): _sized(str(k), v) for k, v in data.items() if k in KINDS}
    shown[TEXT] = shown.get(TEXT) or "(no text)"  # nbgrader stops where a result has none
    about = {"execution_count": number} if kind == "execute_result" else {}
    return nbformat.v4.new_output(kind, data=shown, **about)


def error(name: str, words: str, rows: Sequence[str] = ()) -> Any:
    """An output that says that a cell has failed: nbgrader gives a graded cell no points for it."""
    return nbformat.v4.new_output(
        "error", ename=name, evalue=words, traceback=list(rows) or [f"{name}: {words}"]
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return _cut(value.encode("utf-8", "replace").decode())  # half an emoji is no text


def _cut(value: str) -> str:
    if len(value) <= LONGEST_TEXT + 100:  # with the line that says what was left out
        return value
    return (
        f"{value[:LONGEST_TEXT]}\n({len(value) - LONGEST_TEXT:,} more characters are not shown)\n"
    )


def _sized(kind: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return _bounded(kind, value.encode("utf-8", "replace").decode())


def _bounded(kind: str, value: str) -> str:
    if kind == TEXT:
        return _cut(value)
    return value if len(value) <= LARGEST else f"(larger than {LARGEST >> 20} MB: not shown)"
