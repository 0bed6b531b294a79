"""The judge keeps its patience, its memory and its secrets, whatever a worker does."""

import contextlib
import socket
import threading
import time

import pytest
import torch

from gradus.submission.exits import ProcessLost
from gradus.wall.judge.host import Host
from gradus.wall.judge.judge import MOST_OUTPUT, Judge
from gradus.wall.wire.channel import Channel
from gradus.wall.wire.shared import Shared
from tests.attacks import wire_targets as targets
from tests.attacks.attacked_kit import WRONG, write_attacked_kit
from tests.attacks.forging import grade_text
from tests.attacks.forging_wire import TOOLS
from tests.both_sides import opened


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The kit that is attacked; its sandbox stays warm from one test to the next."""
    return write_attacked_kit(tmp_path_factory.mktemp("attacked") / "kit")


@pytest.fixture
def isolated(tmp_path):
    """Opens a student's source behind the wall."""
    with contextlib.ExitStack() as stack:
        yield lambda text: stack.enter_context(
            opened(tmp_path, text, isolated=True, grader=__name__)
        )


NUMBERS = """
class Number:
    def __init__(self, value): self.value = value
    def __sub__(self, other): return Number(self.value - getattr(other, "value", other))
    __rsub__ = __sub__
    def __matmul__(self, x): return self.value * x
class Liar:
    def __sub__(self, other): return 0.0
    __rsub__ = __add__ = __radd__ = __truediv__ = __rtruediv__ = __mod__ = __pow__ = __sub__
    def __mul__(self, other): return other * 0
"""


def test_arithmetic_of_objects_gives_objects(isolated):
    submission = isolated(NUMBERS)
    two, three = submission.Number(2.0), submission.Number(3.0)
    assert (three - two).value == 1.0
    for ask in (lambda: three - 2.0, lambda: 2.0 - three, lambda: two @ torch.ones(3)):
        with pytest.raises(TypeError, match="unsupported operand"):
            ask()  # what a check expects does not go to the submission


@pytest.mark.parametrize(
    "compare",
    [
        lambda got: abs(got - 3.5),
        lambda got: abs(3.5 - got),
        lambda got: got + -3.5,
        lambda got: -3.5 + got,
        lambda got: got / 3.5 - 1,
        lambda got: got % 3.5,
        lambda got: (torch.ones(3) - got).abs().max(),
    ],
)
def test_a_difference_to_the_expected_value_is_no_data_of_the_students(isolated, compare):
    liar = isolated(NUMBERS).Liar()
    with pytest.raises(TypeError, match=r"gave data|unsupported"):
        compare(liar)


def test_a_model_of_more_tensors_than_are_kept_alive_arrives_whole(isolated):
    submission = isolated(
        """
        class Wide(nn.Module):
            def __init__(self):
                super().__init__()
                self.parts = nn.ParameterList([torch.full((2,), float(i)) for i in range(400)])
        """
    )
    parts = list(submission.Wide().parameters())
    assert [int(part[0]) for part in parts] == list(range(400))


def test_a_timeout_error_of_the_students_is_no_lost_process(isolated):
    submission = isolated(
        "def slow():\n    raise TimeoutError('the server is slow')\ndef quick(): return 1"
    )
    with pytest.raises(TimeoutError, match="the server is slow") as caught:
        submission.slow()
    assert caught.value.raised_elsewhere.frames[-1].function == "slow"
    assert submission.quick() == 1


NESTED = """
import time
from gradus.wall.wire.handles import Values
asked = [0]
def weight(x): return x * 2
def nest(f, most):
    worker = find()
    y = f(torch.ones(2, requires_grad=True))
    def do_pull(*words):
        asked[0] += 1
        if asked[0] > most:
            return [[None if not want else torch.ones(2) for want in words[2]], None]
        return worker.request("pull", 1, [Values(torch.ones(()))], [True], True, False, True)
    worker.do_pull = do_pull
    y.backward(retain_graph=True)
    return asked[0]
"""


@pytest.mark.timeout(60)
def test_backward_passes_inside_one_another_are_few(isolated):
    """Beyond 60 torch goes on in another thread, and no signal ends the wait for it."""
    submission = isolated(TOOLS + NESTED)
    weight = submission.weight(torch.ones(2, requires_grad=True))
    with pytest.raises(ProcessLost, match="questions inside one another"):
        submission.nest(lambda x: (x * weight).sum(), 200)


