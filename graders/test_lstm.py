"""Checks for `lstm`: three cells, an LSTM of layers, from words to tensors, a reader, its training."""

import re
from collections import Counter
from itertools import permutations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gradus.checks import (
    assert_avoids,
    assert_falls,
    assert_form,
    assert_history,
    assert_inputs_unchanged,
    assert_items,
    assert_kind,
    assert_matches,
    assert_mean_losses,
    assert_not_trained,
    assert_same_gradients,
    assert_tensor,
    assert_trained,
    fail,
    model_state,
)

DTYPES = [torch.float32, torch.float64]

OWN_FORMULA = "in this task you write the formula yourself, with F.linear (or @), sigmoid and tanh"
TORCH_CELLS = dict.fromkeys(
    ("torch.rnn_", "torch.lstm", "torch.gru", "torch._thnn_fused", "torch.quantized_"), OWN_FORMULA
)
SIZES = [(4, 3, 5), (1, 5, 2), (3, 4, 4), (2, 1, 1)]  # batch, inputs, hidden
HUGE = "huge numbers"


# the three cells


def cell_inputs(random, blocks, sizes, dtype=torch.float32, device="cpu"):
    """A word, a hidden state, a cell state and the four weights of a cell."""
    b, i, d = sizes
    shapes = [
        (b, i),
        (b, d),
        (b, d),
        (blocks * d, i),
        (blocks * d, d),
        (blocks * d,),
        (blocks * d,),
    ]
    x, h, c, *weights = [random.normal(*shape, dtype=dtype, device=device) for shape in shapes]
    return x, h, c, weights


def scaled(case, x):
    """The word, and tolerances; a huge word shuts or opens gates, and loses digits in the sums."""
    return (x * 200, {"rtol": 1e-3, "atol": 1e-3}) if case == HUGE else (x, {})


def other_orders(names):
    """Every order of the blocks but the right one, in words and as places."""
    for order in list(permutations(range(len(names))))[1:]:
        yield ", ".join(names[place] for place in order), order


def reordered(weights, order):
    """The weights as somebody sees them who expects the blocks in another order."""
    places = [order.index(place) for place in range(len(order))]
    return [torch.cat([w.chunk(len(order))[place] for place in places]) for w in weights]


def interleaved(weights, blocks):
    """The weights as somebody sees them who takes every 3rd or 4th row for a gate."""
    return [torch.cat([w[start::blocks] for start in range(blocks)]) for w in weights]


def usual_suspects(cell, weights):
    """Mistakes that any cell can have: biases, transposed matrices."""
    w_ih, w_hh, b_ih, b_hh = weights
    return {
        "the bias b_hh is missing": lambda: cell(w_ih, w_hh, b_ih, torch.zeros_like(b_hh)),
        "the bias b_ih is missing": lambda: cell(w_ih, w_hh, torch.zeros_like(b_ih), b_hh),
        "both biases are missing": lambda: cell(w_ih, w_hh, b_ih * 0, b_hh * 0),
        "the word is not used": lambda: cell(w_ih * 0, w_hh, b_ih, b_hh),
        "the old hidden state is not used": lambda: cell(w_ih, w_hh * 0, b_ih, b_hh),
        "w_hh is transposed: weights are (outputs, inputs), so it is h @ w_hh.T": (
            lambda: cell(w_ih, w_hh.T, b_ih, b_hh)
        ),
        "w_ih is transposed: weights are (outputs, inputs), so it is x @ w_ih.T": (
            lambda: cell(w_ih.T, w_hh, b_ih, b_hh)
        ),
        "w_ih and w_hh have changed places": lambda: cell(w_hh, w_ih, b_ih, b_hh),
    }


def suspects_of_rnn_cell(x, h, weights):
    """What usual mistakes in a plain cell lead to."""
    word, memory = F.linear(x, weights[0], weights[2]), F.linear(h, weights[1], weights[3])
    return usual_suspects(lambda *changed: torch.rnn_tanh_cell(x, h, *changed), weights) | {
        "the memory's part is missing: W_hh h + b_hh": word.tanh(),
        "the tanh is missing": word + memory,
        "this is a sigmoid, not a tanh": (word + memory).sigmoid(),
        "this is a ReLU, not a tanh": (word + memory).relu(),
        "add word and memory first, then take one tanh of the sum": word.tanh() + memory.tanh(),
        "only the word's part goes through the tanh: the whole sum does": word.tanh() + memory,
        "only the memory's part goes through the tanh: the whole sum does": word + memory.tanh(),
        "the old state is added to the result": h + (word + memory).tanh(),
    }


def suspects_of_lstm_cell(x, h, c, weights):
    """What usual mistakes in an LSTM's cell lead to."""
    sums = F.linear(x, weights[0], weights[2]) + F.linear(h, weights[1], weights[3])
    i, f, g, o = sums.chunk(4, dim=1)
    right_h, right_c = torch.lstm_cell(x, (h, c), *weights)
    (i, f, o), raw_g, g = (part.sigmoid() for part in (i, f, o)), g, g.tanh()

    def with_cell(new):
        return o * new.tanh(), new

    return {
        "the order of the results: first h, then c": (right_c, right_h),
        "c is not carried on: the new c is f * c + i * g": with_cell(i * g),
        "the new c is f * c + i * g: the forget gate is missing": with_cell(c + i * g),
        "the new c is f * c + i * g: the input gate is missing": with_cell(f * c + g),
        "f is what stays: f * c, not (1 - f) * c": with_cell((1 - f) * c + i * g),
        "what stays is a share of the old c, not of the old h": with_cell(f * h + i * g),
        "g has a tanh, not a sigmoid": with_cell(f * c + i * raw_g.sigmoid()),
        "the tanh of g is missing": with_cell(f * c + i * raw_g),
        "the new c goes through no tanh: only h = o * tanh(c) does": (
            with_cell((f * c + i * g).tanh())
        ),
        "the tanh is missing in h = o * tanh(c)": (o * right_c, right_c),
        "the tanh in h = o * tanh(c) is a sigmoid here": (o * right_c.sigmoid(), right_c),
        "h is made from the old c: it is o * tanh of the new one": (o * c.tanh(), right_c),
        "the output gate is missing in h = o * tanh(c)": (right_c.tanh(), right_c),
        "the output gate has no sigmoid": (sums.chunk(4, dim=1)[3] * right_c.tanh(), right_c),
        "a gate is a row of the matrix here: the blocks stand one behind the other, chunk(4, dim=1)": (
            lambda: torch.lstm_cell(x, (h, c), *interleaved(weights, 4))
        ),
        **usual_suspects(lambda *changed: torch.lstm_cell(x, (h, c), *changed), weights),
        **{
            f"the blocks are taken in the order {words}; they stand in the order i, f, g, o": (
                lambda order=order: torch.lstm_cell(x, (h, c), *reordered(weights, order))
            )
            for words, order in other_orders("ifgo")
        },
    }


def suspects_of_gru_cell(x, h, weights):
    """What usual mistakes in a GRU's cell lead to."""
    w_ih, w_hh, b_ih, b_hh = weights
    x_r, x_z, x_n = F.linear(x, w_ih, b_ih).chunk(3, dim=1)
    h_r, h_z, h_n = F.linear(h, w_hh, b_hh).chunk(3, dim=1)
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    n = (x_n + r * h_n).tanh()
    u, b = w_hh.chunk(3)[2], b_hh.chunk(3)[2]

    def swapped(bias):
        return reordered([bias], (1, 0, 2))[0]

    def with_proposal(new):
        return (1 - z) * new.tanh() + z * h

    return {
        "z is the share of the OLD state: (1 - z) * n + z * h": (1 - z) * h + z * n,
        "the reset gate r is not used": with_proposal(x_n + h_n),
        "r multiplies the memory's part with its bias: r * (W_hn h + b_hn)": (
            with_proposal(x_n + r * F.linear(h, u) + b)
        ),
        "r multiplies h before the matrix; torch's form is r * (W_hn h + b_hn)": (
            with_proposal(x_n + F.linear(r * h, u, b))
        ),
        "r multiplies the memory's part only, not the word's": with_proposal(r * (x_n + h_n)),
        "r multiplies the word's part; it is the memory's that it shall multiply": (
            with_proposal(r * x_n + h_n)
        ),
        "r and z have changed places in the memory's part: its blocks stand in the order r, z, n": (
            lambda: torch.gru_cell(x, h, w_ih, *reordered([w_hh], (1, 0, 2)), b_ih, swapped(b_hh))
        ),
        "r and z have changed places in the word's part: its blocks stand in the order r, z, n": (
            lambda: torch.gru_cell(x, h, *reordered([w_ih], (1, 0, 2)), w_hh, swapped(b_ih), b_hh)
        ),
        "the tanh of n is missing": (1 - z) * (x_n + r * h_n) + z * h,
        "n has a tanh, not a sigmoid": (1 - z) * (x_n + r * h_n).sigmoid() + z * h,
        "the old state is missing: (1 - z) * n + z * h": (1 - z) * n,
        "the share of n is 1 - z": n + z * h,
        "this is n, the proposal only: (1 - z) * n + z * h comes back": n,
        "a gate is a row of the matrix here: the blocks stand one behind the other, chunk(3, dim=1)": (
            lambda: torch.gru_cell(x, h, *interleaved(weights, 3))
        ),
        **usual_suspects(lambda *changed: torch.gru_cell(x, h, *changed), weights),
        **{
            f"the blocks are taken in the order {words}; they stand in the order r, z, n": (
                lambda order=order: torch.gru_cell(x, h, *reordered(weights, order))
            )
            for words, order in other_orders("rzn")
        },
    }


