"""A submission behind the wall, as checks see it: the same as one in this process."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from gradus.isolation.host import Host
from gradus.isolation.sending import Whole
from gradus.submission.calls import CallRecord, Observed, StudentFunction, Submission
from gradus.submission.describe import describe_call


class IsolatedSubmission(Submission):
    """The student's names as attributes, behind the wall."""

    def __init__(
        self, host: Host, grader: ModuleType | None = None, *, on_gpu: bool = False
    ) -> None:
        super().__init__(host.loaded)
        self._host = host
        host.begin(grader, on_gpu=on_gpu)

    def __getattr__(self, name: str) -> "StudentFunction":
        if name.startswith("__"):
            raise AttributeError(name)
        known = self._host.known
        if name not in known:
            self._ask("exists", name)
            known.add(name)
        return IsolatedFunction(self, name)

    def probe(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run `function(student, *args)` in the student's process, and return the data that it returns."""
        judge = self._host.judge()
        judge.record = None
        try:
            return self._ask("probe", Whole(function), list(args))
        finally:
            record = judge.record
            self._last_call = None if record is None else CallRecord(*record)

    def _renew_if_gpu_is_lost(self) -> None:
        self._host.renew_if_gpu_is_lost()

    def _ask(self, operation: str, *words: Any, copies: bool = False) -> Any:
        if not self._loaded.sha256:  # there is no file: the words are known without a process
            return self._find(str(words[0]))
        return self._host.judge().request(operation, *words, copies=copies)


class IsolatedFunction(StudentFunction):
    """A function or class of the student's, in another process."""

    def __init__(self, submission: IsolatedSubmission, name: str) -> None:
        super().__init__(submission, name, None)
        self._isolated = submission

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the student's function with copies of data, or build the student's class."""
        return self._noted("function", args, kwargs)

    def observe(self, *args: Any, **kwargs: Any) -> Observed:
        """Call with copies of the arguments and tell what became of them."""
        result, left, named, calls = self._noted("observe", args, kwargs)
        return Observed(result, tuple(left), named, tuple(calls))

    def _noted(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        record = CallRecord(describe_call(self.__name__, args, kwargs))
        self._isolated._last_call = record
        judge = self._isolated._host.judge()
        judge.record = None
        try:
            return self._isolated._ask(operation, self.__name__, list(args), kwargs, copies=True)
        finally:
            record.returned = judge.record[1] if judge.record is not None else None