def test_output_without_end_is_cut(isolated, capsys):
    submission = isolated("def chat():\n    print('x' * 9000)\n    return 1")
    for _ in range(200):
        submission.chat()
    assert len(capsys.readouterr().out) == MOST_OUTPUT


@contextlib.contextmanager
def trickling():
    """A judge whose worker announces a large message, and sends it byte by byte."""
    ours, theirs = socket.socketpair()
    over = threading.Event()

    def trickle():
        with contextlib.suppress(OSError):
            theirs.sendall(targets.FRAME.pack(0, 1_000_000, 0))
            while not over.wait(0.005):
                theirs.sendall(b" ")

    thread = threading.Thread(target=trickle)
    thread.start()
    with ours, theirs:
        yield Judge(Channel(ours, judge=True), interrupt=lambda: None, ended=lambda error: "ended")
        over.set()
        thread.join()


def test_a_stopped_worker_that_trickles_is_left(monkeypatch):
    monkeypatch.setattr("gradus.wall.judge.judge.FAREWELL_SECONDS", 0.2)
    with trickling() as judge:
        error = KeyboardInterrupt()
        judge._stopped(error)
        assert error.raised_elsewhere.frames == ()
        assert judge.lost


def test_a_deadline_holds_against_a_trickle():
    with trickling() as judge:
        judge.channel.deadline = time.monotonic() + 0.2
        with pytest.raises(TimeoutError):
            judge.channel.receive(None)


def test_mirrors_without_a_use_are_few_and_small(monkeypatch):
    monkeypatch.setattr("gradus.wall.wire.shared.RECENT_BYTES", 10_000)
    shared = Shared(0, strong=False)
    for number in range(100):
        shared.add(torch.zeros(1000), number)
    assert len(shared.dead) == 98
    shared.let_go()
    assert len(shared.dead) == 100


def test_a_file_that_ends_each_process_is_not_loaded_anew_for_each_check(course, monkeypatch):
    starts = []
    real = Host._start
    monkeypatch.setattr(Host, "_start", lambda self: starts.append(1) or real(self))
    text = WRONG + TOOLS + "\nwhile True:\n    told([])\n"
    earned, result = grade_text(course, text, ("matched", "counted", "kept"), "--isolated")
    assert set(earned.values()) == {0}
    assert len(starts) == 1
    assert "no answer" in result.problems[0].message


def test_no_time_without_end_is_spent_on_loading(course, monkeypatch):
    monkeypatch.setattr("gradus.wall.judge.host.LOAD_SECONDS", 1.5)
    text = WRONG + TOOLS + (
        "\nimport signal\nsignal.setitimer(signal.ITIMER_REAL, 0)\n"
        "while True:\n    say({'kind': 'loading', 'value': 'x', 'more': more()})\n    time.sleep(0.01)\n"
    )  # fmt: skip
    earned, _ = grade_text(course, text, ("matched", "counted"), "--isolated")
    assert set(earned.values()) == {0}


def test_a_hidden_graders_lines_are_not_told_to_one_who_claims_its_file(course):
    grader = course.root / "graders" / "test_demo.py"
    claim = f"\nanswer([[], ['matched', 'counted'], [{str(grader)!r}]])\n"
    text = WRONG + TOOLS + "\ndef counted(x):\n    return lambda: 0\n" + claim
    _, result = grade_text(course, text, ("counted", "measured"), "--isolated")
    messages = " ".join(case.message for check in result.checks() for case in check.cases)
    assert messages
    assert "test_demo.py:" not in messages
    assert "assert abs" not in messages


def test_a_submission_that_is_given_up_is_told_where_it_fails(course):
    _, result = grade_text(course, WRONG + TOOLS + "\nanswer(7)\n", ("matched",), "--isolated")
    messages = {case.message for check in result.checks() for case in check.cases}
    assert all("sent something that is no answer" in message for message in messages)


def test_shared_memory_that_is_written_to_afterwards_changes_nothing(isolated):
    submission = isolated(
        TOOLS
        + """
        import threading
        def rewrite(memory):
            for _ in range(50):
                time.sleep(0.002)
                memory[:] = bytes([7]) * len(memory)
        def large():
            worker = find()
            send = worker.channel.send
            def then(*words):
                send(*words)
                threading.Thread(target=rewrite, args=(worker.channel._mine,), daemon=True).start()
            worker.channel.send = then
            return torch.zeros(200_000)
        """.replace("\n        ", "\n")
    )
    got = submission.large()
    before = got.clone()  # whatever the memory held when it was copied
    for _ in range(20):
        assert torch.equal(got, before)
        time.sleep(0.005)
