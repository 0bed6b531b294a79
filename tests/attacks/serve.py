"""A worker for attacks: it is asked for one by name, and answers what came of it; also without a sandbox."""

import importlib
import json
import socket
import sys
from pathlib import Path


def serve(fd):
    """Answer each line {"attack": name, "scene": {...}} with {"evidence": ...} or {"error": ...}."""
    with socket.socket(fileno=fd) as channel, channel.makefile("rw", encoding="utf-8") as lines:
        for line in lines:
            request = json.loads(line)
            lines.write(json.dumps(answer(request["attack"], request["scene"])) + "\n")
            lines.flush()


def answer(name, scene):
    """Run one attack: evidence is truthy where it got through."""
    sys.path.insert(0, str(Path(__file__).parent))
    attacks = {}
    for module in ("machine", "machine_files", "machine_memory", "machine_kernel"):
        attacks |= vars(importlib.import_module(module))
    try:
        return {"evidence": repr(attacks[name](scene) or "")}
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


if __name__ == "__main__":
    serve(int(sys.argv[1]))
