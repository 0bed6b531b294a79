"""Tasks of the attacked kit whose answers are no single tensor: containers, objects, probes."""

GRADER = '''

@pytest.mark.task("collected", points=2)
def test_collected(submission):
    """collected tells of a word: plain containers, compared as people compare them."""
    for word in ("abca", "xyx"):
        first = [i for i, letter in enumerate(word) if letter == word[0]]
        want = {"name": word, "places": first, "ends": (word[0], word[-1]), "share": len(first) / len(word)}
        want["letters"] = set(word)
        got = submission.collected(word)
        assert isinstance(got, dict)
        assert got == want
        for key in want:
            assert got[key] == want[key]
            assert not got[key] != want[key]
        assert got["name"].upper() == word.upper()
        assert got["places"][-1] == first[-1]
        assert abs(got["share"] - want["share"]) < 1e-6


@pytest.mark.task("walked", points=2)
def test_walked(submission, random):
    """walked gives something with a length, items and an order: the squares of x."""
    x = random.normal(5)
    data = submission.walked(x)
    assert len(data) == 5
    for i in (0, 4, 2):
        assert_matches(data[i], x[i] ** 2)
    assert_matches(torch.stack(list(iter(data))), x**2)


@pytest.mark.task("probed", points=2)
def test_probed(submission, random):
    """probed gives three times x, where a probe calls it with what it refers to."""
    x, layer = random.normal(4).requires_grad_(), torch.nn.Linear(4, 4)

    def probe(student):
        return student.probed(layer, x).detach()

    got = submission.probe(probe)
    assert_matches(got, layer(3 * x).detach())
'''

RIGHT = """

def collected(word):
    first = [i for i, letter in enumerate(word) if letter == word[0]]
    return {
        "name": word,
        "places": first,
        "ends": (word[0], word[-1]),
        "share": len(first) / len(word),
        "letters": set(word),
    }


class walked:
    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i] ** 2


def probed(layer, x):
    return layer(3 * x)
"""

WRONG = """

def collected(word):
    return {}


class walked:
    def __init__(self, x):
        self.x = x

    def __len__(self):
        return 0

    def __getitem__(self, i):
        raise IndexError(i)


def probed(layer, x):
    return torch.zeros(4)
"""

TASKS = ("collected", "walked", "probed")
