"""Cheats that take the worker's place: what goes over the wire is theirs to choose."""

import textwrap

from tests.attacks.forging import ON_THE_WIRE, Cheat

# `raw` sends bytes as they are; `say` a frame of a head; `answer` gives a head for the worker's own answer.
TOOLS = """
import array, json, os, socket, struct, sys, time

def find():
    frame = sys._getframe()
    while type(frame.f_locals.get("self")).__name__ != "Worker":
        frame = frame.f_back
    return frame.f_locals["self"]

def raw(data, *descriptors):
    try:
        if descriptors:
            socket.send_fds(find().channel._sock, [data], list(descriptors))
        else:
            find().channel._sock.sendall(data)
    except OSError:
        os._exit(1)

def frame(head, body=b"", kind=0, head_size=None, size=None):
    head = head if isinstance(head, bytes) else json.dumps(head).encode()
    numbers = len(head) if head_size is None else head_size, len(body) if size is None else size
    return struct.pack("<BIQ", kind, *numbers) + head + body

def say(head, body=b"", **sizes):
    raw(frame(head, body, **sizes))

def more(**words):
    words.setdefault("grad", True)
    return {"$": "dict", "v": [[name, value] for name, value in words.items()]}

def told(value, body=b"", **words):
    words.setdefault("more", more())
    say({"kind": "told", "value": value, **words}, body)

def ask(words):
    say({"kind": "ask", "value": words, "more": more()})

def quiet():
    worker = find()
    def silent(*args):
        del worker._send
    worker._send = silent

def answer(value, body=b"", **words):
    told(value, body, **words)
    quiet()

def tensor(**words):
    return {"$": "tensor", "d": "float32", "s": [4], "b": 0, **words}

def mine(**words):
    return {"$": "mine", "n": 7, "type": "Tensor", "module": "torch", "known": None, "can": [], **words}

def mapping(**words):
    return {"$": "dict", "v": [[name, value] for name, value in words.items()]}

ZEROS = bytes(16)
"""

