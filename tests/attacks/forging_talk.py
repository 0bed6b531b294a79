"""Cheats that know the protocol: well-formed words out of place, and words that are read in two ways."""

import textwrap

from tests.attacks.forging import ON_THE_WIRE, Cheat
from tests.attacks.forging_wire import TOOLS, answers_of

# What stands here is run in place of each answer.
_ANSWERS = {
    "keys that come twice": r"""
        raw(frame(b'{"kind":"raised","value":[],"kind":"told","value":7,"value":true,"more":{"$":"dict","v":[]}}')
            )
        quiet()""",
    "sizes that are NaN": 'answer(tensor(s=[float("nan")]), ZEROS)',
    "sizes that are floats": "answer(tensor(s=[4.0]), ZEROS)",
    "sizes that are truth values": "answer(tensor(s=[True, True, True]), ZEROS)",
    "places that are infinite": 'answer({"$": "bytes", "b": float("inf"), "n": 1}, ZEROS)',
    "a head in UTF-16": """
        say(json.dumps({"kind": "told", "value": 1, "more": more()}).encode("utf-16")); quiet()""",
    "a head in UTF-32 with a mark": 'say(json.dumps({"kind": "told", "value": 1}).encode("utf-32")); quiet()',
    "a head that is no UTF-8": r"""say(b'{"kind":"told","value":"\xff\xfe\xc0\x80"}'); quiet()""",
    "names of half characters": r"""
        answer({"$": "named", "type": "a.\ud800", "fields": ["\udfff"], "v": [1]})""",
    "named tuples with fields of Python's own": """
        answer({"$": "named", "type": "a.T", "fields": ["__eq__", "_replace", "class"], "v": [1, 2, 3]})""",
    "named tuples of thousands of classes": """
        answer([{"$": "named", "type": f"a.T{i}", "fields": ["a"], "v": [1]} for i in range(5000)])""",
    "sets of sets of the same hash": """
        def nest(level, i):
            if not level:
                return (i + 4) * (2**61 - 1)
            return {"$": "frozenset", "v": [nest(level - 1, 3), nest(level - 1, i)]}
        answer({"$": "set", "v": [nest(9, i) for i in range(9)]})""",
    "dicts whose keys are objects": """
        answer({"$": "dict", "v": [[mine(n=i), i] for i in range(3)] + [[tensor(), 1]]}, bytes(64))""",
    "a second answer for the next question": """
        told(tensor(), ZEROS); told(tensor(), ZEROS); quiet()""",
    "a word that the next check has begun": """
        told(tensor(), ZEROS); say({"kind": "begun", "value": None}); quiet()""",
    "words of loading after the load": """
        say({"kind": "loading", "value": "test_matched passed", "more": more()})
        say({"kind": "loading", "value": ["a", "list"], "more": more()}); answer(1)""",
    "a call record that forges the message": r"""
        answer(1, more=more(record=["matched(x)\n  expected 1\n  got 1\n\n"
            + "\x1b[2J\x1b[32mPASSED\n" * 9_999, "1"]))""",
    "output that forges the summary": r"""
        answer(1, more=more(out="\x1b[2J\r\n===== 1 passed in 0.01s =====\n::error::x\n",
            err="\0\x08" * 9_000))""",
    "output that is no text": "answer(1, more=more(out=7, err=tensor()))",
    "states of everything that has a number": """
        answer(1, more=more(states=[[n, state] for n in range(99) for state in ([True], [], "x",
            mapping(a=1))]))""",
    "a state of random numbers for a function": """
        answer(1, bytes(5056), more=more(states=[[1, tensor(d="uint8", s=[5056])]]))""",
    "parameters in the place of everything that has a number": """
        new = {"n": 91, "p": True, "g": True, "v": tensor(), "d": None}
        answer(1, bytes(64), new=[new], more=more(parameters=[[n, name, {"$": "shared", "n": 91}]
            for n in range(99) for name in ("weight", "0.weight", "", "x.y", "__class__")]))""",
    "a parameter that is the judge's own": """
        answer(1, ZEROS, more=more(parameters=[[n, "weight", {"$": "shared", "n": 0}]
            for n in range(99)]))""",
    "everything of the judge's is dead": """
        told(1, more=more(dead=[list(range(-9, 999))] * 3)); quiet()""",
    "the dead are no numbers": 'answer(1, more=more(dead=[["x", 1.5, tensor(), None], [[]], [mapping(a=1)]]))',
    "changes of every tensor of the judge's": """
        answer(1, bytes(64), more=more(changes=[mapping(number=n, value=tensor(),
            grad=tensor()) for n in range(99)]))""",
    "changes of tensors by truth values": """
        answer(1, bytes(64), more=more(changes=[mapping(number=True, requires_grad="yes"),
            mapping(number=1.0)]))""",
    "new tensors under the judge's numbers": """
        answer(1, ZEROS, new=[{"n": 2 * n, "p": False, "g": False, "v": tensor(s=[0]),
            "d": None} for n in range(99)])""",
    "one number for two new tensors": """
        new = {"n": 9, "p": True, "g": True, "v": tensor(s=[0]), "d": None}
        answer(1, new=[new, new])""",
    "a new tensor that is expanded, sparse, meta": """
        new = lambda n, v: {"n": n, "p": True, "g": True, "v": v, "d": None}
        parts = [tensor(d="int64", s=[1, 1]), tensor(s=[1])]
        sparse = {"$": "sparse", "v": parts, "s": [1 << 20]}
        answer(1, bytes(64), new=[new(91, tensor(s=[1], x=[1 << 20])), new(93, sparse), new(95,
            tensor(at="meta"))])""",
    "a graph whose number is true": """
        answer({'$': 'output', 'n': 0}, ZEROS, graph=[True, []], outputs=[tensor()])""",
    "results of the graph below zero": """
        answer({'$': 'output', 'n': -1}, ZEROS, graph=[1, []], outputs=[tensor()])""",
    "a graph of whole numbers": """
        answer({'$': 'output', 'n': 0}, ZEROS, graph=[1, []], outputs=[tensor(d='int32')])""",
    "a graph of every leaf that there is": """
        answer({"$": "output", "n": 0}, ZEROS, graph=[1, list(range(20_000))], outputs=[tensor()])""",
    "an input that comes back as one": 'answer({"$": "input", "v": tensor()}, ZEROS)',
    "a request with a graph": """
        say({"kind": "ask", "value": ["advance", 1], "more": more(), "graph": [1, []],
            "outputs": [tensor()]}, ZEROS)""",
    "requests by the names of methods": """
        for name in ("__class__", "_send", "loses", "begin", "require_lent", "serve"):
            ask([name, 1])""",
    "a request that is an exception": 'ask(["callback", mapping(a=1), mapping(b=2), []])',
    "calls with names that are no texts": """
        ask(["callback", {"$": "yours", "n": 1}, [], {"$": "dict", "v": [[1, 2], [None, 3]]}])""",
    "an exception with a million lines": """
        say({"kind": "raised", "more": more(), "value": mapping(type="ValueError", module="builtins",
            message="",
            known=["ValueError"] * 9999, kind=None, text="x" * 15_000, number=1, back=None,
            frames=[["test_demo.py", -(10**9), "test_matched", "assert True"]] * 9999)}); quiet()""",
    "an exception of the judge's that never was": """
        say({"kind": "raised", "more": more(), "value": mapping(type="E", module="m", message="passed",
            known=["AssertionError"], kind=None, text="", number=-1, back=1, frames=[])}); quiet()""",
    "an exception named to steer a terminal": r"""
        say({"kind": "raised", "more": more(), "value": mapping(type="\x1b[2JPASSED\n",
            module="_pytest.outcomes",
            message="\x1b]0;passed\x07", known=["StopIteration"], kind=None, text="", number=1, back=None,
            frames=[])}); quiet()""",
    "an exception of a status that no one has": """
        say({"kind": "raised", "more": more(), "value": mapping(type="E", module="m", message="", known=[],
            kind="not run", text="", number=1, back=None, frames=[])}); quiet()""",
    "a proxy named by a megabyte": """
        answer(mine(type="T" * 1_000_000, module="m" * 1_000_000, can=["add", "sub"] * 100_000))""",
    "a module named by tensors": """
        about = mapping(type="M", module=tensor(), known="torch.nn.Module", can=[])
        answer(1, ZEROS, more=more(modules=[[["", 77, True, about, []]]]))""",
    "a module of parts without parents": """
        about = {"type": "M", "module": "m", "known": "torch.nn.Module", "can": []}
        answer({"$": "module", "v": [["", 77, True, about, []], ["a.b.c", 78, True, about, []]]})""",
    "a module that is above itself": """
        about = {"type": "M", "module": "m", "known": "torch.nn.Module", "can": []}
        answer({"$": "module", "v": [["", 77, True, about, []], ["a", 77, True, about, []]]})""",
    "half of the connection is closed": """
        find().channel._sock.shutdown(socket.SHUT_WR)""",
    "another file takes the connection's place": """
        os.dup2(os.open(os.devnull, os.O_RDWR), find().channel._sock.fileno())""",
    "a child that goes on talking": """
        if os.fork() == 0:
            for _ in range(20):
                say({"kind": "told", "value": 1, "more": more()})
                time.sleep(0.02)
            os._exit(0)""",
    "a thread that talks between the checks": """
        import threading
        def talk():
            time.sleep(0.05)
            told(1)
        threading.Thread(target=talk, daemon=True).start()""",
}  # fmt: skip