@pytest.mark.task("rnn_cell", points=1)
def test_plain_cell_by_hand(submission, device):
    """rnn_cell gives the number of the handout: tanh(2 * 1 + 0.1 - 1 * 0.5 - 0.6)."""
    numbers = [[[1.0]], [[0.5]], [[2.0]], [[-1.0]], [0.1], [-0.6]]
    x, h, *weights = [torch.tensor(number, device=device) for number in numbers]
    got = assert_avoids(submission.rnn_cell, TORCH_CELLS, x, h, *weights)
    assert_matches(got, torch.ones_like(h).tanh(), suspects=suspects_of_rnn_cell(x, h, weights))


@pytest.mark.task("rnn_cell", points=2)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("case", ["", HUGE])
def test_plain_cell(submission, device, random, sizes, case):
    """rnn_cell agrees with torch for any batch, number of inputs and hidden size."""
    x, h, _, weights = cell_inputs(random, 1, sizes, device=device)
    x, tolerances = scaled(case, x)
    expected = torch.rnn_tanh_cell(x, h, *weights)
    got = assert_avoids(submission.rnn_cell, TORCH_CELLS, x, h, *weights)
    assert_matches(got, expected, suspects=suspects_of_rnn_cell(x, h, weights), **tolerances)


@pytest.mark.task("rnn_cell", points=1)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_plain_cell_keeps_dtype_inputs_and_graph(submission, random, dtype):
    """rnn_cell keeps the dtype, changes none of its inputs and lets gradients through to all."""
    x, h, _, weights = cell_inputs(random, 1, (3, 2, 4), dtype)
    expected = torch.rnn_tanh_cell(x, h, *weights)
    assert_matches(assert_inputs_unchanged(submission.rnn_cell, x, h, *weights), expected)
    assert_same_gradients(submission.rnn_cell, torch.rnn_tanh_cell, x, h, *weights, random=random)


@pytest.mark.task("lstm_cell", points=1)
def test_lstm_cell_by_hand(submission, device):
    """lstm_cell gives the numbers of the handout: c = 2.5 and h = 0.4933."""
    b_ih = torch.tensor([0.0, 1.0986123, 0.5493061, 0.0], device=device)
    x, h, c = (torch.tensor([[number]], device=device) for number in (0.0, 0.0, 3.0))
    weights = [torch.ones(4, 1, device=device)] * 2 + [b_ih, torch.zeros_like(b_ih)]
    got = assert_avoids(submission.lstm_cell, TORCH_CELLS, x, h, c, *weights)
    expected = tuple(torch.tensor([[number]], device=device) for number in (0.4933071, 2.5))
    assert_matches(got, expected, suspects=suspects_of_lstm_cell(x, h, c, weights))


@pytest.mark.task("lstm_cell", points=3)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("case", ["", HUGE])
def test_lstm_cell(submission, device, random, sizes, case):
    """lstm_cell agrees with nn.LSTMCell in h and c, for any batch, inputs and hidden size."""
    x, h, c, weights = cell_inputs(random, 4, sizes, device=device)
    x, tolerances = scaled(case, x)
    expected = torch.lstm_cell(x, (h, c), *weights)
    got = assert_avoids(submission.lstm_cell, TORCH_CELLS, x, h, c, *weights)
    assert_matches(got, expected, suspects=suspects_of_lstm_cell(x, h, c, weights), **tolerances)


@pytest.mark.task("lstm_cell", points=1)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_lstm_cell_keeps_dtype_and_inputs(submission, random, dtype):
    """lstm_cell keeps the dtype and changes neither the states nor the weights that it is given."""
    x, h, c, weights = cell_inputs(random, 4, (3, 2, 4), dtype)
    expected = torch.lstm_cell(x, (h, c), *weights)
    got = assert_inputs_unchanged(submission.lstm_cell, x, h, c, *weights)
    assert_matches(got, expected, suspects=suspects_of_lstm_cell(x, h, c, weights))


@pytest.mark.task("lstm_cell", points=1)
@pytest.mark.parametrize("sizes", [(3, 2, 4), (1, 3, 1)], ids=str)
def test_lstm_cell_is_differentiable(submission, random, sizes):
    """Gradients flow through lstm_cell to the word, both states and all weights."""
    x, h, c, weights = cell_inputs(random, 4, sizes)
    assert_same_gradients(
        submission.lstm_cell,
        lambda x, h, c, *weights: torch.lstm_cell(x, (h, c), *weights),
        *(x, h, c, *weights),
        random=random,
    )


@pytest.mark.hidden
@pytest.mark.task("lstm_cell", points=1)
def test_lstm_cell_with_unusual_inputs(submission, device, random):
    """lstm_cell takes transposed inputs, and a cell state far above 1."""
    x, h, c, weights = cell_inputs(random, 4, (3, 3, 3), device=device)
    x, h, c = x.T, h.T, 20 * c.T
    expected = torch.lstm_cell(x, (h, c), *weights)
    got = submission.lstm_cell(x, h, c, *weights)
    assert_matches(got, expected, suspects=suspects_of_lstm_cell(x, h, c, weights))


@pytest.mark.task("gru_cell", points=1)
def test_gru_cell_by_hand(submission, device):
    """gru_cell gives the number of the handout: 0.25 * 0.5 + 0.75 * 2 = 1.625."""
    numbers = [[0.0, 1.0986123, 0.0], [0.0, 0.0, 1.0986123 - 0.2]]
    b_ih, b_hh = (torch.tensor(number, device=device) for number in numbers)
    x, h = (torch.tensor([[number]], device=device) for number in (0.0, 2.0))
    w_hh = torch.tensor([[0.0], [0.0], [0.1]], device=device)
    weights = [torch.ones(3, 1, device=device), w_hh, b_ih, b_hh]
    got = assert_avoids(submission.gru_cell, TORCH_CELLS, x, h, *weights)
    expected = torch.tensor([[1.625]], device=device)
    assert_matches(got, expected, suspects=suspects_of_gru_cell(x, h, weights))


@pytest.mark.task("gru_cell", points=3)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("case", ["", HUGE])
def test_gru_cell(submission, device, random, sizes, case):
    """gru_cell agrees with nn.GRUCell for any batch, number of inputs and hidden size."""
    x, h, _, weights = cell_inputs(random, 3, sizes, device=device)
    x, tolerances = scaled(case, x)
    expected = torch.gru_cell(x, h, *weights)
    got = assert_avoids(submission.gru_cell, TORCH_CELLS, x, h, *weights)
    assert_matches(got, expected, suspects=suspects_of_gru_cell(x, h, weights), **tolerances)


@pytest.mark.task("gru_cell", points=1)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gru_cell_keeps_dtype_and_inputs(submission, random, dtype):
    """gru_cell keeps the dtype and changes neither the state nor the weights that it is given."""
    x, h, _, weights = cell_inputs(random, 3, (3, 2, 4), dtype)
    expected = torch.gru_cell(x, h, *weights)
    got = assert_inputs_unchanged(submission.gru_cell, x, h, *weights)
    assert_matches(got, expected, suspects=suspects_of_gru_cell(x, h, weights))


@pytest.mark.task("gru_cell", points=1)
@pytest.mark.parametrize("sizes", [(3, 2, 4), (1, 3, 1)], ids=str)
def test_gru_cell_is_differentiable(submission, random, sizes):
    """Gradients flow through gru_cell to the word, the state and all weights."""
    x, h, _, weights = cell_inputs(random, 3, sizes)
    assert_same_gradients(submission.gru_cell, torch.gru_cell, x, h, *weights, random=random)


# LSTM


def torch_lstm(random, inputs, hidden, layers, dtype=torch.float32):
    """torch's own LSTM with weights that differ in every place."""
    lstm = nn.LSTM(inputs, hidden, layers, batch_first=True, dtype=dtype)
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.copy_(0.7 * random.normal(*parameter.shape))
    return lstm