# What stands here is run in place of each answer.
_ANSWERS = {
    "bytes that are no frame": r'raw(b"\xff" * 4096)',
    "half a frame, then the end": 'raw(frame(b"{}", head_size=1000)); os.kill(os.getpid(), 9)',
    "half a frame, then a closed socket": """
        raw(frame(b"{}", head_size=1000))
        find().channel._sock.shutdown(socket.SHUT_RDWR)""",
    "lies of an object in place of a tensor": """
        class Liar:
            __sub__ = __rsub__ = __add__ = lambda self, other: torch.zeros(())
            __truediv__ = lambda self, other: 1.0
        return Liar()""",
    "shared tensors of the judge's": """
        answer([{"$": "shared", "n": n} for n in range(4)])""",
    "an answer that never ends": """
        from collections.abc import Iterator
        for _ in range(50):
            raw(frame({"kind": "loading", "value": "x" * 100, "more": more(out="spam" * 1000)}))""",
    "a head of 4 GB": 'raw(frame(b"{}", head_size=2**32 - 1))',
    "a body of 10**18 bytes": 'raw(frame({"kind": "told", "value": 1}, size=10**18))',
    "a large body beside the shared memory": "told(tensor(s=[100_000]), bytes(400_000))",
    "a body in shared memory that there is not": 'raw(frame({"kind": "told", "value": 1}, kind=1, size=16))',
    "shared memory of 10**18 bytes is wanted": 'raw(frame(b"", kind=2, size=10**18))',
    "shared memory of no bytes is wanted": 'raw(frame(b"", kind=2, size=0))',
    "shared memory is wanted over and over": 'raw(frame(b"", kind=2, size=4096) * 1000)',
    "a frame of an unknown kind": 'raw(frame({"kind": "told", "value": 1}, kind=77))',
    "descriptors come along": """
        memory = os.memfd_create("mine")
        os.ftruncate(memory, 1 << 20)
        raw(frame({"kind": "told", "value": tensor(), "more": more()}, kind=1, size=16), *[memory] * 200)""",
    "a head that is no JSON": 'say(b"{" * 100)',
    "a head that is nested 100,000 deep": 'say(b"[" * 100_000 + b"]" * 100_000)',
    "a head that is a number": "say(7)",
    "a head without a value": 'say({"kind": "told"})',
    "a value nested 1,000 deep": 'say(b\'{"kind":"told","value":\' + b"[" * 1000 + b"]" * 1000 + b"}")',
    "a kind of message that there is not": 'say({"kind": "passed", "value": True})',
    "a kind of message that is a list": 'say({"kind": [], "value": True})',
    "a tensor of 10**18 elements": "answer(tensor(s=[10**9, 10**9]))",
    "a tensor of sizes beyond all numbers": "answer(tensor(s=[10**30]))",
    "a tensor of negative size": "answer(tensor(s=[-4]), ZEROS)",
    "a tensor of an unknown dtype": 'answer(tensor(d="object"), ZEROS)',
    "a tensor expanded to 10**18 elements": "answer(tensor(s=[1], x=[10**18]), ZEROS)",
    "a tensor with strides of 10**18": "answer(tensor(s=[2, 2], t=[10**18, 1]), ZEROS)",
    "a tensor beyond the body": "answer(tensor(b=2**62), ZEROS)",
    "a tensor without values": 'answer(tensor(at="meta"), ZEROS)',
    "a tensor on a device that there is not": 'answer(tensor(at="hpu:7"), ZEROS)',
    "a tensor that another type claims to be": 'answer(tensor(**{"as": "Tensor"}), ZEROS)',
    "an array of Python objects": 'answer({"$": "array", "d": "O8", "s": [2], "b": 0}, ZEROS)',
    "a named tuple of torch's that is a function": """
        name = "torch.return_types.pytree_register_structseq"
        answer({"$": "named", "type": name, "v": [1], "fields": []})""",
    "an object that claims to be a number": 'answer(mine(known="builtins.int", can=["call"]))',
    "an object that claims to be a module": 'answer(mine(known="torch.nn.Linear", can=["call"]))',
    "an object that compares": 'answer(mine(can=["eq", "bool", "float", "index", "torch_function"]))',
    "an object named like a tensor": 'answer(mine(can=["len", "sub", "rsub", "abs", "iter", "getitem"]))',
    "an object whose abilities are no list": "answer(mine(can=7, type=[], module={}))",
    "an object of a name beyond text": r'answer(mine(type="\ud800", module="\x00"))',
    "the judge's own objects": """
        answer([{"$": "yours", "n": 1}])""",
    "shared tensors that there are not": 'answer({"$": "shared", "n": 12345})',
    "a text of 7 MB": 'answer("9" * 7_000_000)',
    "a text beyond the limits": "raw(frame(b'\"' + b\"9\" * 9_000_000 + b'\"'))",
    "a number of 10**5 digits": 'answer({"$": "int", "v": "f" * 100_000})',
    "a text of half characters": r'answer("\ud800" * 10, more=more(out="\ud800", record=["\udfff", "\ud800"]))',
    "a graph that is none": "answer({'$': 'output', 'n': 0}, ZEROS, graph=7, outputs=[tensor()])",
    "a graph of integers": "answer({'$': 'output', 'n': 0}, ZEROS, graph=[1, []], outputs=[tensor(d='int32')])",
    "a graph whose number is an object": """
        answer({'$': 'output', 'n': 0}, ZEROS, graph=[mine(), [mine()]], outputs=[tensor()])""",
    "a result that the graph has not": """
        answer({'$': 'output', 'n': 5}, ZEROS, graph=[1, []], outputs=[tensor()])""",
    "gradients that nobody asked for": "answer(tensor(), ZEROS, gradients=[7] * 50)",
    "gradients of another shape": "answer(tensor(s=[1]), ZEROS, gradients=[tensor(s=[2])])",
    "new tensors that are none": "answer(1, new=7)",
    "new tensors without a word": 'answer(1, new=[{"n": 1}])',
    "new tensors that cannot learn": """
        answer(1, ZEROS, new=[{"n": 9, "p": True, "g": True, "v": tensor(d="int32"), "d": None}])""",
    "new tensors with another's gradient": """
        answer(1, bytes(64), new=[{"n": 9, "p": False, "g": True, "v": tensor(), "d": tensor(s=[2])}])""",
    "new tensors under a number beyond all": """
        answer(1, ZEROS, new=[{"n": 2**80, "p": False, "g": False, "v": tensor(), "d": None}])""",
    "changes that are none": "answer(1, more=more(changes=7))",
    "changes of objects": "answer(1, more=more(changes=[mine()]))",
    "states that are none": "answer(1, more=more(states=[[1, 2, 3]]))",
    "states that are a number": "answer(1, more=more(states=7))",
    "parameters that are none": "answer(1, more=more(parameters=7))",
    "parameters that are numbers": 'answer(1, more=more(parameters=[[1, "weight", 2.0], [1, 2, None]]))',
    "modules that are none": "answer(1, more=more(modules=7))",
    "modules of themselves": """
        answer(1, more=more(modules=[[["", 1, True, mine(known="torch.nn.Module"), [["p", 3, 4]]]]]))""",
    "more that is no mapping": "answer(1, more=[1, 2, 3])",
    "more that is an object": 'answer(1, more=mine(can=["contains", "getitem", "iter"]))',
    "random numbers of another length": 'answer(1, ZEROS, more=more(random=tensor(d="uint8", s=[16])))',
    "random numbers that are a text": 'answer(1, more=more(random="seed"))',
    "a call record that is none": "answer(1, more=more(record=7))",
    "whole objects": 'answer(1, objects=[[1], {"$": "bytes", "b": 0, "n": 16}, []])',
    "an exception that is none": 'say({"kind": "raised", "value": "ValueError: negative", "more": more()})',
    "an exception that passed": """
        say({"kind": "raised", "more": more(), "value": mapping(type="StudentError", module="gradus",
            known=[], message="", kind="passed", text="", frames=[], number=1, back=None)}); quiet()""",
    "an exception of pytest's": """
        say({"kind": "raised", "more": more(), "value": mapping(type="Skipped", message="", kind=None,
            module="_pytest.outcomes", known=["BaseException"], text="", frames=[], number=1, back=None)})
        quiet()""",
    "an exception whose parts are tensors": """
        say({"kind": "raised", "more": more(), "value": mapping(type="ValueError", module="builtins",
            known=["TypeError"], message="", kind=None, text="", number=tensor(), back=tensor(),
            frames=[["a", tensor(), "b", "c"]])}, bytes(64)); quiet()""",
    "a request for a function that was not given": 'ask(["callback", {"$": "yours", "n": 999}, [], mapping()])',
    "a request for a call of another type": 'ask(["callback", 7, 7, 7])',
    "a request for what judges do": 'ask(["begin"])',
    "a request for gradients of nothing": """
        ask(["pull", 1, [], [], True, True])""",
    "a request without words": "ask([])",
}


