"""A fuzzer that follows the code, over all that reads a worker's bytes. By hand, for as long as one likes:

python tests/attacks/fuzz_wire.py -runs=20000
"""

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch  # noqa: F401  before what is followed: torch itself is not

with atheris.instrument_imports(include=["gradus.wall"]):
    from tests.attacks import wire_targets

from tests.attacks.wire_samples import sample_heads

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as corpus:
        for number, (head, body) in enumerate(sample_heads()):
            Path(corpus, str(number)).write_bytes(head + b"\0" + body)
            Path(corpus, f"{number}f").write_bytes(wire_targets.framed(head, body))
        findings = f"-artifact_prefix={tempfile.gettempdir()}/"
        atheris.Setup([sys.argv[0], findings, *sys.argv[1:], corpus], wire_targets.all_targets)
        atheris.Fuzz()