def both_lstms(submission, random, sizes, device="cpu", dtype=torch.float32):
    """The student's LSTM and torch's, with the same weights."""
    inputs, hidden, layers = sizes
    theirs = torch_lstm(random, inputs, hidden, layers)
    ours = submission.LSTM(inputs, hidden) if layers == 1 else submission.LSTM(*sizes)
    if not isinstance(ours, nn.Module):
        fail(f"expected LSTM to be an nn.Module, got {type(ours).__name__}")
    wanted, there = (
        {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
        for module in (theirs, ours)
    )
    missing = [name for name in wanted if name not in there]
    if missing or len(there) > len(wanted):
        more = ", ".join(name for name in there if name not in wanted) or "no others"
        fail(
            f"LSTM{sizes}: nn.LSTM's state_dict does not load: {', '.join(missing) or 'nothing'} "
            f"missing, {more} beside torch's names; self.register_parameter(name, parameter) "
            "makes a parameter under any name"
        )
    for name, shape in wanted.items():
        if there[name] != shape:
            fail(f"LSTM{sizes}: expected {name} in shape {shape}, got {there[name]}")
    trained = {name for name, _ in ours.named_parameters()}
    for name in wanted:
        if name not in trained:
            fail(f"LSTM{sizes}: {name} is a buffer, which no optimizer trains: make it a parameter")
    ours.load_state_dict(theirs.state_dict())
    return ours.to(device=device, dtype=dtype), theirs.to(device=device, dtype=dtype)


def walk(theirs, x, state, *, carry_h=True, carry_c=True, layers=None, shared=False):
    """An LSTM step by step; what is left out of the arguments is done in the right way."""
    layers = theirs.num_layers if layers is None else layers
    if state is None:
        state = (x.new_zeros(theirs.num_layers, len(x), theirs.hidden_size),) * 2
    last = [], []
    for layer in range(layers):
        names = "weight_ih", "weight_hh", "bias_ih", "bias_hh"
        weights = [
            getattr(theirs, f"{name}_l{0 if shared and name != 'weight_ih' else layer}")
            for name in names
        ]
        first = h, c = state[0][layer], state[1][layer]
        outputs = []
        for word in x.unbind(1):
            new = torch.lstm_cell(word, (h, c), *weights)
            h, c = new[0] if carry_h else first[0], new[1] if carry_c else first[1]
            outputs.append(new[0])
        x = torch.stack(outputs, 1)
        last[0].append(h)
        last[1].append(c)
    return x, (torch.stack(last[0]), torch.stack(last[1]))


def suspects_of_lstm(theirs, x, state, out, h, c):
    """What usual mistakes in an LSTM lead to."""

    def time_first():
        twin = nn.LSTM(theirs.input_size, theirs.hidden_size, theirs.num_layers, dtype=x.dtype)
        twin.load_state_dict(theirs.state_dict())
        return twin.to(x.device)(x, state)

    def backwards():
        found, states = theirs(x.flip(1), state)
        return found.flip(1), states

    suspects = {
        "the order of the last states: first h, then c": (out, (c, h)),
        "axis 0 is taken for time: x is (batch, time, inputs)": time_first,
        "the words are read from the last to the first": backwards,
        "the outputs are in reversed order": (out.flip(1), (h, c)),
        "the last states are (layers, batch, hidden), not (batch, layers, hidden)": (
            out,
            (h.transpose(0, 1), c.transpose(0, 1)),
        ),
        "only the states of the last layer came back: one per layer is wanted": (
            out,
            (h[-1:], c[-1:]),
        ),
        "only the states of the first layer came back: one per layer is wanted": (
            out,
            (h[:1], c[:1]),
        ),
        "the layers' states come back in reversed order": (out, (h.flip(0), c.flip(0))),
        "the states came back without the axis of the layers": (out, (h[-1], c[-1])),
        "out holds the last word only: one output per word is wanted": (out[:, -1], (h, c)),
        "out is (time, batch, hidden): stack along axis 1": (out.transpose(0, 1), (h, c)),
        "c is not carried from word to word": lambda: walk(theirs, x, state, carry_c=False),
        "h is not carried from word to word": lambda: walk(theirs, x, state, carry_h=False),
        "no state is carried from word to word": (
            lambda: walk(theirs, x, state, carry_h=False, carry_c=False)
        ),
        "only the first layer is run": lambda: walk(theirs, x, state, layers=1),
        "every layer has a weight_hh and biases of its own: weight_hh_l1, ...": (
            lambda: walk(theirs, x, state, shared=True)
        ),
    }
    if state is not None:
        suspects |= {
            "the state that was given is not used": lambda: theirs(x),
            "the two states have changed places: a state is (h, c)": lambda: theirs(x, state[::-1]),
            "the given h is taken for both states": lambda: theirs(x, (state[0], state[0])),
            "the given h is not used": lambda: theirs(x, (state[0] * 0, state[1])),
            "the given c is not used": lambda: theirs(x, (state[0], state[1] * 0)),
            "every layer starts from the state of layer 0: state[0][layer]": (
                lambda: theirs(x, tuple(part[:1].expand_as(part).contiguous() for part in state))
            ),
            "this is the state that was given: return the one after the last word": (out, state),
        }
    return suspects


def check_lstm(submission, random, sizes, batch, time, given, device="cpu", dtype=torch.float32):
    """Compare one forward pass with nn.LSTM's."""
    ours, theirs = both_lstms(submission, random, sizes, device, dtype)
    inputs, hidden, layers = sizes
    x = random.normal(batch, time, inputs, dtype=dtype, device=device)
    state = None
    if given:
        state = tuple(
            random.normal(layers, batch, hidden, dtype=dtype, device=device) for _ in range(2)
        )
    with torch.no_grad():
        expected = theirs(x, state)
        got = ours(x, state) if given else ours(x)
    suspects = suspects_of_lstm(theirs, x, state, expected[0], *expected[1])
    assert_matches(got, expected, what="(out, (h, c))", suspects=suspects)


@pytest.mark.task("LSTM", points=3)
@pytest.mark.parametrize("given", [False, True], ids=["from zeros", "state given"])
@pytest.mark.parametrize(
    ("sizes", "batch", "time"),
    [((3, 4, 1), 5, 6), ((2, 5, 2), 3, 4), ((4, 4, 3), 2, 5), ((3, 2, 2), 1, 7), ((3, 4, 1), 2, 1)],
    ids=str,
)
def test_lstm_agrees_with_torch(submission, device, random, sizes, batch, time, given):
    """With nn.LSTM's weights, LSTM gives its outputs and states, batch first, for any layers."""
    check_lstm(submission, random, sizes, batch, time, given, device)


@pytest.mark.task("LSTM", points=1)
@pytest.mark.parametrize("given", [False, True], ids=["from zeros", "state given"])
def test_lstm_in_float64(submission, device, random, given):
    """LSTM in float64 works in float64: the zeros that it starts from too."""
    check_lstm(submission, random, (3, 4, 2), 2, 3, given, device, torch.float64)


@pytest.mark.task("LSTM", points=2)
@pytest.mark.parametrize("given", [False, True], ids=["from zeros", "state given"])
@pytest.mark.parametrize("sizes", [(3, 4, 1), (2, 3, 3)], ids=str)
def test_lstm_learns_like_torch(submission, random, sizes, given):
    """Gradients reach every weight of every layer, the words and the state, as in nn.LSTM."""
    ours, theirs = both_lstms(submission, random, sizes, dtype=torch.float64)
    inputs, hidden, layers = sizes
    x = random.normal(3, 4, inputs, dtype=torch.float64)
    h, c = (random.normal(layers, 3, hidden, dtype=torch.float64) for _ in range(2))
    shapes = [(3, 4, hidden), (layers, 3, hidden), (layers, 3, hidden)]
    upstream = [random.normal(*shape, dtype=torch.float64) for shape in shapes]
    gradients = []
    for lstm in (theirs, ours):
        leaves = [tensor.clone().requires_grad_() for tensor in (x, h, c)]
        result = lstm(leaves[0], (leaves[1], leaves[2])) if given else lstm(leaves[0])
        if lstm is theirs:
            expected = result
        assert_matches(result, expected, what="(out, (h, c))")
        parts = (result[0], *result[1])
        detached = [
            name
            for name, part in zip(("out", "h", "c"), parts, strict=True)
            if part.grad_fn is None
        ]
        if detached:
            fail(
                f"expected results that gradients flow through, got {', '.join(detached)} detached: "
                "is there a detach() or a no_grad() in LSTM?"
            )
        loss = sum((part * up).sum() for part, up in zip(parts, upstream, strict=True))
        names = [name for name, _ in theirs.named_parameters()]
        weights = dict(lstm.named_parameters())
        targets = [weights[name] for name in names] + (leaves if given else leaves[:1])
        gradients.append(torch.autograd.grad(loss, targets, allow_unused=True))
    names += ["x", "the given h", "the given c"][: len(targets) - len(names)]
    for name, want, got in zip(names, *gradients, strict=True):
        if got is None:
            fail(f"no gradient reaches {name}: is it used, and not detached on the way?")
        assert_matches(got, want, what=f"the gradient of {name}", rtol=1e-6, atol=1e-8)


@pytest.mark.task("LSTM", points=1)
def test_lstm_goes_on_where_it_stopped(submission, random):
    """The first half of a text, then the rest from its state, gives what the whole text gives."""
    ours, theirs = both_lstms(submission, random, (3, 4, 2))
    x = random.normal(2, 7, 3)
    with torch.no_grad():
        out, last = theirs(x)
        first, state = theirs(x[:, :3])
        got = ours(x[:, :3])
        assert_matches(got, (first, state), what="(out, (h, c)) after 3 of 7 words")
        assert_matches(ours(x[:, 3:], got[1]), (out[:, 3:], last), what="(out, (h, c)) of the rest")


@pytest.mark.task("LSTM", points=1)
def test_lstm_keeps_nothing_in_mind(submission, random):
    """LSTM starts from zeros in every call: no state is left over from the batch before."""
    ours, theirs = both_lstms(submission, random, (3, 4, 2))
    x = random.normal(3, 4, 3)
    with torch.no_grad():
        expected = theirs(x)
        for what in ("the first call", "the second call with the same texts"):
            assert_matches(
                ours(x),
                expected,
                what=f"(out, (h, c)) of {what}",
                suspects={
                    "it went on from the state of the call before: start from zeros each time": (
                        lambda: theirs(x, expected[1])
                    )
                },
            )
        assert_matches(ours(x[:1, :2]), theirs(x[:1, :2]), what="(out, (h, c)) of a smaller batch")


def lstm_from_inside(student, weights, x, h, c):
    """Names of the torch functions that LSTM calls, and its inputs after the call."""
    from torch.overrides import TorchFunctionMode, resolve_name

    class Noting(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            names.add(resolve_name(function) or "")
            return function(*args, **(kwargs or {}))

    names = set()
    model = student.LSTM(x.shape[2], h.shape[2], h.shape[0])
    model.load_state_dict(weights)
    with Noting():
        model(x, (h, c))
    return {"names": sorted(names), "after": [x, h, c]}


@pytest.mark.task("LSTM", points=1)
def test_lstm_is_your_own(submission, random):
    """LSTM walks over the words itself, without nn.LSTM, and leaves x and the given state alone."""
    both_lstms(submission, random, (2, 3, 2))  # says so if the names are wrong
    weights = torch_lstm(random, 2, 3, 2).state_dict()
    x, h, c = random.normal(3, 4, 2), random.normal(2, 3, 3), random.normal(2, 3, 3)
    seen = submission.probe(lstm_from_inside, weights, x, h, c)
    assert_form(seen, {"names": [str, ...], "after": [object, object, object]})
    for name in seen["names"]:
        if name.startswith(tuple(TORCH_CELLS)):
            fail(
                f"expected your own walk over the words, got a call of {name}: "
                "use your lstm_cell in a loop"
            )
    for name, before, after in zip(("x", "h", "c"), (x, h, c), seen["after"], strict=True):
        if not isinstance(after, torch.Tensor) or not torch.equal(before, after):
            fail(f"the given {name} was changed in place: make a new tensor for the new state")


@pytest.mark.task("LSTM", points=1)
def test_lstm_begins_with_different_weights(submission, random):
    """LSTM's weights are drawn at random and can be trained: no two places begin alike."""
    torch.manual_seed(random.seed())
    first, second = (assert_kind(submission.LSTM(5, 4, 2), nn.Module, "LSTM") for _ in range(2))
    both_lstms(submission, random, (5, 4, 2))
    other = dict(second.named_parameters())
    for name, parameter in first.named_parameters():
        if not parameter.requires_grad:
            fail(f"{name} does not require grad: it would never be trained")
        if not parameter.detach().isfinite().all():
            fail(f"{name} holds NaN or infinity: torch.empty takes whatever lies in memory")
        if "weight_ih" in name:
            if len(parameter.detach().unique(dim=0)) < len(parameter):
                fail(f"rows of {name} are alike at the beginning: draw the weights at random")
            if torch.equal(assert_tensor(parameter, name), assert_tensor(other[name], name)):
                fail(f"two LSTMs begin with the same {name}: draw the weights at random")


@pytest.mark.hidden
@pytest.mark.task("LSTM", points=1)
def test_lstm_with_unusual_texts(submission, device, random):
    """LSTM takes transposed texts, long ones, four layers, one place, in train and eval mode."""
    for sizes, batch, time in [((3, 1, 4), 3, 3), ((1, 6, 1), 2, 40)]:
        ours, theirs = both_lstms(submission, random, sizes, device)
        x = random.normal(time, batch, sizes[0], device=device).transpose(0, 1)
        for training in (True, False):
            ours.train(training)
            with torch.no_grad():
                assert_matches(ours(x), theirs(x), what="(out, (h, c))")
            assert_matches(
                ours(x, None), tuple(theirs(x)), what="(out, (h, c)) with state=None", rtol=1e-3
            )


# build_vocabulary

ENGLISH = ["the film was not bad", "not bad at all but the film was fun", "the end"]
KOREAN = ["영화는 안 지루했다", "음식은 안 좋았다 하지만 영화는 좋았다", "정말 좋았다 정말 정말"]
TIES = ["z y x", "w x y z", "b a", "a b c"]
MIXED = [
    "Good film , GOOD food",
    "good! good!",
    "C'est très bon",
    "좋은 film 입니다 .",
    "映画 は film",
]
BLANKS = ["  two   blanks ", "a\ttab and\na line end", "", "   ", "two\u3000wide blanks"]
REPEATED = ["yes yes yes", "no", "no maybe", "maybe", "once"]


def words_of(text):
    return text.split()


def numbered(texts, min_count=1, split=words_of, key=None, special=("<pad>", "<unk>"), keep=None):
    """A vocabulary; what is left out of the arguments is done in the right way."""
    words = [word for text in texts for word in split(text)]
    counts = Counter(words)
    keep = keep or (lambda word: counts[word] >= min_count)
    order = key or (lambda word: -counts[word])
    kept = sorted((word for word in counts if keep(word)), key=order)
    return {word: number for number, word in enumerate([*special, *kept])}


def suspects_of_vocabulary(texts, min_count):
    """What usual mistakes in a vocabulary lead to."""
    words = [word for text in texts for word in text.split()]
    counts = Counter(words)
    seen_in = Counter(word for text in texts for word in set(text.split()))
    first = {word: place for place, word in reversed(list(enumerate(words)))}
    last = {word: place for place, word in enumerate(words)}
    swapped = numbered(texts, min_count)
    swapped = swapped | {"<pad>": 1, "<unk>": 0}
    return {
        "<pad> is 0 and <unk> is 1, not the other way round": swapped,
        "<pad> and <unk> are missing": numbered(texts, min_count, special=()),
        "<unk> is missing: it is 1, the words begin at 2": numbered(
            texts, min_count, special=("<pad>",)
        ),
        "<pad> is missing: it is 0, the words begin at 2": numbered(
            texts, min_count, special=("<unk>",)
        ),
        "min_count is not used": numbered(texts, 1),
        "a word that occurs exactly min_count times is kept: >=, not >": numbered(
            texts, min_count + 1
        ),
        "min_count asks how often a word occurs, not in how many texts": numbered(
            texts, keep=lambda word: seen_in[word] >= min_count
        ),
        "the most frequent word comes first, not the word that is seen first": numbered(
            texts, min_count, key=lambda word: 0
        ),
        "the most frequent word comes first, not the rarest": numbered(
            texts, min_count, key=lambda word: counts[word]
        ),
        "words that are equally frequent stand in the order of the alphabet here; "
        "the one seen first comes first": numbered(
            texts, min_count, key=lambda word: (-counts[word], word)
        ),
        "of words that are equally frequent the one seen first comes first, not the last": numbered(
            texts, min_count, key=lambda word: (-counts[word], -first[word])
        ),
        "ties go by the first appearance, not by the last": numbered(
            texts, min_count, key=lambda word: (-counts[word], last[word])
        ),
        "words are counted once per text here: count every occurrence": numbered(
            texts, min_count, key=lambda word: (-seen_in[word], first[word])
        ),
        "the words stand in the order of the alphabet; the most frequent comes first": numbered(
            texts, min_count, key=lambda word: word
        ),
        "the words are changed to lower case: keep them as they are": numbered(
            texts, min_count, lambda text: text.lower().split()
        ),
        'split(" ") makes empty words and does not cut at line ends: split()': numbered(
            texts, min_count, lambda text: text.split(" ")
        ),
        "split() cuts at every kind of blank, not only at the ASCII ones": numbered(
            texts, min_count, lambda text: re.split(r"[ \t\n]+", text.strip())
        ),
        "these are letters, not words: text.split()": numbered(texts, min_count, list),
        "only the letters a to z are taken for words here: split() knows every script": numbered(
            texts, min_count, lambda text: re.findall(r"[A-Za-z]+", text)
        ),
        "punctuation is cut off here; a word is what split() gives": numbered(
            texts, min_count, lambda text: re.findall(r"\w+", text)
        ),
    }


def first_suspect(got, expected, suspects):
    """The words of the first suspect that is this very value."""
    for words, value in suspects.items():
        try:
            assert_matches(got, value)
        except AssertionError:
            continue
        if value != expected:
            return f"; {words}"
    return ""


def check_vocabulary(submission, texts, min_count):
    """Compare one vocabulary with the right one, by words before numbers."""
    given = {} if min_count == 1 else {"min_count": min_count}
    got = assert_inputs_unchanged(submission.build_vocabulary, texts, **given)
    expected = numbered(texts, min_count)
    if not isinstance(got, dict):
        assert_matches(got, expected)
    why = first_suspect(got, expected, suspects_of_vocabulary(texts, min_count))
    missing = [word for word in expected if word not in got]
    more = [word for word in got if word not in expected]
    if missing or more:
        listed = ", ".join(map(repr, missing[:3])) or "no word"
        fail(f"{listed} missing, {', '.join(map(repr, more[:3])) or 'no word'} too many{why}")
    wrong = [word for word in expected if type(got[word]) is not int or got[word] != expected[word]]
    if wrong:
        fail(
            f"expected {wrong[0]!r} to have the id {expected[wrong[0]]}, got {got[wrong[0]]!r}{why}"
        )


@pytest.mark.task("build_vocabulary", points=2)
@pytest.mark.parametrize("texts", [ENGLISH, KOREAN, ["b a", "c a"]], ids=["en", "ko", "handout"])
def test_frequent_words_first(submission, texts):
    """build_vocabulary gives 0 to <pad>, 1 to <unk>, then ids by count, in English and Korean."""
    check_vocabulary(submission, texts, 1)


@pytest.mark.task("build_vocabulary", points=1)
@pytest.mark.parametrize("texts", [TIES, KOREAN + ENGLISH, REPEATED], ids=["ties", "both", "many"])
def test_ties_go_by_first_appearance(submission, texts):
    """Of words that are equally frequent, the one that is seen first has the smaller id."""
    check_vocabulary(submission, texts, 1)


@pytest.mark.task("build_vocabulary", points=1)
@pytest.mark.parametrize("min_count", [2, 3, 9])
@pytest.mark.parametrize("texts", [REPEATED, KOREAN + ENGLISH], ids=["repeated", "both"])
def test_rare_words_are_left_out(submission, texts, min_count):
    """Words with fewer than min_count occurrences in all texts together have no id."""
    check_vocabulary(submission, texts, min_count)


@pytest.mark.task("build_vocabulary", points=1)
@pytest.mark.parametrize(
    "texts", [MIXED, BLANKS, [], [""]], ids=["mixed", "blanks", "none", "empty"]
)
def test_words_are_what_split_gives(submission, texts):
    """A word is what str.split() gives: any script, any blank, case and punctuation as they are."""
    check_vocabulary(submission, texts, 1)


@pytest.mark.hidden
@pytest.mark.task("build_vocabulary", points=1)
def test_many_texts_with_many_ties(submission, random):
    """build_vocabulary counts over many texts in several scripts, ties in any order."""
    words = ["kim", "Kim", "김", "김은", "2", "10", "-", "é", "e\u0301", "z", "Z", "。", "😀"]
    for min_count in (1, 4):
        picks = random.integers(0, len(words), 20, 3).tolist()
        texts = [" ".join(words[place] for place in row) for row in picks]
        check_vocabulary(submission, texts, min_count)


# encode

VOCABULARY = {
    "<pad>": 0,
    "<unk>": 1,
    "not": 2,
    "bad": 3,
    "안": 4,
    "좋았다": 5,
    "film": 17,
    "the": 9,
}


def suspects_of_encode(text):
    """What usual mistakes in looking words up lead to."""
    found = [VOCABULARY.get(word, 1) for word in text.split()]
    return {
        "unknown words are dropped: each becomes 1, <unk>": [i for i in found if i != 1],
        "an unknown word is 1, <unk>; 0 is <pad>": [0 if i == 1 else i for i in found],
        "these are the letters' ids: cut the text into words with split()": [
            VOCABULARY.get(letter, 1) for letter in text
        ],
        "the words are changed to lower case: keep them as they are": [
            VOCABULARY.get(word.lower(), 1) for word in text.split()
        ],
        'split(" ") makes empty words and does not cut at line ends: split()': [
            VOCABULARY.get(word, 1) for word in text.split(" ")
        ],
        "the ids are sorted: keep the order of the words": sorted(found),
        "the ids are in reversed order": found[::-1],
        "repeated words are dropped: one id for each word of the text": list(dict.fromkeys(found)),
    }


def check_encode(submission, text):
    """Compare the ids of one text with the right ones."""
    got = assert_inputs_unchanged(submission.encode, text, VOCABULARY)
    expected = [VOCABULARY.get(word, 1) for word in text.split()]
    if type(got) is list and set(map(type, got)) <= {int}:
        assert_items(got, list, of=int)
        if got != expected:
            why = first_suspect(got, expected, suspects_of_encode(text))
            fail(f"encode({text!r}, ...): expected {expected}, got {got}{why}")
    assert_matches(got, expected, what=f"encode({text!r}, ...)")


@pytest.mark.task("encode", points=1)
@pytest.mark.parametrize("text", ["not bad", "the film not bad the film", "안 좋았다", "bad"])
def test_words_become_ids(submission, text):
    """encode gives a list with one id for each word, in the order of the text."""
    check_encode(submission, text)


@pytest.mark.task("encode", points=1)
@pytest.mark.parametrize("text", ["really not bad", "Not bad", "정말 안 좋았다", "?", "the end"])
def test_unknown_words_become_one(submission, text):
    """encode gives 1 for every word that the vocabulary does not know, and leaves none out."""
    check_encode(submission, text)


@pytest.mark.task("encode", points=1)
@pytest.mark.parametrize(
    "text", ["", "   ", " the \t film\nnot\u3000 bad "], ids=["empty", "blanks", "words"]
)
def test_blanks_and_empty_texts(submission, text):
    """encode cuts like str.split(); an empty text becomes an empty list."""
    check_encode(submission, text)


# pad_batch


def padded(sequences, value=0, front=False, width=None):
    """Lists of ids in one tensor, and their lengths."""
    lengths = [len(sequence) for sequence in sequences]
    width = max(lengths) if width is None else width
    rows = []
    for sequence in sequences:
        kept = list(sequence)[:width]
        filling = [value] * (width - len(kept))
        rows.append(filling + kept if front else kept + filling)
    ids = torch.tensor(rows, dtype=torch.int64).reshape(len(sequences), width)
    return ids, torch.tensor(lengths, dtype=torch.int64)


def suspects_of_pad_batch(sequences):
    """What usual mistakes in padding lead to."""
    ids, lengths = padded(sequences)
    width = ids.shape[1]
    by_length = sorted(sequences, key=len, reverse=True)
    return {
        "ids is (texts, time), not (time, texts): stack along axis 0": (ids.T, lengths),
        "the zeros are in front: fill up at the end": padded(sequences, front=True),
        "padding is 0 (<pad>), not 1 (<unk>)": padded(sequences, value=1),
        "padding is 0, not -1": padded(sequences, value=-1),
        "cut to the shortest text: the longest decides the width": (
            padded(sequences, width=min(map(len, sequences)))
        ),
        "one column of zeros too many": padded(sequences, width=width + 1),
        "the texts are sorted by length: keep their order": padded(by_length),
        "the lengths are the texts' own, not that of the padded rows": (
            ids,
            torch.full_like(lengths, width),
        ),
        "an empty text has length 0": (ids, lengths.clamp(min=1)),
        "the last column is missing": padded(sequences, width=max(width - 1, 0)),
        "ids must be int64: torch.tensor([]) and torch.zeros(...) are float32": (
            ids.float(),
            lengths,
        ),
        "ids are int64, not int32": (ids.int(), lengths),
        "lengths must be int64": (ids, lengths.float()),
        "only the lengths of texts that are not empty came back": (ids, lengths[lengths > 0]),
    }


def check_pad_batch(submission, sequences):
    """Compare one padded batch with the right one."""
    got = assert_inputs_unchanged(submission.pad_batch, sequences)
    assert_matches(
        got,
        padded(sequences),
        what=f"(ids, lengths) of {sequences}",
        suspects=suspects_of_pad_batch(sequences),
    )


@pytest.mark.task("pad_batch", points=2)
@pytest.mark.parametrize(
    "sequences",
    [[[5, 2], [7, 3, 9]], [[4, 4, 4], [2], [3, 8]], [[6]], [[5, 3], [2, 9]], [[2] * 9, [3]]],
    ids=str,
)
def test_short_texts_are_filled_up(submission, sequences):
    """pad_batch puts zeros at the end of short texts, keeps their order, and notes the lengths."""
    check_pad_batch(submission, sequences)


@pytest.mark.task("pad_batch", points=1)
@pytest.mark.parametrize("sequences", [[[5, 2], [], [7, 3, 9]], [[], [4]], [[8, 1], []]], ids=str)
def test_empty_text_has_length_zero(submission, sequences):
    """pad_batch allows empty texts: a row of padding, length 0."""
    check_pad_batch(submission, sequences)


@pytest.mark.task("pad_batch", points=1)
@pytest.mark.parametrize("sequences", [[[]], [[], [], []]], ids=str)
def test_all_texts_are_empty(submission, sequences):
    """pad_batch of empty texts only has no columns, and is int64 all the same."""
    check_pad_batch(submission, sequences)


@pytest.mark.hidden
@pytest.mark.task("pad_batch", points=1)
def test_large_ids_and_many_texts(submission, random):
    """pad_batch keeps ids beyond int32, and the order of many texts of any length."""
    lengths = random.integers(0, 12, 40).tolist()
    check_pad_batch(submission, [random.integers(1, 50, n).tolist() for n in lengths])
    check_pad_batch(submission, [[2**40 + 1], [3, 2**24 + 1, 2**31]])


# SentimentClassifier


def some_texts(random, lengths, vocabulary, width=None, device="cpu"):
    """Random ids for texts of these lengths, with zeros behind them, and the lengths."""
    width = max(lengths) if width is None else width
    lengths = torch.tensor(lengths, device=device)
    ids = random.integers(2, vocabulary, len(lengths), width, device=device)
    real = torch.arange(width, device=device) < lengths[:, None]
    return ids * real, lengths


def logits_of(model, ids, lengths, classes):
    """The scores of a batch, once their type and shape are right."""
    got = model(ids, lengths)
    what = f"the logits of {len(ids)} texts (ids {tuple(ids.shape)})"
    if not isinstance(got, torch.Tensor):
        fail(f"expected {what} as a tensor, got {type(got).__name__}: does forward return them?")
    wanted, shape = (len(ids), classes), tuple(got.shape)
    if shape != wanted:
        why = ""
        if shape == wanted[1:]:
            why = "; the batch axis of size 1 is gone: squeeze() without a dim?"
        elif len(shape) == 3:
            why = "; one row of scores per text: take the state after its last word"
        fail(f"expected {what} in shape {wanted}, got {shape}{why}")
    if not got.is_floating_point() or got.device != ids.device:
        fail(f"expected {what} as floats on {ids.device}, got {got.dtype} on {got.device}")
    return assert_tensor(got, what, shape=wanted)


def scores_of(model, ids, lengths, classes=2):
    """The scores in eval mode, on the CPU."""
    model.eval()
    with torch.no_grad():
        return logits_of(model, ids, lengths, classes).detach().cpu().clone()


def steady_scores_of(model, ids, lengths, classes=2):
    """The scores in eval mode, once a second call has given the same."""
    first, second = (scores_of(model, ids, lengths, classes) for _ in range(2))
    if not alike(first, second):
        fail(
            "the same texts get other scores in a second call in eval mode: is a state kept from the "
            "call before? Does dropout look at self.training?"
        )
    return first


def shown(row):
    """A few scores, short."""
    return "(" + ", ".join(f"{value:.4g}" for value in row.tolist()) + ")"


def alike(a, b):
    """Whether two lots of scores are the same but for rounding."""
    return torch.allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.task("SentimentClassifier", points=2)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(
    ("sizes", "lengths"),
    [
        ((30, 4, 6, 2), (5, 3, 7, 1)),
        ((9, 7, 3, 5), (4,)),
        ((5, 2, 8, 3), (1, 1)),
        ((3, 1, 2, 2), (2, 9)),
    ],
    ids=str,
)
def test_one_score_for_each_class(submission, device, random, sizes, lengths, training):
    """SentimentClassifier gives (batch, classes), also for a batch of one and for texts of one word."""
    torch.manual_seed(random.seed())
    model = submission.SentimentClassifier(*sizes).to(device)
    model.train(training)
    logits_of(model, *some_texts(random, lengths, sizes[0], device=device), sizes[3])


@pytest.mark.task("SentimentClassifier", points=1)
def test_scores_are_logits(submission, random):
    """SentimentClassifier returns raw scores of any sign: no softmax, sigmoid or ReLU at the end."""
    torch.manual_seed(random.seed())
    lowest, log_sums = [], []
    for _ in range(4):
        model = submission.SentimentClassifier(40, 6, 8, 5)
        scores = scores_of(model, *some_texts(random, [6] * 16, 40), 5)
        lowest.append(scores.min().item())
        log_sums += scores.logsumexp(1).tolist()
    if max(abs(value) for value in log_sums) < 1e-4:
        fail("the scores are logarithms of probabilities: return the logits, without log_softmax")
    if min(lowest) >= 0:
        fail(
            "expected scores of both signs, got none below 0 in 320: is there a softmax, a sigmoid "
            "or a ReLU after the last layer?"
        )


@pytest.mark.task("SentimentClassifier", points=2)
@pytest.mark.parametrize("more", [1, 4, 30])
def test_padding_changes_nothing(submission, device, random, more):
    """The scores of a text are the same with more padding behind it."""
    torch.manual_seed(random.seed())
    model = submission.SentimentClassifier(20, 5, 6, 2).to(device)
    ids, lengths = some_texts(random, (4, 6, 1, 5), 20, device=device)
    before = steady_scores_of(model, ids, lengths)
    after = scores_of(model, F.pad(ids, (0, more)), lengths)
    if not alike(before, after):
        fail(
            f"with {more} more column{'s' * (more > 1)} of padding, the scores of the same 4 texts "
            f"change, those of the first from {shown(before[0])} to {shown(after[0])}: out[:, -1] "
            "and h[-1] are the states after the padding; take the one after the last word of each row"
        )


@pytest.mark.task("SentimentClassifier", points=2)
@pytest.mark.parametrize("lengths", [(5, 5, 5), (7, 2, 4, 1, 6)], ids=["as long", "unequal"])
def test_neighbours_change_nothing(submission, random, lengths):
    """The scores of a text are the same alone, among others, and in any order of the batch."""
    torch.manual_seed(random.seed())
    model = submission.SentimentClassifier(20, 5, 6, 3)
    ids, lengths = some_texts(random, lengths, 20)
    together = steady_scores_of(model, ids, lengths, 3)
    order = torch.arange(len(ids) - 1, -1, -1)
    if not alike(together[order], scores_of(model, ids[order], lengths[order], 3)):
        fail(
            "in another order of the batch the texts get other scores: nn.LSTM without "
            "batch_first=True reads across the texts; or rows were sorted and not put back"
        )
    alone = torch.cat(
        [scores_of(model, ids[row : row + 1], lengths[row : row + 1], 3) for row in range(len(ids))]
    )
    if not alike(together, alone):
        fail(
            "a text on its own gets other scores than among others, at the same width: something "
            "works across the batch (batch_first, h[-1] with other axes, a sum over axis 0)"
        )
    cut = torch.cat(
        [
            scores_of(model, ids[row : row + 1, :length], lengths[row : row + 1], 3)
            for row, length in enumerate(lengths.tolist())
        ]
    )
    if not alike(together, cut):
        fail(
            "a text without padding gets other scores than with it: read the state after its last "
            "word, at its own length"
        )


def require_of_some_model(submission, random, problem_of):
    """One of a few models shows it: by chance a ReLU may shut a whole network at its beginning."""
    for _ in range(4):
        torch.manual_seed(random.seed())
        model = submission.SentimentClassifier(20, 8, 16, 2)
        problem = problem_of(assert_kind(model, nn.Module, "SentimentClassifier"))
        if problem is None:
            return
    fail(problem)


def same_scores(scores):
    """For each row of scores whether it is the first one again; rounding counts as the same."""
    return [(row - scores[0]).abs().max() <= 1e-6 * scores.abs().max() for row in scores]


@pytest.mark.task("SentimentClassifier", points=2)
def test_order_of_words_decides(submission, random):
    """The same words in another order give other scores: this is no bag of words."""
    words = (random.permutation(18) + 2)[:6]
    swapped = [(0, 5), (0, 1), (2, 3), (4, 5)]
    ids = words.repeat(len(swapped) + 2, 1)
    for row, (a, b) in enumerate(swapped, start=1):
        ids[row, [a, b]] = ids[row, [b, a]]
    ids[-1] = words.flip(0)

    def problem_of(model):
        same = same_scores(scores_of(model, ids, torch.full((len(ids),), 6)))
        if all(same):
            return (
                "the words in any other order get exactly the same scores: a sum or mean over the "
                "words forgets the order; a recurrent network has to read them"
            )
        for (a, b), unmoved in zip(swapped, same[1:-1], strict=True):
            if unmoved:
                return (
                    f"words {a} and {b} of 6 change places, and the scores stay the same: does the "
                    "network read every word, and carry its state on?"
                )
        return None

    require_of_some_model(submission, random, problem_of)


@pytest.mark.task("SentimentClassifier", points=1)
def test_every_word_counts(submission, random):
    """Each word of a text has an influence on its scores, from the first to the last."""
    texts = [some_texts(random, (length,), 10, width=6) for length in (1, 2, 5)]

    def problem_of(model):
        for ids, lengths in texts:
            for place in range(int(lengths)):
                rows = ids.repeat(5, 1)
                rows[1:, place] = torch.arange(11, 15)
                if all(same_scores(scores_of(model, rows, lengths.repeat(5)))):
                    return (
                        f"word {place + 1} of {int(lengths)} has no influence on the scores: the "
                        "state after the LAST word counts (index length - 1), and it is carried on "
                        "from the first"
                    )
        return None

    require_of_some_model(submission, random, problem_of)


@pytest.mark.task("SentimentClassifier", points=1)
@pytest.mark.parametrize("case", ["among others", "all empty", "no columns"])
def test_empty_texts(submission, device, random, case):
    """An empty text (length 0) gets finite scores that do not depend on padding or neighbours."""
    torch.manual_seed(random.seed())
    model = submission.SentimentClassifier(20, 5, 6, 2).to(device)
    lengths = (0, 4, 0, 2) if case == "among others" else (0, 0)
    width = 0 if case == "no columns" else 4
    ids, lengths = some_texts(random, lengths, 20, width, device)
    scores = steady_scores_of(model, ids, lengths)
    empty = scores[lengths.cpu() == 0]
    if not scores.isfinite().all():
        fail(
            f"expected finite scores, got {shown(empty[0])} for an empty text: is something divided "
            "by the length 0?"
        )
    more = scores_of(model, F.pad(ids, (0, 3)), lengths)
    if not alike(scores, more):
        row = int((scores - more).abs().amax(1).argmax())
        fail(
            f"with 3 more columns of padding, the scores of text {row} (length {lengths[row]}) "
            f"change from {shown(scores[row])} to {shown(more[row])}: length - 1 is -1 for an empty "
            "text, and that is the last column"
        )
    if not alike(empty, empty[:1].expand_as(empty)):
        fail("two empty texts of one batch get different scores")


def classifiers_from_inside(student, ids, lengths):
    """Scores of two models with the same weights, parameters without gradient, inputs afterwards."""
    import torch

    idle = None
    for _ in range(4):  # by chance a ReLU may shut a whole network at its beginning
        first, second = (student.SentimentClassifier(12, 4, 16, 3) for _ in range(2))
        second.load_state_dict(first.state_dict())
        with torch.no_grad():
            scores = [model.eval()(ids, lengths) for model in (first, second)]
        for _ in range(2):  # a state that is kept with its graph fails in the second pass
            learned = first.train()(ids, lengths)
            if isinstance(learned, torch.Tensor) and learned.requires_grad:
                learned.square().sum().backward()
        unmoved = [
            name
            for name, parameter in first.named_parameters()
            if parameter.grad is None or not (parameter.grad.any() or "reverse" in name)
        ]  # the state of the way back at the last word has read one word only: no mistake
        idle = unmoved if idle is None else [name for name in idle if name in unmoved]
        if not idle:
            break
    count = len(list(first.parameters()))
    return {"scores": scores, "idle": idle, "parameters": count, "after": [ids, lengths]}


@pytest.mark.task("SentimentClassifier", points=1)
def test_all_layers_belong_to_the_classifier(submission, random):
    """Every layer is known to torch (saved, loaded, trained) and used; ids and lengths stay as they are."""
    torch.manual_seed(random.seed())
    ids, lengths = some_texts(random, (5, 2, 6, 6, 4, 5, 1, 3), 12)
    seen = submission.probe(classifiers_from_inside, ids, lengths)
    form = {"scores": [object] * 2, "idle": list[str], "parameters": int, "after": [object] * 2}
    assert_form(seen, form, "what was seen of two models")
    if seen["parameters"] == 0:
        fail("the model has no parameters: layers must be attributes of self, made in __init__")
    if seen["idle"]:
        fail(
            f"no gradient reaches {', '.join(seen['idle'])}: does forward use this layer? With "
            "several layers, h[0] is the state of the first one, h[-1] that of the last"
        )
    first, second = seen["scores"]
    if not isinstance(first, torch.Tensor):
        fail(f"expected the logits as a tensor, got {type(first).__name__}")
    for scores in (first, second):
        assert_tensor(scores, "the logits of 8 texts", shape=(8, 3))
    if not alike(first, second):
        fail(
            "a second model with the same state_dict gives other scores: some layers are unknown to "
            "torch; make them in __init__, as attributes (or in nn.Sequential, nn.ModuleList)"
        )
    for name, before, after in zip(("ids", "lengths"), (ids, lengths), seen["after"], strict=True):
        if not isinstance(after, torch.Tensor) or not torch.equal(before, after):
            fail(f"{name} was changed in place: lengths - 1 is a new tensor, lengths -= 1 is not")


@pytest.mark.task("SentimentClassifier", points=1)
def test_classifier_in_float64(submission, device, random):
    """A classifier that was moved to float64 gives float64 scores, close to those in float32."""
    torch.manual_seed(random.seed())
    model = submission.SentimentClassifier(20, 5, 6, 3).to(device)
    ids, lengths = some_texts(random, (4, 1, 6), 20, device=device)
    expected = scores_of(model, ids, lengths, 3).double()
    got = scores_of(model.double(), ids, lengths, 3)
    assert_matches(got, expected, what="the scores in float64", rtol=1e-3, atol=1e-4)


def reviews_in_tensors(random):
    """Reviews in English and Korean, in tensors: words, then (ids, lengths, labels) twice."""
    from datasets.reviews import load_reviews

    texts, labels, test_texts, test_labels = load_reviews(random.seed(), 1600, 400)
    vocabulary = numbered(texts)
    parts = []
    for some, wanted in ((texts, labels), (test_texts, test_labels)):
        found = [[vocabulary.get(word, 1) for word in text.split()] for text in some]
        parts.append((*padded(found), wanted))
    return len(vocabulary), *parts


def probability_of_wrong(model, ids, lengths, labels):
    """The mean probability of the wrong one of two classes: 0 where all is known, 0.5 for a coin."""
    probabilities = scores_of(model, ids, lengths).double().softmax(1)
    return (1 - probabilities[torch.arange(len(labels)), labels.cpu()]).mean().item()


@pytest.mark.task("SentimentClassifier", points=2)
@pytest.mark.devices("cpu", "cuda")  # test_one_score_for_each_class runs on a simulated GPU
@pytest.mark.timeout(60)
def test_classifier_can_learn_reviews(submission, device, random, threshold):
    """SentimentClassifier learns reviews in which the order of the words decides, in a plain loop."""
    wanted = threshold("classifier_loss")
    words, train, test = reviews_in_tensors(random)
    ids, lengths, labels = (part.to(device) for part in train)
    test_ids, test_lengths, test_labels = (part.to(device) for part in test)
    reached = []
    for lr in (0.01, 0.02):
        torch.manual_seed(random.seed())
        made = submission.SentimentClassifier(words, 16, 32, 2)
        model = assert_kind(made, nn.Module, "SentimentClassifier").to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        for _ in range(6):
            model.train()
            for index in random.permutation(len(labels)).to(device).split(32):
                optimizer.zero_grad()
                F.cross_entropy(
                    logits_of(model, ids[index], lengths[index], 2), labels[index]
                ).backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
            scores = scores_of(model, test_ids, test_lengths)
            reached.append(F.cross_entropy(scores, test_labels.cpu()).item())
            if threshold.reached(classifier_loss=reached[-1]):
                return
    fail(
        f"expected a loss of at most {wanted:g} on the test reviews within 6 epochs, got at least "
        f"{min(reached):.3g}. Who only counts words cannot get below 0.693, a coin's loss: then the "
        "order of the words is lost (batch_first? the state after the LAST word? one mean over all "
        "words?)"
    )


@pytest.mark.hidden
@pytest.mark.task("SentimentClassifier", points=1)
def test_long_texts_and_idle_padding(submission, random):
    """SentimentClassifier takes long texts, and no gradient comes from a text's neighbours."""
    torch.manual_seed(random.seed())
    model = assert_kind(submission.SentimentClassifier(15, 3, 4, 2), nn.Module)
    ids, lengths = some_texts(random, (60, 1, 33), 15)
    scores = scores_of(model, ids, lengths)
    if not scores.isfinite().all():
        fail(f"expected finite scores for a text of 60 words, got {scores.tolist()}")
    alone = scores_of(model, ids[1:2, :1], lengths[1:2])
    if not alike(scores[1:2], alone):
        fail("a text of one word beside one of 60 gets other scores than alone")
    model.eval()
    gradients = []
    for part, length in ((ids, lengths), (ids[2:], lengths[2:])):
        loss = logits_of(model, part, length, 2)[-1].square().sum()
        found = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
        gradients.append([gradient for gradient in found if gradient is not None])
    assert_matches(
        gradients[0], gradients[1], what="the gradients of one text's scores", rtol=1e-2, atol=1e-5
    )


# train_sentiment


class WordScores(nn.Module):
    """The mean of one row of scores per word: everything about it can be computed by hand."""

    def __init__(self, random, words, classes):
        super().__init__()
        self.scores = nn.Embedding(words, classes)
        self.bias = nn.Parameter(torch.zeros(classes))
        with torch.no_grad():
            self.scores.weight.copy_(random.normal(words, classes))
            self.bias.copy_(random.normal(classes))

    def forward(self, ids, lengths):
        real = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        total = (self.scores(ids) * real[..., None]).sum(1)
        return total / lengths[:, None] + self.bias


def labelled_texts(random, samples, words, classes):
    """Random texts of 1 to 6 words with random labels."""
    lengths = random.integers(1, 7, samples).tolist()
    return *some_texts(random, lengths, words, 6), random.integers(0, classes, samples)


def batches_of(*parts, size, **settings):
    """A loader that gives the samples in order."""
    own = TensorDataset(*(part.clone() for part in parts))  # the check compares with its own
    return DataLoader(own, batch_size=size, **settings)


@pytest.mark.task("train_sentiment", points=2)
@pytest.mark.trains
@pytest.mark.parametrize("as_text", [True, False], ids=["device as text", "torch.device"])
def test_given_model_is_trained(submission, device, random, as_text):
    """train_sentiment trains the given model, all of it, on the device, and the loss falls."""
    ids, lengths, _ = labelled_texts(random, 42, 9, 3)
    labels = ids[:, 0] % 3  # the first word tells the class
    model = WordScores(random, 9, 3)
    before = model_state(model)
    loss_before = F.cross_entropy(model(ids, lengths), labels).item()

    where = device if as_text else torch.device(device)
    loader = batches_of(ids, lengths, labels, size=8)
    history = submission.train_sentiment(model, loader, 6, 0.05, where)

    assert_history(history, 6)
    assert_trained(model, before, device)
    model.cpu().eval()
    loss_after = F.cross_entropy(model(ids, lengths), labels).item()
    if not loss_after < loss_before:
        fail(f"expected a loss below {loss_before:.4g} after training, got {loss_after:.4g}")
    assert_falls(history)


def check_history(submission, random, samples, size, kept, **settings):
    """Compare the history of a training with learning rate 0 with the plain mean."""
    ids, lengths, labels = labelled_texts(random, samples, 12, 4)
    model = WordScores(random, 12, 4)
    with torch.no_grad():
        logits = model(ids, lengths)
        at_full_width = model(ids, torch.full_like(lengths, ids.shape[1]))
    wrong_lengths = "the model was given lengths that are not those of the batch"
    suspects = {wrong_lengths: F.cross_entropy(at_full_width[:kept], labels[:kept]).item()}
    before = model_state(model)

    loader = batches_of(ids, lengths, labels, size=size, **settings)
    history = submission.train_sentiment(model, loader, 3, 0.0, "cpu")

    assert_history(history, 3)
    assert_not_trained(model, before)
    assert_mean_losses(history, logits, labels, size=size, kept=kept, suspects=suspects)


@pytest.mark.task("train_sentiment", points=2)
@pytest.mark.trains
@pytest.mark.parametrize(
    ("samples", "size"),
    [(24, 8), (37, 16), (9, 8), (5, 32)],
    ids=["even batches", "short last batch", "last batch of 1", "one batch"],
)
def test_history_is_mean_over_samples(submission, random, samples, size):
    """The history holds the cross-entropy of raw logits, averaged over each epoch's samples."""
    check_history(submission, random, samples, size, samples)


@pytest.mark.hidden
@pytest.mark.task("train_sentiment", points=1)
@pytest.mark.trains
def test_dropped_samples_do_not_count(submission, random):
    """Samples that the loader drops do not count in the mean."""
    check_history(submission, random, 21, 8, 16, drop_last=True)


def gradients_in_training(student, model, loader):
    """The gradient in `.grad` after each backward pass of a training with learning rate 0."""
    seen = []
    model.scores.weight.register_post_accumulate_grad_hook(
        lambda parameter: seen.append(parameter.grad.detach().clone())
    )
    student.train_sentiment(model, loader, 2, 0.0, "cpu")
    return seen


@pytest.mark.task("train_sentiment", points=1)
def test_each_step_has_its_own_gradient(submission, random):
    """Each step uses the gradient of its own batch, without those of earlier batches."""
    ids, lengths, labels = labelled_texts(random, 13, 9, 3)
    model = WordScores(random, 9, 3)
    loader = batches_of(ids, lengths, labels, size=5)
    per_batch = []
    for part, length, label in loader:
        loss = F.cross_entropy(model(part, length), label)
        per_batch += torch.autograd.grad(loss, [model.scores.weight])
    per_batch = per_batch * 2
    seen = submission.probe(gradients_in_training, model, loader)
    if not assert_items(seen, list, what="the gradients"):
        return  # a loop that gets its gradients another way (torch.autograd.grad) leaves none
    if len(seen) != len(per_batch):
        fail(f"expected one backward pass for each of {len(per_batch)} batches, got {len(seen)}")
    for number, (got, want) in enumerate(zip(seen, per_batch, strict=True)):
        assert_matches(
            got,
            want,
            what=f"the gradient at step {number + 1}",
            rtol=1e-4,
            atol=1e-5,
            suspects={
                "those of earlier batches are still in it: zero_grad() for every batch": (
                    torch.stack(per_batch[: number + 1]).sum(0)
                ),
            },
        )


def modes_in_training(student, ids, lengths, labels):
    """The modes of a model that arrives in eval mode, at each forward pass that learns."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    class Watcher(nn.Module):
        def __init__(self):
            super().__init__()
            self.scores = nn.Embedding(20, 3)

        def forward(self, ids, lengths):
            if torch.is_grad_enabled():
                seen.append(self.training)
            return self.scores(ids).sum(1)

    seen = []
    loader = DataLoader(TensorDataset(ids, lengths, labels), batch_size=4)
    student.train_sentiment(Watcher().eval(), loader, 2, 0.01, "cpu")
    return seen


@pytest.mark.task("train_sentiment", points=1)
def test_model_learns_in_training_mode(submission, random):
    """train_sentiment switches the model to training mode, although it may arrive in eval mode."""
    seen = submission.probe(modes_in_training, *labelled_texts(random, 8, 20, 3))
    if not assert_items(seen, list, of=bool):
        fail("the model was never run with gradients on")
    if not all(seen):
        fail("the model learns in eval mode: call model.train() at the beginning of each epoch")


@pytest.mark.task("train_sentiment", points=1)
@pytest.mark.trains
def test_frozen_parameters_and_float64(submission, random):
    """train_sentiment leaves frozen parameters alone and takes a model in float64."""
    model = WordScores(random, 9, 3).double()
    model.bias.requires_grad_(False)
    scores, bias = model.scores.weight.detach().clone(), model.bias.detach().clone()
    loader = batches_of(*labelled_texts(random, 9, 9, 3), size=4)
    assert_history(submission.train_sentiment(model, loader, 1, 0.01, "cpu"), 1)
    assert_matches(model.bias.detach(), bias, what="the frozen bias", rtol=0.0, atol=0.0)
    if torch.equal(model.scores.weight.detach(), scores):
        fail("the scores beside a frozen bias were not trained")


class PlainReader(nn.Module):
    """A reader that is known to learn."""

    def __init__(self, words):
        super().__init__()
        self.embedding = nn.Embedding(words, 16)
        self.lstm = nn.LSTM(16, 32, batch_first=True)
        self.classifier = nn.Linear(32, 2)

    def forward(self, ids, lengths):
        out, _ = self.lstm(self.embedding(ids))
        return self.classifier(out[torch.arange(len(ids), device=ids.device), lengths - 1])


@pytest.mark.task("train_sentiment", points=3)
@pytest.mark.trains
@pytest.mark.devices("cpu", "cuda")  # test_given_model_is_trained is quicker on a simulated GPU
@pytest.mark.timeout(60)
def test_reviews_are_learned(submission, device, random, threshold):
    """Your SentimentClassifier, trained by your train_sentiment, reads reviews it has not seen."""
    doubt_wanted, loss_wanted = threshold("reviews_doubt"), threshold("reviews_loss")
    words, train, test = reviews_in_tensors(random)
    test = [part.to(device) for part in test]
    tries = []
    # If no rate works, the network may be at fault, and SentimentClassifier has a check for that:
    # then the loop is tried with a plain reader.
    for lr, own in [(0.01, True), (0.02, True), (0.01, False)]:
        torch.manual_seed(random.seed())
        loader = batches_of(*train, size=32, shuffle=True, generator=random.generator())
        try:
            model = submission.SentimentClassifier(words, 16, 32, 2) if own else PlainReader(words)
            history = submission.train_sentiment(model, loader, 6, lr, device)
            assert_history(history, 6)
            doubt = probability_of_wrong(model, *test)
        except Exception:
            if own:
                continue
            raise
        if threshold.reached(reviews_loss=history[-1], reviews_doubt=doubt):
            return
        which = "SentimentClassifier" if own else "a plain reader"
        tries.append(f"{doubt:.2g} and {history[-1]:.3g} ({which}, lr {lr})")
    fail(
        f"expected that test reviews get their wrong label with a probability of at most "
        f"{doubt_wanted:g} in the mean (a coin: 0.5), and a last loss of at most {loss_wanted:g}, got "
        f"{'; '.join(tries)}. A loss that stays at 0.693 means that "
        "nothing was learned (is the optimizer Adam or a relative?); one near 0.32 with reviews "
        "read right means softmax before cross_entropy"
    )
