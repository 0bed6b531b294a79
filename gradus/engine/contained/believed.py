"""What a supervisor believes of a line that a judge has said: plain data of the right types, and no more."""

import math
from typing import Any

from gradus.engine.contained.talk import Nonsense
from gradus.grading.journal import FAULT, Line
from gradus.submission.status import Status

OF_CASES = ("started", "finished", "reference")
MOST_PROBLEMS, MOST_CASES = 10_000, 100_000


def believed(line: Any, **known: Any) -> Line:
    """A line as the engine takes it.

    Args:
        line: What was said.
        known: Of a case's data: what the supervisor knows better, or does not ask a judge.

    Raises:
        Nonsense: If it is none that a judge writes.
    """
    try:
        event = line["event"]
        if event in OF_CASES:
            limit = {"limit": _number(line["limit"])} if event != "finished" else {}
            data = {**_case(line["data"]), **known}
            return {"event": event, "node": _text(line["node"]), "data": data, **limit}
        if event == FAULT:
            return {"event": event, "text": _text(line["text"])}
        if event in ("report", "end"):
            return {"event": event}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Nonsense(f"a malformed line ({type(error).__name__}: {error})") from None
    raise Nonsense("a line that a judge does not write")


def _case(data: Any) -> dict[str, Any]:
    names = ("check", "id", "message", "submission", "sha256")
    found: dict[str, Any] = {name: _text(data[name]) for name in names}
    if "if_broken" in data:
        found["if_broken"] = _text(data["if_broken"])
    problems = data["problems"]
    if type(problems) is not list or len(problems) > MOST_PROBLEMS:
        raise ValueError("no list of problems")
    of = data["of"]
    if type(of) is not int or not 1 <= of <= MOST_CASES:
        raise ValueError("no number of cases")
    return {
        **found,
        "status": Status(_text(data["status"])).value,
        "seconds": _number(data["seconds"]),
        "of": of,
        "problems": [_problem(problem) for problem in problems],
    }


def _problem(data: Any) -> list[Any]:
    where, message, names, kind = data
    if type(names) is not list:
        raise ValueError("no list of names")
    kind = Status(_text(kind)).value
    return [_text(where), _text(message), [_text(name) for name in names], kind]


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("no text")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
        raise ValueError("no number of seconds")
    return float(value)
