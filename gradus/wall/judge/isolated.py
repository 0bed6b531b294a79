"""A submission behind the wall, as checks see it: the same as one in this process."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from gradus.submission.calls import Access, CallRecord, Observed, StudentFunction, Submission
from gradus.submission.describe import describe_call
from gradus.wall.judge.host import Host
from gradus.wall.judge.sending import Whole


class IsolatedAccess(Access):
    """What the kit knows of a submission whose code runs elsewhere."""

    def __init__(self, host: Host) -> None:
        super().__init__(host.loaded)
        self.host = host

    def renew_if_gpu_is_lost(self) -> None:
        """End a worker that its GPU no longer answers."""
        self.host.renew_if_gpu_is_lost()

    def require(self, name: str) -> None:
        """Ask once whether the submission defines a name.

        Raises:
            StudentError: If it does not.
        """
        if name not in self.host.known:
            if not self.loaded.sha256:  # there is no file: the words are known without a process
                self.find(name)
            self.host.judge().request("exists", name)
            self.host.known.add(name)

    def called(self, operation: str, name: str, args: tuple[Any, ...], kwargs: Any) -> Any:
        """Ask for a call, and note it."""
        record = self.last_call = CallRecord(describe_call(name, args, kwargs))
        judge = self.host.judge()
        judge.record = None
        try:
            return judge.request(operation, name, list(args), kwargs, copies=True)
        finally:
            record.returned = judge.record[1] if judge.record is not None else None

    def probed(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Ask for a probe; the last call is the last one that it made."""
        judge = self.host.judge()
        judge.record = None
        try:
            return judge.request("probe", Whole(function), list(args))
        finally:
            record = judge.record
            self.last_call = None if record is None else CallRecord(*record)


class IsolatedSubmission(Submission):
    """The student's names as attributes, behind the wall."""

    _access: IsolatedAccess

    def __init__(
        self,
        host: Host,
        grader: ModuleType | None = None,
        *,
        on_gpu: bool = False,
        lends: bool = False,
    ) -> None:
        super().__init__(IsolatedAccess(host))
        host.begin(grader, on_gpu=on_gpu, lends=lends)

    def __getattr__(self, name: str) -> "StudentFunction":
        if name.startswith("__"):
            raise AttributeError(name)
        self._access.require(name)
        return IsolatedFunction(self._access, name)

    def probe(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run `function(student, *args)` in the student's process, and return the data that it returns."""
        return self._access.probed(function, args)


class IsolatedFunction(StudentFunction):
    """A function or class of the student's, in another process."""

    def __init__(self, access: IsolatedAccess, name: str) -> None:
        super().__init__(access, name, None)
        self._isolated = access

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the student's function with copies of data, or build the student's class."""
        return self._isolated.called("function", self.__name__, args, kwargs)

    def observe(self, *args: Any, **kwargs: Any) -> Observed:
        """Call with copies of the arguments and tell what became of them."""
        result, left, named, calls = self._isolated.called("observe", self.__name__, args, kwargs)
        return Observed(result, tuple(left), named, tuple(calls))
