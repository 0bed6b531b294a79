"""A student's source as a check's `submission`, in this process and across the wall."""

import collections
import sys
import textwrap
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch

from gradus.submission.calls import Access, Submission
from gradus.submission.loader import load_submission
from gradus.submission.module_calls import copied_for_modules
from gradus.wall.judge.host import Host
from gradus.wall.judge.isolated import IsolatedSubmission
from gradus.wall.judge.source import Source
from gradus.wall.slots import slot_of

IMPORTS = "import collections, math\nimport numpy as np, torch\nfrom torch import nn\n"


@contextmanager
def opened(folder, text, *, isolated, grader, lends=True):
    """The `submission` of a check in file `grader`, made of a student's source; it lends its models."""
    path = folder / "demo.py"
    path.write_text(IMPORTS + textwrap.dedent(text), encoding="utf-8")
    torch.set_num_threads(1)  # as while grading: sums of several threads differ in the last bit
    if not isolated:
        loaded = load_submission(path, "demo", shown="demo.py", keyboard=False)
        assert not loaded.problems
        with copied_for_modules():
            yield Submission(Access(loaded, lends=lends))
        return
    host = Host(slot_of(Path(__file__).parent), Source(path, "demo", "demo.py"))
    try:
        assert not host.loaded.problems
        yield IsolatedSubmission(host, sys.modules[grader], lends=lends)
    finally:
        host.close()


@contextmanager
def loader(folder, *, isolated, grader, lends=True):
    """Makes a `submission` of a student's source; its worker ends with this block."""
    with ExitStack() as stack:
        yield lambda text: stack.enter_context(
            opened(folder, text, isolated=isolated, grader=grader, lends=lends)
        )


def told(value):
    """All that there is to tell of a value, as plain data."""
    kind = type(value).__name__
    if isinstance(value, torch.Tensor) and value.is_sparse:
        return kind, told(value.coalesce().indices()), told(value.coalesce().values()), value.shape
    if isinstance(value, torch.Tensor):
        data = value.detach().resolve_conj().contiguous().flatten().view(torch.uint8).tolist()
        return kind, value.dtype, value.shape, value.stride(), value.requires_grad, data
    if isinstance(value, np.ndarray | np.generic):
        return kind, value.dtype, value.shape, value.flags.f_contiguous, value.tobytes()
    if isinstance(value, dict):
        return kind, [(told(key), told(item)) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return kind, sorted(map(repr, value))
    if isinstance(value, list | tuple | collections.deque):
        return kind, getattr(value, "_fields", None), [told(item) for item in value]
    return kind, repr(value)
