"""The student's code as checks see it: the only door to it, so that a wall can be put behind it.

Checks pass tensors, numbers, containers, modules and generators in, and get the like back.
"""

import difflib
import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from gradus.submission.call_log import CallLog
from gradus.submission.copies import copies
from gradus.submission.describe import describe, describe_call
from gradus.submission.loader import Loaded
from gradus.submission.settings import StudentSettings
from gradus.submission.status import Status


class StudentError(BaseException):
    """The student's code cannot be used: a name is missing, or its signature does not take the call.

    No `except Exception` of a check may take it for the exception that the check is there to see.
    """

    def __init__(self, message: str, kind: Status = Status.ERROR) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Observed:
    """A call seen from beside the student's code.

    Attributes:
        result: What was returned.
        args: The positional arguments as the student's code left them (it was given deep copies).
        kwargs: The named arguments, likewise.
        calls: Names of the torch functions that were called, such as `torch.conv2d`.
    """

    result: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    calls: tuple[str, ...]


@dataclass
class CallRecord:
    """The last call of student code in a check, for the failure message."""

    text: str
    returned: str | None = None


class Access:
    """What the kit knows of a submission, apart from the attributes of `Submission`, which are the student's.

    Attributes:
        loaded: The student's module, and what came of loading it.
        last_call: The last call of the student's code in this check.
        lends: Whether models, optimizers and loaders are passed as they are, and not as copies, in this check.
        depth: How many calls of student code are going on in this process, inside one another.
    """

    depth: ClassVar[int] = 0

    def __init__(self, loaded: Loaded, *, lends: bool = False) -> None:
        self.loaded, self.lends = loaded, lends
        self.last_call: CallRecord | None = None
        self.settings = StudentSettings()
        self._signatures: dict[int, tuple[Any, inspect.Signature | None]] = {}

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Around a call of student code: its settings hold."""
        Access.depth += 1
        try:
            with self.settings.in_force():
                yield
        finally:
            Access.depth -= 1

    def renew_if_gpu_is_lost(self) -> None:
        """Nothing here: a process that checks and student's code share cannot be renewed from inside."""

    def signature(self, target: Any) -> inspect.Signature | None:
        """The parameters of a function or class; None where they cannot be told."""
        known = self._signatures.get(id(target))
        if known is None or known[0] is not target:
            try:
                known = target, inspect.signature(target)
            except (TypeError, ValueError):
                known = target, None
            self._signatures[id(target)] = known
        return known[1]

    def find(self, name: str) -> Any:
        """What the student's module has under a name.

        Raises:
            StudentError: If there is nothing; with the problem of loading that explains it.
        """
        found = vars(self.loaded.module).get(name, None)
        if found is not None:
            return found
        for problem in self.loaded.problems:
            if name in problem.names or not self.loaded.names():
                raise StudentError(f"{problem.where}: {problem.message}", problem.kind)
        where = self.loaded.shown
        near = difflib.get_close_matches(name, self.loaded.names(), n=1)
        remedy = (
            f"is `{near[0]}` meant to be it? Give it back its name"
            if near
            else "was it deleted or renamed? It must be there under this name"
        )
        raise StudentError(f"{where} does not define `{name}`; {remedy}.")


class Submission:
    """The names of one student's module as attributes; functions and classes come wrapped."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def __getattr__(self, name: str) -> "StudentFunction":
        if name.startswith("__"):
            raise AttributeError(name)
        return StudentFunction(self._access, name, self._access.find(name))

    def probe(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run `function(student, *args)` beside the student's code and return the data that it returns.

        For what cannot cross a process boundary: aliasing, hooks, identity. `student` has the student's
        names as attributes, and `args` are copies. A probe returns data, never a verdict.
        """
        self._access.last_call = None
        words = copies(args, probe=True, lend=self._access.lends)
        with self._access.entered():
            return function(_Student(self._access), *words)


def access_of(submission: Submission) -> Access:
    """What the kit knows of a submission."""
    return submission._access  # noqa: SLF001  no attribute of a `Submission` may be in a student's way


class _Student:
    """What a probe gets: the student's own objects, with the same words when one is missing.

    Functions note their call for the failure message; arguments and results pass through untouched.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self._access.find(name)
        if not inspect.isfunction(found):
            return found

        @functools.wraps(found)
        def noted(*args: Any, **kwargs: Any) -> Any:
            record = CallRecord(describe_call(name, args, kwargs))
            self._access.last_call = record
            result = found(*args, **kwargs)
            record.returned = describe(result)
            return result

        return noted


class StudentFunction:
    """A function or class of the student's: call it, or `observe` a call."""

    def __init__(self, access: Access, name: str, target: Any) -> None:
        self._access, self._name, self._target = access, name, target
        self.__name__ = name

    def __repr__(self) -> str:
        return f"submission.{self._name}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the student's function, or build the student's class.

        Tensors, arrays and containers are copied on the way in, as they would be on the way into another
        process: what the student's code does to them never reaches the check. Gradients flow back through.
        """
        return self.call_with(*copies((args, kwargs), lend=self._access.lends))

    def call_with(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], text: str | None = None
    ) -> Any:
        """Call with these very arguments, and note the call (as `text`, where that is known)."""
        text = describe_call(self._name, args, kwargs) if text is None else text
        record = CallRecord(text)
        self._access.last_call = record
        self._require_signature(args, kwargs)
        with self._access.entered():
            result = self._target(*args, **kwargs)
        record.returned = describe(result)
        return result

    def observe(self, *args: Any, **kwargs: Any) -> Observed:
        """Call with copies of the arguments and tell what became of them."""
        return self.observe_with(*copies((args, kwargs), lend=self._access.lends))

    def observe_with(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observed:
        """Call with these very arguments, and tell what became of them."""
        with CallLog() as log:
            result = self.call_with(args, kwargs)
        return Observed(result, args, kwargs, tuple(sorted(log.names)))

    def _require_signature(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not callable(self._target):
            raise StudentError(
                f"`{self._name}` is {describe(self._target)}, not a function or class; "
                "was the name given to something else further down?"
            )
        signature = self._access.signature(self._target)
        if signature is None:
            return
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            wanted = describe_call(self._name, args, kwargs)
            names = ", ".join(signature.parameters)
            raise StudentError(
                f"`{self._name}({names})` cannot be called as {wanted}: {error}. "
                "Give it back the parameters that the handout names."
            ) from error