_ASIDE = "matched", "counted"


def answers_of(texts: dict[str, str]) -> list[Cheat]:
    """A cheat for each of these texts, which run in place of an answer."""
    return [
        Cheat(
            name,
            f"{TOOLS}\ndef attack(*given):\n{textwrap.indent(textwrap.dedent(text), '    ')}\n"
            "    return torch.zeros(4)\n\n\n"
            "matched = compared = counted = attack\n",
            _ASIDE,
            wins=ON_THE_WIRE,
        )
        for name, text in texts.items()
    ]


WIRE = answers_of(_ANSWERS)

# What runs while the file is loaded, or when the judge announces a check: no time limit of a check runs there.
_EXCEPTION = """
def raise_here():
    say({"kind": "raised", "more": more(), "value": mapping(type="ValueError", module="builtins",
        known=["ValueError"], message="", kind=None, text="", frames=[], number=1, back=None)})
    quiet()
raise_here()"""
_LOADS = {
    "loading ends in an exception": _EXCEPTION,
    "loading ends in an exit": _EXCEPTION.replace('["ValueError"]', "[]"),
    "loading is answered with nonsense": "answer([[[1, 2, 3, 4]], 7, tensor()], bytes(16))",
    "loading is answered with half characters": r"""
        answer([[["\ud800", "\udfff" * 10_000, [], "error"]], [], []])""",
    "loading is answered with objects": """
        answer([mine(can=["iter"]), mine(n=8, can=["iter"]), mine(n=9)])""",
    "loading is answered twice": "told([[], [], []]); told([[], [], []])",
}
_BEGINS = {
    "a check's begin ends in an exception": "1 / 0",
    "a check's begin ends in an exit": "os._exit(0)",
    "a check's begin is killed": "os.kill(os.getpid(), 9)",
    "a check's begin never ends": "time.sleep(1000)",
    "a check's begin trickles": """
        raw(frame(b"", head_size=1_000_000))
        while True:
            raw(b" ")
            time.sleep(0.01)""",
}

WIRE += [
    Cheat(
        name,
        f"{TOOLS}\n{textwrap.dedent(text)}\n",
        _ASIDE,
        wins=ON_THE_WIRE,
        costs_honest="the file does not load" if "answered" in name and "half" not in name else "",
    )
    for name, text in _LOADS.items()
]
WIRE += [
    Cheat(
        name,
        f"{TOOLS}\ndef begin(*words):\n"
        f"{textwrap.indent(textwrap.dedent(text), '    ')}\n\nfind().begin = begin\n",
        _ASIDE,
        wins=ON_THE_WIRE,
    )
    for name, text in _BEGINS.items()
]