TALK = answers_of(_ANSWERS)

# The answer is right, and has a gradient: what the judge asks of it then is answered with these.
_PULLS = {
    "gradients that are none": "[]",
    "gradients for a graph that there is not": "[[Values(g)], 10**9]",
    "more gradients than inputs": "[[Values(g)] * 9, None]",
    "a gradient of another dtype": "[[Values(g.double())], None]",
    "a gradient without memory": "[[Values(g.to('meta'))], None]",
    "a sparse gradient": "[[g.to_sparse()], None]",
    "a gradient that is a subclass": "[[g.as_subclass(type('G', (torch.Tensor,), {}))], None]",
    "a gradient of NaN": "[[Values(g * float('nan'))], None]",
    "a gradient in answer to an endless chain of questions": """
        [find().request('pull', 1, [g], [True], *[True] * 3)]""",
}
TALK += [
    Cheat(
        name,
        f"{TOOLS}\nfrom gradus.wall.wire.handles import Values\ng = torch.ones(4)\n"
        f"def matched(x):\n    find().do_pull = lambda *words: {text.strip()}\n    return 3 * x\n",
        ("matched",),
        wins=ON_THE_WIRE,
    )
    for name, text in _PULLS.items()
]

# A function of the check's is called, or what it was given for is taken.
_CALLS = {
    "a function of the check's is given liars": """
        class Liar(torch.Tensor): pass
        for given in (torch.zeros(4).as_subclass(Liar), Liar, object(), 10**5000, None):
            try: step(given)
            except Exception: pass""",
    "a function of the check's is called from many threads": """
        import threading
        threads = [threading.Thread(target=step, args=(x,)) for _ in range(8)]
        for t in threads: t.start()""",
    "what a function of the check's raises is sent back for another": """
        try: step(None)
        except Exception as error: raise error""",
    "a call that was answered is answered for": """
        step(x)
        told(tensor(), ZEROS)""",
}
TALK += [
    Cheat(
        name,
        f"{TOOLS}\ndef called(step, x):\n{textwrap.indent(textwrap.dedent(text), '    ')}\n"
        "    return torch.zeros(4)\n",
        ("called",),
        wins=ON_THE_WIRE,
    )
    for name, text in _CALLS.items()
]

TALK += [
    Cheat(
        "what a probe refers to is zeroed",
        f"""{TOOLS}
def probed(layer, x):
    for entry in find().shared._entries.values():
        entry.tensor().data.zero_()
    return torch.zeros(4)
""",
        ("probed",),
        wins=ON_THE_WIRE,
    ),
    Cheat(
        "the worker's own methods are replaced",
        f"""{TOOLS}
def matched(x):
    worker = type(find())
    worker.do_function = worker.do_observe = lambda self, *words: torch.ones(4)
    worker.begin = lambda self, *words: None
    worker.more = lambda self, message: {{"record": ["honest(x)", "1"]}}
    os.kill(os.getpid(), 9)
counted = kept = matched
""",
        ("matched", "counted", "kept"),
        wins=ON_THE_WIRE,
    ),
    Cheat(
        "the random numbers of the judge become constants",
        """
def matched(x):
    state = torch.get_rng_state()
    state[24 : 24 + 624 * 8] = 0
    torch.set_rng_state(state)
    return torch.zeros(4) * x
counted = kept = matched
""",
        ("matched", "counted", "kept"),
        wins=ON_THE_WIRE,
    ),
]
