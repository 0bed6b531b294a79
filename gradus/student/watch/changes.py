"""What has changed in an exercise since it was looked at last: the whole file, or some of its tasks."""

import ast
import json
from collections.abc import Container
from pathlib import Path


def definitions(path: Path) -> dict[str, str] | None:
    """The code of each function and class at a module's or notebook's top level, by name; "" is all else.

    None where the file cannot be read as Python.
    """
    try:
        text = path.read_text(encoding="utf-8")
        sources = _cells(text) if path.suffix == ".ipynb" else [text]
        bodies = [statement for source in sources for statement in ast.parse(source).body]
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, RecursionError):
        return None
    found: dict[str, str] = {"": ""}
    for statement in bodies:
        match statement:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                pass
            case _:
                name = ""
        found[name] = found.get(name, "") + ast.dump(statement)
    return found


def _cells(text: str) -> list[str]:
    cells = json.loads(text)["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    # Lines that a kernel takes for itself are no Python.
    return [
        "\n".join(line for line in source.splitlines() if not line.lstrip().startswith(("%", "!")))
        for source in sources
    ]


def changed_tasks(
    before: dict[str, str] | None, now: dict[str, str] | None, tasks: Container[str]
) -> list[str] | None:
    """The tasks whose own code is another one; None where something else has changed, or nobody knows.

    Empty where nothing has changed but comments and blank lines.
    """
    if before is None or now is None:
        return None
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return names if all(name in tasks for name in names) else None
