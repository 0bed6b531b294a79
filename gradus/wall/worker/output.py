"""What student code prints in the worker: the end of it travels to the judge with the next message."""

import io
import sys

KEPT = 10_000  # bytes of each stream and message


class _Tail(io.RawIOBase):
    """Keeps the last bytes that were written."""

    def __init__(self) -> None:
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        written = bytes(memoryview(data))  # type: ignore[arg-type]
        self._data += written[-KEPT:]
        del self._data[:-KEPT]
        return len(written)

    def take(self) -> bytes:
        taken = bytes(self._data)
        self._data.clear()
        return taken


class Printed:
    """Stands in for `sys.stdout` and `sys.stderr`."""

    def __init__(self) -> None:
        self._tails = {"out": _Tail(), "err": _Tail()}
        wrap = {
            name: io.TextIOWrapper(tail, "utf-8", "backslashreplace", write_through=True)  # type: ignore[type-var]
            for name, tail in self._tails.items()
        }
        sys.stdout, sys.stderr = wrap["out"], wrap["err"]

    def take(self) -> dict[str, str]:
        """What was printed since the last time, by stream."""
        texts = {name: tail.take().decode("utf-8", "replace") for name, tail in self._tails.items()}
        return {name: text for name, text in texts.items() if text}
