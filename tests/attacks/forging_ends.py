"""Cheats that act when nobody looks, or end what looks: exit handlers, threads, exits, exceptions, time."""

from tests.attacks.forging import NOWHERE, Cheat

ENDS = [
    Cheat(
        "an exit handler rewrites the report",
        """
import atexit, os, pathlib
def rewrite():
    path = pathlib.Path("report.json")
    text = path.read_text()
    path.write_text(text.replace('"failed"', '"passed"').replace('"error"', '"passed"'))
atexit.register(rewrite)
""",
    ),
    Cheat(
        "a thread rewrites the report later",
        """
import atexit, pathlib, threading, time
def rewrite():
    path = pathlib.Path("report.json")
    for _ in range(500):
        if path.exists() and path.stat().st_size:
            break
        time.sleep(0.01)
    time.sleep(0.05)
    text = path.read_text()
    path.write_text(text.replace('"failed"', '"passed"').replace('"error"', '"passed"'))
thread = threading.Thread(target=rewrite, daemon=True)
thread.start()
atexit.register(thread.join)
""",
    ),
    Cheat(
        "an object's end rewrites the report",
        """
import pathlib, gc
class Last:
    def __del__(self, path=pathlib.Path("report.json"), gone=[]):
        if path.exists():
            text = path.read_text()
            path.write_text(text.replace('"failed"', '"passed"').replace('"error"', '"passed"'))
import atexit
atexit.register(lambda last=Last(): None)
atexit.register(lambda: Last())
""",
    ),
    Cheat(
        "a child process rewrites the report after the end",
        """
import atexit, os, subprocess, sys
subprocess.Popen([sys.executable, "-c", '''
import pathlib, time
path = pathlib.Path("report.json")
for _ in range(1000):
    time.sleep(0.01)
    if path.exists() and path.stat().st_size:
        break
time.sleep(0.1)
text = path.read_text()
path.write_text(text.replace('"failed"', '"passed"').replace('"error"', '"passed"'))
'''])
import time
atexit.register(time.sleep, 1.5)
""",
    ),
    Cheat(
        "os._exit after a report of its own",
        """
import gc, os, pathlib, signal
import gradus.grading.results as results
def honest(x):
    return 2 * x
real = results.Results.write
def write(self, *words, **named):
    real(self, *words, **named)
    path = pathlib.Path("report.json")
    text = path.read_text()
    path.write_text(text.replace('"failed"', '"passed"').replace('"error"', '"passed"'))
    os.kill(os.getpid(), signal.SIGKILL)
results.Results.write = write
""",
    ),
    Cheat(
        "os._exit, with status 0",
        """
import os
def matched(x): os._exit(0)
def compared(x): os.kill(os.getpid(), 9)
def counted(x): raise SystemExit(0)
def refused(x): os.abort()
""",
        ("matched", "counted", "refused"),
        wins=NOWHERE,
    ),
    Cheat(
        "the process is killed in each call",
        """
import os, signal
def matched(x): os.kill(os.getpid(), signal.SIGKILL)
compared = counted = refused = matched
""",
        ("matched", "compared", "counted", "refused"),
        wins=NOWHERE,
    ),
    Cheat(
        "pytest is told to skip, to fail as expected, and to end",
        """
import pytest
def matched(x): pytest.skip("never mind")
def compared(x): pytest.xfail("as expected")
def counted(x): pytest.exit("done", returncode=0)
def refused(x): pytest.fail("negative")
""",
        ("matched", "compared", "counted", "refused"),
        wins=NOWHERE,
    ),
    Cheat(
        "exceptions of gradus claim that all is well",
        """
from gradus.errors import GraderError
from gradus.checks.outcomes import Mismatch
from gradus.submission.calls import StudentError
from gradus.submission.exits import ProcessLost, SubmissionExit
from gradus.submission.status import Status
def matched(x): raise StudentError("passed", Status.PASSED)
def compared(x): raise ProcessLost("passed")
def counted(x): raise GraderError("this check is broken")
def refused(x): raise SubmissionExit("negative")
def kept(x): raise Mismatch("passed", "passed")
def called(step, x): raise StudentError("not run", Status.NOT_RUN)
""",
        ("matched", "compared", "counted", "refused", "kept", "called"),
        wins=NOWHERE,
    ),
    Cheat(
        "the time limit is taken away and time stands still",
        """
import faulthandler, signal, time
import pytest_timeout
signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, signal.SIG_IGN)
faulthandler.cancel_dump_traceback_later()
pytest_timeout.timeout_setup = lambda item: None
time.time = time.monotonic = time.perf_counter = lambda: 0.0
def matched(x):
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 30))
    while True:
        pass
""",
        ("matched",),
        wins=NOWHERE,
    ),
]
