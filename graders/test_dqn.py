"""Checks for `dqn`: memory, exploration, Q-network, targets, loss, target network, training."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradus.checks import (
    assert_form,
    assert_inputs_unchanged,
    assert_items,
    assert_kind,
    assert_length,
    assert_matches,
    assert_number,
    assert_raises,
    assert_tensor,
    fail,
)

DTYPES = [torch.float32, torch.float64]
# `gamma * ~terminated` is float32, and 0.9 has seven digits there: no mistake, also among float64.
SEVEN_DIGITS = {torch.float32: {}, torch.float64: {"rtol": 1e-6, "atol": 1e-6}}


def require_type(got, kind, what, note=""):
    """`got` is of just this type."""
    if type(got) is not kind:
        fail(f"expected {what} as {kind.__name__}, got {type(got).__name__}{note}")


# ReplayBuffer


def transition(number, shape):
    """Transition number so-and-so; no two are alike, and the reward tells which one it is."""
    count = torch.Size(shape).numel()
    observation = (torch.arange(count) + number * 0.25).reshape(shape)
    return observation, number % 7, number + 10.5, -3.0 * observation - 1.0, number % 3 == 0


def filled(submission, capacity, shape, count):
    """A buffer into which the transitions 0, 1, ... were pushed, as arrays."""
    buffer = submission.ReplayBuffer(capacity, shape)
    for number in range(count):
        observation, action, reward, following, terminated = transition(number, shape)
        buffer.push(observation.numpy(), action, reward, following.numpy(), terminated)
    return buffer


def require_batch(got, size, shape, pushed, device="cpu"):
    """`got` is a batch as the contract has it, of stored transitions; gives their numbers."""
    wanted = {
        "observation": (torch.float32, (size, *shape)),
        "action": (torch.int64, (size,)),
        "reward": (torch.float32, (size,)),
        "next_observation": (torch.float32, (size, *shape)),
        "terminated": (torch.bool, (size,)),
    }
    if not isinstance(got, dict):
        fail(f"expected sample to return a dict of tensors, got {type(got).__name__}")
    assert_items(got, dict)
    if len(got) != len(wanted) or any(name not in got for name in wanted):
        fail(f"expected the keys {list(wanted)}, got {sorted(map(str, got))}")
    for name, (dtype, form) in wanted.items():
        rows = got[name]
        if not isinstance(rows, torch.Tensor):
            fail(f"batch[{name!r}]: expected a tensor, got {type(rows).__name__}")
        if tuple(rows.shape) != form:
            note = ": no extra axis, one number per transition" if form == (size,) else ""
            fail(f"batch[{name!r}]: expected the shape {form}, got {tuple(rows.shape)}{note}")
        if rows.dtype != dtype:
            fail(f"batch[{name!r}]: expected {dtype}, got {rows.dtype}")
        if rows.device.type != torch.device(device).type:
            fail(f"batch[{name!r}]: expected it on gen.device, {device}, got it on {rows.device}")
    rewards = assert_tensor(got["reward"], "batch['reward']", shape=(size,)).detach().cpu()
    numbers = (rewards - 10.5).round().long().tolist()
    if -10 in numbers:
        fail("a row of zeros came out of sample: draw from the places that are filled, no others")
    strangers = [number for number in numbers if not 0 <= number < pushed]
    if strangers:
        fail(f"batch['reward']: {strangers[0] + 10.5:g} came out of sample; it was never pushed")
    expected = [transition(number, shape) for number in numbers]
    for place, name in enumerate(wanted):
        column = [torch.as_tensor(row[place]) for row in expected]
        want = torch.stack(column).to(wanted[name][0]).to(device) if column else got[name]
        assert_matches(
            got[name],
            want,
            what=f"batch[{name!r}] (all entries of a row must be of the same transition)",
            suspects={
                "observation and next_observation are swapped": (
                    lambda name=name: {
                        "observation": got["next_observation"],
                        "next_observation": got["observation"],
                    }.get(name)
                ),
                "terminated is turned around": lambda want=want: ~want,
            }
            if name != "reward"
            else None,
        )
    return numbers


@pytest.mark.task("ReplayBuffer", points=2)
@pytest.mark.parametrize("shape", [(4,), (), (2, 3), (1,)], ids=str)
def test_batch_of_transitions(submission, device, random, shape):
    """sample gives a dict of tensors: right keys, shapes, dtypes, on the generator's device."""
    buffer = filled(submission, 10, shape, 6)
    for size in (1, 4, 6):
        got = buffer.sample(size, random.generator(device))
        require_batch(got, size, shape, 6, device)


@pytest.mark.task("ReplayBuffer", points=2)
@pytest.mark.parametrize(("capacity", "count"), [(3, 4), (3, 5), (4, 9), (2, 8)], ids=str)
def test_newest_takes_the_place_of_the_oldest(submission, random, capacity, count):
    """A full buffer keeps the newest `capacity` transitions, also after several rounds."""
    buffer = filled(submission, capacity, (2,), count)
    got = require_batch(buffer.sample(capacity, random.generator()), capacity, (2,), count)
    expected = list(range(count - capacity, count))
    if sorted(got) != expected:
        note = ""
        if sorted(got) == list(range(capacity)):
            note = "; a full buffer must go on taking transitions, from place 0 again"
        elif sorted(set(got)) != sorted(got):
            note = "; one transition came twice"
        elif count - 1 not in got:
            note = "; the newest one is missing"
        else:
            note = "; the oldest ones should go first: places 0, 1, 2, ..., then from 0 again"
        fail(
            f"after pushing the transitions 0 to {count - 1} into a buffer for {capacity}: "
            f"expected {expected} in it, got {sorted(got)}{note}"
        )


@pytest.mark.task("ReplayBuffer", points=1)
@pytest.mark.parametrize("capacity", [1, 3, 5])
def test_length_is_what_is_stored(submission, capacity):
    """len(buffer) counts the stored transitions, never more than the capacity."""
    buffer = submission.ReplayBuffer(capacity, (2,))
    assert_length(buffer, 0, "an empty buffer")
    for number in range(8):
        observation, action, reward, following, terminated = transition(number, (2,))
        buffer.push(observation.numpy(), action, reward, following.numpy(), terminated)
        what = f"the buffer after {number + 1} pushes into room for {capacity}"
        assert_length(buffer, min(number + 1, capacity), what)


def batches_after_changes(student, kind):
    """What is stored when the caller goes on using its arrays, and when a sample is written to."""
    import numpy as np
    import torch

    make = {"array": lambda: np.zeros(2, dtype=np.float32), "tensor": lambda: torch.zeros(2)}[kind]
    buffer = student.ReplayBuffer(4, (2,))
    observation, following = make(), make()
    for number in range(3):
        observation += 1
        following += 10
        buffer.push(observation, number, float(number), following, False)
    observation += 100
    following += 100
    gen = torch.Generator().manual_seed(1)
    first = {name: rows.clone() for name, rows in buffer.sample(3, gen).items()}
    for rows in buffer.sample(3, gen).values():
        rows.zero_()
    second = buffer.sample(3, gen)
    order = [batch["action"].argsort() for batch in (first, second)]
    return [
        {
            name: batch[name][index].tolist()
            for name in ("observation", "next_observation", "reward")
        }
        for batch, index in zip((first, second), order, strict=True)
    ]


@pytest.mark.task("ReplayBuffer", points=2)
@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_buffer_keeps_copies(submission, kind):
    """push copies: an observation that is changed later, in place, stays in memory as it was."""
    seen = submission.probe(batches_after_changes, kind)
    pairs, numbers = [[float, float]] * 3, [float] * 3
    form = {"observation": pairs, "next_observation": pairs, "reward": numbers}
    first, second = assert_form(seen, [form, form], "what two batches held")
    expected = {
        "observation": [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]],
        "next_observation": [[10.0, 10.0], [20.0, 20.0], [30.0, 30.0]],
    }
    for name, rows in expected.items():
        if first[name] != rows and max(map(max, rows)) < max(map(max, first[name])):
            fail(
                f"expected the stored {name}s {rows}, got {first[name]}; the {kind} that was pushed "
                "has changed since: keep a copy of its numbers"
            )
        if first[name] != rows:
            fail(
                f"3 transitions are stored: expected sample(3) to give the {name}s {rows}, in any "
                f"order, got {first[name]}"
            )
        if second[name] != rows:
            fail(
                f"after a batch was overwritten with zeros, another batch had the {name}s "
                f"{second[name]}, expected {rows}: sample must give copies, each transition once"
            )
    if first["reward"] != [0.0, 1.0, 2.0]:
        fail(f"expected the rewards [0.0, 1.0, 2.0], got {first['reward']}")


@pytest.mark.task("ReplayBuffer", points=1)
def test_more_than_stored_is_refused(submission, random):
    """sample raises a ValueError when more transitions are wanted than are stored."""
    buffer = filled(submission, 8, (2,), 3)
    for size in (4, 8, 9):
        because = f"{size} different transitions are wanted and 3 are stored"
        assert_raises(ValueError, buffer.sample, size, random.generator(), because=because)
    require_batch(buffer.sample(3, random.generator()), 3, (2,), 3)


def drawn_numbers(student, seeds, count, size, capacity):
    """The rewards of several samples, and whether any generator but the given one was used."""
    import random

    import numpy as np
    import torch

    buffer = student.ReplayBuffer(capacity, ())
    for number in range(count):
        buffer.push(float(number), 0, float(number), 0.0, False)
    seen = []
    for seed in seeds:
        torch.default_generator.manual_seed(3)
        np.random.seed(3)
        random.seed(3)
        states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        gen = torch.Generator().manual_seed(seed)
        rewards = [buffer.sample(size, gen)["reward"].tolist() for _ in range(2)]
        same = (
            torch.equal(states[0], torch.get_rng_state())
            and np.array_equal(states[1], np.random.get_state()[1])
            and states[2] == random.getstate()
        )
        seen.append({"rewards": rewards, "others untouched": same})
    return seen


@pytest.mark.task("ReplayBuffer", points=2)
def test_draws_differ_and_come_from_gen(submission, random):
    """A batch holds no transition twice; the same generator state draws the same batch."""
    seed = random.seed()
    runs = submission.probe(drawn_numbers, [seed, seed, seed + 1], 40, 12, 50)
    form = {"rewards": [[float] * 12] * 2, "others untouched": bool}
    assert_form(runs, [form] * 3, "what was drawn")
    for run in runs:
        if not run["others untouched"]:
            fail("sample used another random generator than gen: hand gen on to torch.randperm")
        for rewards in run["rewards"]:
            if len(set(rewards)) != len(rewards):
                fail("a batch of 12 held one transition twice: draw without replacement")
        if run["rewards"][0] == run["rewards"][1]:
            fail("two samples in a row were the same: does gen advance, is the order random?")
    if runs[0]["rewards"] != runs[1]["rewards"]:
        fail("two generators with the same seed drew different batches: draw with gen alone")
    if runs[0]["rewards"] == runs[2]["rewards"]:
        fail("two generators with different seeds drew the same batches: draw with gen")


@pytest.mark.hidden
@pytest.mark.task("ReplayBuffer", points=1)
@pytest.mark.parametrize(("count", "capacity"), [(7, 30), (19, 7)], ids=["part full", "wrapped"])
def test_every_transition_is_as_likely(submission, random, count, capacity):
    """Every stored transition has the same chance to be drawn."""
    seeds = [random.seed() for _ in range(350)]
    runs = submission.probe(drawn_numbers, seeds, count, 2, capacity)
    form = {"rewards": [[float] * 2] * 2, "others untouched": bool}
    assert_form(runs, [form] * len(seeds), "what was drawn")
    rewards = torch.tensor([run["rewards"] for run in runs]).flatten()
    stored = torch.arange(max(0, count - capacity), count)
    shares = (rewards[:, None] == stored).double().mean(0)
    # 1400 draws, 7 transitions: a share has the standard deviation 0.0094 at most; five of them.
    if not (shares - 1 / 7).abs().max() <= 0.047:
        told = [round(share, 3) for share in shares.tolist()]
        fail(f"expected each of 7 stored transitions in 1 of 7 draws (0.143), got {told}")


@pytest.mark.hidden
@pytest.mark.task("ReplayBuffer", points=1)
@pytest.mark.parametrize("dtype", ["float64", "int64", "uint8"])
def test_observations_of_other_dtypes(submission, random, dtype):
    """Observations may be float64 or whole numbers, arrays or tensors; a batch is float32."""
    buffer = submission.ReplayBuffer(5, (2, 2))
    pushed = random.integers(0, 200, 4, 2, 2).to(getattr(torch, dtype))
    for number, observation in enumerate(pushed):
        given = observation if number % 2 else observation.numpy()
        buffer.push(given, number, -float(number), given, number == 2)
    got = buffer.sample(4, random.generator())
    assert_items(got, dict, 5, "a batch", of=torch.Tensor)
    for name in ("action", "reward"):
        assert_tensor(got[name], f"batch[{name!r}]", shape=(4,))
    order = got["action"].argsort()
    for name in ("observation", "next_observation"):
        assert_matches(got[name][order], pushed.float(), what=f"batch[{name!r}]")
    assert_matches(got["reward"][order], -torch.arange(4.0), what="batch['reward']")
    assert_matches(got["terminated"][order], torch.arange(4) == 2, what="batch['terminated']")


# epsilon


def check_epsilon(submission, step, start, end, decay):
    """Compare one call with the line."""
    expected = end if step >= decay else start + (end - start) * (step / decay)
    got = submission.epsilon(step, start, end, decay)
    what = f"epsilon({step}, start={start}, end={end}, decay={decay})"
    suspects = {
        "the line goes on after step `decay`: it should stay at `end`": (
            start + (end - start) * step / max(decay, 1)
        ),
        "start and end are swapped": (
            start if step >= decay else end + (start - end) * (step / decay)
        ),
        "this falls by a factor, not along a line": start
        * (end / start) ** (min(step, decay) / max(decay, 1)),
        "it is still `start`": start,
        "it is `end` already": end,
        "`start` is not added: the line begins at `start`": (end - start)
        * min(step, decay)
        / max(decay, 1),
        "one step off: at step 0 it is `start`": start
        + (end - start) * min(step + 1, decay) / max(decay, 1),
    }
    assert_matches(got, float(expected), what=what, rtol=1e-6, atol=1e-9, suspects=suspects)


@pytest.mark.task("epsilon", points=2)
@pytest.mark.parametrize("step", [0, 1, 25, 50, 99])
def test_straight_line(submission, step):
    """epsilon goes in a straight line from start, at step 0, towards end."""
    check_epsilon(submission, step, 1.0, 0.1, 100)
    check_epsilon(submission, step, 0.8, 0.05, 400)


@pytest.mark.task("epsilon", points=2)
@pytest.mark.parametrize("step", [100, 101, 5000])
def test_end_is_kept(submission, step):
    """From step `decay` on, epsilon stays at end."""
    check_epsilon(submission, step, 1.0, 0.1, 100)
    check_epsilon(submission, step, 0.9, 0.0, 37)


@pytest.mark.task("epsilon", points=1)
def test_unusual_lines(submission):
    """epsilon may rise, stand still, or have no line at all (decay 0)."""
    for step in (0, 3, 8, 9):
        check_epsilon(submission, step, 0.1, 0.7, 8)
        check_epsilon(submission, step, 0.3, 0.3, 5)
    for step in (0, 1, 50):
        check_epsilon(submission, step, 1.0, 0.2, 0)
    check_epsilon(submission, 1, 1.0, 0.0, 1)


# QNetwork


def values_of(model, x, actions):
    """The network's values, once their type, shape, dtype and device are right."""
    got = model(x)
    what = f"the values of {actions} actions for {x.shape[0]} observations"
    if not isinstance(got, torch.Tensor):
        fail(f"expected {what} as a tensor, got {type(got).__name__}: does forward return them?")
    wanted, shape = (x.shape[0], actions), tuple(got.shape)
    if shape != wanted:
        note = ""
        if shape == wanted[1:]:
            note = "; the batch axis of size 1 is gone: squeeze() without a dim?"
        elif shape in ((x.shape[0],), (x.shape[0], 1)):
            note = "; one value per action, not one per observation"
        fail(f"expected {what} in shape {wanted}, got {shape}{note}")
    if got.dtype != x.dtype or got.device != x.device:
        fail(f"expected {what} as {x.dtype} on {x.device}, got {got.dtype} on {got.device}")
    return assert_tensor(got, what, shape=wanted)


@pytest.mark.task("QNetwork", points=2)
@pytest.mark.parametrize(
    ("batch", "observations", "actions", "hidden"),
    [(5, 4, 2, 64), (1, 4, 2, 64), (3, 16, 4, 8), (1, 1, 1, 5), (7, 2, 9, 33)],
    ids=str,
)
def test_one_value_per_action(submission, device, random, batch, observations, actions, hidden):
    """QNetwork gives (batch, actions) for any sizes, also for one observation."""
    model = submission.QNetwork(observations, actions, hidden).to(device)
    for training in (True, False):
        model.train(training)
        values_of(model, random.normal(batch, observations, device=device), actions)


def with_random_weights(submission, random, *sizes):
    """A QNetwork in eval mode with large random parameters, however it is built."""
    model = submission.QNetwork(*sizes)
    if not isinstance(model, nn.Module):
        fail(f"expected QNetwork to be an nn.Module, got {type(model).__name__}")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(random.normal(*parameter.shape))
    model.eval()
    return model


@pytest.mark.task("QNetwork", points=2)
def test_values_are_any_numbers(submission, random):
    """A Q-value may be any real number: nothing behind the last layer bounds it."""
    tables = []
    for _ in range(4):
        model = with_random_weights(submission, random, 6, 5, 32)
        with torch.no_grad():
            tables.append(values_of(model, 5 * random.normal(20, 6), 5).clone())
    got = torch.cat(tables)
    if torch.allclose(got.sum(1), torch.ones(len(got)), atol=1e-4):
        fail("the values of each row sum to 1: no softmax, values are no probabilities")
    low, high = got.min().item(), got.max().item()
    if low >= 0 or high <= 0:
        fail(
            f"with large random weights, expected values of both signs, got {low:.3g} to {high:.3g}: "
            "is there an activation behind the last layer?"
        )
    if high <= 1.0 and low >= -1.0:
        fail(
            "with large random weights, all values are from -1 to 1: no tanh behind the last layer"
        )


@pytest.mark.task("QNetwork", points=1)
def test_network_bends(submission, random):
    """QNetwork is more than a linear map, and values each observation on its own."""
    model = with_random_weights(submission, random, 4, 3, 16)
    x, step = random.normal(8, 4), 4 * random.normal(8, 4)
    with torch.no_grad():
        middle, left, right = (values_of(model, v, 3).clone() for v in (x, x - step, x + step))
        alone = torch.cat([values_of(model, row[None], 3).clone() for row in x])
        again = values_of(model, x, 3).clone()
    if torch.allclose(left + right, 2 * middle, rtol=1e-3, atol=1e-3):
        fail("the network is a straight line: is there a ReLU between the layers?")
    if not torch.allclose(middle, again, rtol=1e-4, atol=1e-4):
        fail("the same observations got other values in a second call in eval mode")
    if not torch.allclose(middle, alone, rtol=1e-3, atol=1e-3):
        fail("an observation on its own gets other values than in a batch: is axis 0 the batch?")


def size_of(model):
    """The number of parameters."""
    if not isinstance(model, nn.Module):
        fail(f"expected an nn.Module, got {type(model).__name__}")
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.task("QNetwork", points=1)
def test_hidden_is_the_width(submission):
    """`hidden` sets the width of the hidden layers; without it they are 64 wide."""
    sizes = [size_of(submission.QNetwork(4, 2, hidden)) for hidden in (8, 64, 65)]
    if not sizes[0] < sizes[1] < sizes[2]:
        told = ", ".join(map(str, sizes))
        fail(f"expected more parameters for hidden = 8, 64, 65, got {told}: use `hidden`")
    assert_matches(size_of(submission.QNetwork(4, 2)), sizes[1], what="parameters without `hidden`")


@pytest.mark.task("QNetwork", points=1)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_network_can_learn(submission, random, dtype):
    """Every parameter of QNetwork gets a gradient, in float32 and after .double()."""
    model = with_random_weights(submission, random, 5, 3, 16).to(dtype)
    model.train()
    got = values_of(model, random.normal(64, 5, dtype=dtype), 3)
    if not got.requires_grad:
        fail("no gradient flows from the values to the parameters: forward must not detach")
    got.pow(2).sum().backward()
    idle = [
        name for name, p in model.named_parameters() if p.grad is None or not bool(p.grad.any())
    ]
    if idle or not size_of(model):
        fail(f"these parameters get no gradient: {', '.join(idle) or 'there are none'}")


# select_action


def linear_q(random, observations, actions, device="cpu", dtype=torch.float32):
    """A Q-network whose values can be computed by hand."""
    model = nn.Linear(observations, actions)
    with torch.no_grad():
        model.weight.copy_(random.normal(actions, observations))
        model.bias.copy_(random.normal(actions))
    return model.to(device, dtype)


@pytest.mark.task("select_action", points=2)
@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_best_action_is_chosen(submission, device, random, kind):
    """With eps 0, select_action takes the action with the largest value, as a Python int."""
    q = linear_q(random, 4, 5, device)
    gen = random.generator(device)
    wrong, worst = [], 0
    for _ in range(12):
        x = random.normal(4, device=device)
        with torch.no_grad():
            values = q(x).cpu()
        got = submission.select_action(q, x.cpu().numpy() if kind == "array" else x, 0.0, gen)
        require_type(got, int, "the action", ": int(...) makes a number of a tensor")
        assert_number(got, "the action", whole=True)
        if got != int(values.argmax()):
            wrong.append((got, values))
            worst += got == int(values.argmin())
    if wrong:
        got, values = wrong[0]
        note = "eps is 0: no exploration; and the values belong to one observation, a batch of one"
        if len(wrong) == worst == 12:
            note = "this is the one with the smallest value"
        fail(
            f"the values are {[round(v, 3) for v in values.tolist()]}: expected the action "
            f"{int(values.argmax())}, got {got}; {note}"
        )


def actions_taken(student, weight, eps, count, seeds):
    """The actions for one observation, for several seeds, and what else select_action touched."""
    import random

    import numpy as np
    import torch
    from torch import nn

    q = nn.Linear(2, len(weight))
    with torch.no_grad():
        q.weight.copy_(torch.as_tensor(weight)[:, None].expand(-1, 2))
        q.bias.zero_()
    runs = []
    for place, seed in enumerate(seeds):
        torch.default_generator.manual_seed(place)
        np.random.seed(place)
        random.seed(place)
        states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        gen = torch.Generator().manual_seed(seed)
        actions = [
            student.select_action(q, np.ones(2, dtype=np.float32), eps, gen) for _ in range(count)
        ]
        same = (
            torch.equal(states[0], torch.get_rng_state())
            and np.array_equal(states[1], np.random.get_state()[1])
            and states[2] == random.getstate()
        )
        runs.append({"actions": [int(action) for action in actions], "others untouched": same})
    return runs


def actions_of(submission, weight, eps, count, seeds):
    """What `actions_taken` saw: as many actions as were asked for, for each seed."""
    runs = submission.probe(actions_taken, weight, eps, count, seeds)
    form = {"actions": [int] * count, "others untouched": bool}
    return assert_form(runs, [form] * len(seeds), "the actions that were taken")


@pytest.mark.task("select_action", points=2)
@pytest.mark.parametrize("actions", [5, 2])
def test_exploration_is_uniform(submission, random, actions):
    """With eps 1, every action is equally likely, the best one too."""
    weight = random.permutation(actions).double()
    (run,) = actions_of(submission, weight.float(), 1.0, 500, [random.seed()])
    counts = torch.bincount(torch.tensor(run["actions"]).clamp(0, actions), minlength=actions + 1)
    told = counts[:actions].tolist()
    if counts[actions]:
        fail(f"there are actions 0 to {actions - 1}, got {max(run['actions'])}")
    best = int(weight.argmax())
    if told[best] == 500:
        fail("with eps 1 the best action came every time: it must explore with probability eps")
    if told[best] == 0:
        fail("with eps 1 the best action never came: a random action is one of all actions")
    # 500 draws: a share has the standard deviation 0.023 at most; six of them.
    if not (counts[:actions] / 500 - 1 / actions).abs().max() <= 0.134:
        fail(f"expected each of {actions} actions about {500 // actions} times in 500, got {told}")


@pytest.mark.task("select_action", points=2)
@pytest.mark.parametrize("eps", [0.0, 0.4, 0.8])
def test_share_of_exploration(submission, random, eps):
    """A random action is taken with probability eps, the best one otherwise."""
    weight = torch.tensor([0.0, -1.0, 2.0, 1.0])
    (run,) = actions_of(submission, weight, eps, 600, [random.seed()])
    share = sum(action != 2 for action in run["actions"]) / 600
    expected = eps * 3 / 4
    if eps == 0 and share:
        fail(
            f"with eps 0 nothing is left to chance, but {share:.0%} of 600 actions were not the best"
        )
    # 600 draws: the standard deviation is 0.021 at most; 5.5 of them.
    if not abs(share - expected) <= 0.114:
        note = ""
        if abs(share - (1 - eps) * 3 / 4) < 0.08:
            note = ": it explores with probability 1 - eps; compare the random number the other way"
        fail(
            f"with eps {eps} and 4 actions, expected another than the best action in "
            f"{expected:.0%} of the cases, got {share:.0%}{note}"
        )


@pytest.mark.task("select_action", points=1)
def test_all_chance_comes_from_gen(submission, random):
    """The same generator state gives the same actions, and no other generator is used."""
    seed = random.seed()
    runs = actions_of(submission, torch.arange(6.0), 0.7, 60, [seed, seed, seed + 1])
    for run in runs:
        if not run["others untouched"]:
            fail("another random generator than gen was used: draw both numbers with generator=gen")
    if runs[0]["actions"] != runs[1]["actions"]:
        fail("two generators with the same seed chose different actions: draw from gen alone")
    if runs[0]["actions"] == runs[2]["actions"]:
        fail("two generators with different seeds chose the same 60 actions: draw from gen")


def visit_of_select_action(student, modes, dtype, numbers, eps):
    """What the network sees during a choice, and how it is left."""
    import numpy as np
    import torch
    from torch import nn

    class Watcher(nn.Module):
        def forward(self, x):
            seen["shape"], seen["dtype"] = tuple(x.shape), str(x.dtype)
            seen["grad mode"] = torch.is_grad_enabled()
            seen["training"] = [module.training for module in q.modules()]
            return x

    seen = dict.fromkeys(("shape", "dtype", "grad mode", "training"))
    q = nn.Sequential(Watcher(), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2))
    q = q.to(getattr(torch, dtype))
    for module, mode in zip(q.modules(), modes, strict=True):
        module.training = mode
    for number, parameter in enumerate(q.parameters()):
        parameter.grad = torch.full_like(parameter, float(number))
        parameter.requires_grad_(number != 1)
    before = {name: value.clone() for name, value in q.state_dict().items()}
    student.select_action(q, np.array(numbers), eps, torch.Generator().manual_seed(0))
    seen["after"] = [module.training for module in q.modules()]
    seen["unchanged"] = all(torch.equal(before[name], v) for name, v in q.state_dict().items())
    seen["grads"] = [float(p.grad.mean()) if p.grad is not None else None for p in q.parameters()]
    seen["requires_grad"] = [p.requires_grad for p in q.parameters()]
    seen["grad mode after"] = torch.is_grad_enabled()
    return seen


def check_visit(seen, modes, dtype):
    """The network saw a batch of one, in eval mode and without a graph, and is as it was."""
    form = {
        "shape": object,
        "dtype": str | None,
        "grad mode": bool | None,
        "training": object,
        "after": [bool] * len(modes),
        "unchanged": bool,
        "grads": [float | None] * 4,
        "requires_grad": [bool] * 4,
        "grad mode after": bool,
    }
    assert_form(seen, form, "what was seen of the choice")
    if seen["shape"] is not None:  # with eps 1 the network may be left alone
        assert_form(seen["shape"], (int, ...), "the shape that the network got")
        assert_items(seen["training"], list, len(modes), "the modes of the layers", of=bool)
        if seen["shape"] != (1, 3):
            fail(f"the network should get a batch of one, shape (1, 3), got {seen['shape']}")
        if seen["dtype"] != f"torch.{dtype}":
            fail(f"the network is {dtype}: expected the observation so too, got {seen['dtype']}")
        if any(seen["training"]):
            fail("the network chose in training mode: call q.eval() first")
        if seen["grad mode"]:
            fail("choosing an action records a graph: call q under torch.no_grad()")
    if seen["after"] != modes:
        fail(
            f"expected the modes {modes} of the network and its layers afterwards, as before, got "
            f"{seen['after']}: remember each layer's training flag and put it back"
        )
    if not seen["unchanged"]:
        fail("the network's numbers have changed: BatchNorm's statistics move in training mode")
    if seen["grads"] != [0.0, 1.0, 2.0, 3.0]:
        fail("the gradients of the network have changed")
    if seen["requires_grad"] != [True, False, True, True]:
        fail("requires_grad of the network's parameters has changed")
    if not seen["grad mode after"]:
        fail("gradients are switched off for the whole program: use `with torch.no_grad():`")


@pytest.mark.task("select_action", points=2)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_network_is_only_asked(submission, training, dtype):
    """The network gets a batch of one, of its dtype, in eval mode without a graph, and stays as is."""
    modes = [training] * 5
    numbers = [0.5, 1.0, -2.0]
    check_visit(submission.probe(visit_of_select_action, modes, dtype, numbers, 0.0), modes, dtype)


@pytest.mark.hidden
@pytest.mark.task("select_action", points=1)
@pytest.mark.parametrize("eps", [0.0, 1.0])
def test_each_layer_gets_its_mode_back(submission, eps):
    """Modes of single layers are given back too; whole-number observations are taken."""
    modes = [True, False, False, True, True]
    seen = submission.probe(visit_of_select_action, modes, "float32", [0, 1, 0], eps)
    check_visit(seen, modes, "float32")


# td_targets, double_dqn_targets


def expected_targets(rewards, value, terminated, gamma):
    """Reward, plus the discounted value where the episode goes on."""
    return rewards + gamma * torch.where(terminated, torch.zeros_like(value), value)


def suspects_of_targets(rewards, next_q, value, terminated, gamma):
    """What usual mistakes in a target lead to."""
    goes_on = (~terminated).to(rewards.dtype)
    return {
        "the end is not looked at: nothing comes after a terminated transition": (
            lambda: rewards + gamma * value
        ),
        "the mask is turned around: the future counts where it is NOT terminated": (
            lambda: rewards + gamma * (1 - goes_on) * value
        ),
        "the mask is applied to the reward too: the last reward counts": (
            lambda: (rewards + gamma * value) * goes_on
        ),
        "gamma is not used": lambda: rewards + goes_on * value,
        "gamma is not the one that was given but 0.99": lambda: rewards + 0.99 * goes_on * value,
        "gamma is multiplied to the reward as well": (lambda: gamma * (rewards + goes_on * value)),
        "the reward is missing": lambda: gamma * goes_on * value,
        "there is only the reward, no future": lambda: rewards.clone(),
        "the maximum runs over the whole batch: take it per row, dim 1": (
            lambda: rewards + gamma * goes_on * next_q.max()
        ),
        "this is the mean over the actions, not the best": (
            lambda: rewards + gamma * goes_on * next_q.mean(1)
        ),
        "this is the smallest value, not the best": (
            lambda: rewards + gamma * goes_on * next_q.amin(1)
        ),
        "(b,) met (b, 1), and broadcasting made (b, b) of them": (
            lambda: rewards + gamma * (goes_on * value)[:, None]
        ),
        "an axis of size 1 too many: the shape is (b,)": (
            lambda: expected_targets(rewards, value, terminated, gamma)[:, None]
        ),
        "the numbers of the best actions, not their values, are used": (
            lambda: rewards + gamma * goes_on * next_q.argmax(1)
        ),
    }


def targets_case(random, batch, actions, dtype=torch.float32, device="cpu"):
    """Rewards, two tables of values and flags of both kinds."""
    rewards = random.normal(batch, dtype=dtype, device=device)
    online, target = (3 * random.normal(batch, actions, dtype=dtype, device=device) for _ in "ab")
    terminated = (torch.arange(batch) % 3 == 1).to(device)
    return rewards, online, target, terminated


# Batch, actions, gamma.
TARGET_SIZES = [(6, 3, 0.9), (1, 4, 0.5), (4, 4, 0.7), (5, 1, 0.9), (2, 7, 0.5)]


@pytest.mark.task("td_targets", points=1)
def test_targets_by_hand(submission, device):
    """td_targets gives the numbers of the handout: 5.5, and 3 where the episode terminated."""
    rewards = torch.tensor([1.0, 3.0], device=device)
    next_q = torch.tensor([[2.0, 5.0], [8.0, 4.0]], device=device)
    terminated = torch.tensor([False, True], device=device)
    assert_matches(
        submission.td_targets(rewards, next_q, terminated, 0.9),
        torch.tensor([5.5, 3.0], device=device),
        suspects=suspects_of_targets(rewards, next_q, next_q.amax(1), terminated, 0.9),
    )


@pytest.mark.task("td_targets", points=3)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_best_next_value_counts(submission, device, random, dtype):
    """td_targets adds the discounted best value of each row, unless terminated; keeps the dtype."""
    for batch, actions, gamma in TARGET_SIZES:
        rewards, next_q, _, terminated = targets_case(random, batch, actions, dtype, device)
        value = next_q.amax(1)
        got = assert_inputs_unchanged(submission.td_targets, rewards, next_q, terminated, gamma)
        assert_matches(
            got,
            expected_targets(rewards, value, terminated, gamma),
            suspects=suspects_of_targets(rewards, next_q, value, terminated, gamma),
            **SEVEN_DIGITS[dtype],
        )


@pytest.mark.task("td_targets", points=1)
@pytest.mark.parametrize("which", ["rewards", "next_q", "both"])
def test_targets_are_detached(submission, random, which):
    """td_targets gives numbers to aim at: no gradient flows through them."""
    rewards, next_q, _, terminated = targets_case(random, 4, 3)
    expected = expected_targets(rewards, next_q.amax(1), terminated, 0.9)
    rewards.requires_grad_(which != "next_q")
    next_q.requires_grad_(which != "rewards")
    got = assert_inputs_unchanged(submission.td_targets, rewards, next_q, terminated, 0.9)
    assert_matches(got, expected, requires_grad=False)


@pytest.mark.hidden
@pytest.mark.task("td_targets", points=1)
def test_unusual_targets(submission, device, random):
    """td_targets takes any layout, all or none terminated, gamma 0 and 1, and negative values."""
    rewards, next_q, _, _ = targets_case(random, 6, 3, device=device)
    next_q = (-next_q.abs() - 1).T.contiguous().T
    for terminated in (torch.zeros(6), torch.ones(6)):
        for gamma in (0.0, 1.0):
            flags = terminated.bool().to(device)
            value = next_q.amax(1)
            assert_matches(
                submission.td_targets(rewards.expand(6), next_q, flags, gamma),
                expected_targets(rewards, value, flags, gamma),
                suspects=suspects_of_targets(rewards, next_q, value, flags, gamma),
            )


def suspects_of_double(rewards, online, target, terminated, gamma):
    """What usual mistakes in Double DQN's target lead to."""
    choice = online.argmax(1, keepdim=True)
    value = target.gather(1, choice).squeeze(1)
    roles = {
        "the roles are swapped: the online network chooses, the target network values": (
            lambda: expected_targets(
                rewards,
                online.gather(1, target.argmax(1, keepdim=True)).squeeze(1),
                terminated,
                gamma,
            )
        ),
        "this is the plain target: the target network chose as well": (
            lambda: expected_targets(rewards, target.amax(1), terminated, gamma)
        ),
        "the online network chose and valued: the target network should value": (
            lambda: expected_targets(rewards, online.amax(1), terminated, gamma)
        ),
        "this is the smaller one of both networks' best values": (
            lambda: expected_targets(
                rewards, torch.minimum(online.amax(1), target.amax(1)), terminated, gamma
            )
        ),
    }
    return roles | suspects_of_targets(rewards, target, value, terminated, gamma)


def check_double(submission, rewards, online, target, terminated, gamma):
    """Compare one call with the formula; inputs unchanged."""
    value = target.detach().gather(1, online.detach().argmax(1, keepdim=True)).squeeze(1)
    got = assert_inputs_unchanged(
        submission.double_dqn_targets, rewards, online, target, terminated, gamma
    )
    with torch.no_grad():
        suspects = suspects_of_double(rewards, online, target, terminated, gamma)
        expected = expected_targets(rewards.detach(), value, terminated, gamma)
        assert_matches(
            got, expected, suspects=suspects, requires_grad=False, **SEVEN_DIGITS[rewards.dtype]
        )


@pytest.mark.task("double_dqn_targets", points=1)
def test_double_by_hand(submission, device):
    """double_dqn_targets gives the handout's 3.7: online chooses action 1, target values it 3."""
    rewards = torch.tensor([1.0], device=device)
    online = torch.tensor([[2.0, 5.0]], device=device)
    target = torch.tensor([[4.0, 3.0]], device=device)
    terminated = torch.tensor([False], device=device)
    check_double(submission, rewards, online, target, terminated, 0.9)


@pytest.mark.task("double_dqn_targets", points=3)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_online_chooses_target_values(submission, device, random, dtype):
    """The online network chooses, the target network values; the dtype and the inputs are kept."""
    for batch, actions, gamma in TARGET_SIZES:
        case = targets_case(random, batch, actions, dtype, device)
        check_double(submission, *case, gamma)


@pytest.mark.task("double_dqn_targets", points=1)
def test_double_targets_are_detached(submission, random):
    """double_dqn_targets gives numbers to aim at: no gradient flows through them."""
    rewards, online, target, terminated = targets_case(random, 5, 3)
    for leaves in ([target], [online], [rewards, target]):
        case = [
            x.clone().requires_grad_(any(x is y for y in leaves)) for x in (rewards, online, target)
        ]
        check_double(submission, *case, terminated, 0.9)


@pytest.mark.hidden
@pytest.mark.task("double_dqn_targets", points=1)
def test_unusual_double_targets(submission, device, random):
    """double_dqn_targets takes any layout, all or none terminated, gamma 0 and 1."""
    rewards, online, target, _ = targets_case(random, 6, 3, device=device)
    for terminated in (torch.zeros(6), torch.ones(6)):
        for gamma in (0.0, 1.0):
            flags = terminated.bool().to(device)
            check_double(submission, rewards, online.T.contiguous().T, -target.abs(), flags, gamma)


# dqn_loss


def loss_case(random, batch, observations, actions, dtype=torch.float32, device="cpu"):
    """Two networks, in eval mode, and a batch with errors on both sides of 1."""
    networks = []
    for _ in range(2):
        layers = nn.Sequential(nn.Linear(observations, 8), nn.Tanh(), nn.Linear(8, actions))
        with torch.no_grad():
            for parameter in layers.parameters():
                parameter.copy_(random.normal(*parameter.shape))
        networks.append(layers.to(device, dtype).eval())
    sample = {
        "observation": random.normal(batch, observations, dtype=dtype, device=device),
        "action": random.integers(0, actions, batch, device=device),
        "reward": 2 * random.normal(batch, dtype=dtype, device=device),
        "next_observation": random.normal(batch, observations, dtype=dtype, device=device),
        "terminated": (torch.arange(batch) % 3 == 1).to(device),
    }
    return *networks, sample


def expected_loss(q, target_q, batch, gamma):
    """The loss, from the formula."""
    estimate = q(batch["observation"]).gather(1, batch["action"][:, None]).squeeze(1)
    with torch.no_grad():
        value = target_q(batch["next_observation"]).amax(1)
        target = expected_targets(batch["reward"], value, batch["terminated"], gamma)
    return F.smooth_l1_loss(estimate, target)


def suspects_of_loss(q, target_q, batch, gamma):
    """What usual mistakes in the loss lead to."""
    with torch.no_grad():
        values = q(batch["observation"])
        estimate = values.gather(1, batch["action"][:, None]).squeeze(1)
        next_q = target_q(batch["next_observation"])
        value = next_q.amax(1)
        target = expected_targets(batch["reward"], value, batch["terminated"], gamma)
        own = q(batch["next_observation"])
        chosen = next_q.gather(1, own.argmax(1, keepdim=True)).squeeze(1)

    def against(value):
        return expected_targets(batch["reward"], value, batch["terminated"], gamma)

    return {
        "this is the mean squared error, not the Huber loss": F.mse_loss(estimate, target),
        "this is half the mean squared error, not the Huber loss": (
            F.mse_loss(estimate, target) / 2
        ),
        "this is the mean absolute error, not the Huber loss": F.l1_loss(estimate, target),
        "this is the sum over the batch, not the mean": (
            F.smooth_l1_loss(estimate, target, reduction="sum")
        ),
        "beta is 1, nothing else": F.smooth_l1_loss(estimate, target, beta=0.5),
        "(b, 1) met (b,), and the loss compares everything with everything": (
            (lambda d: torch.where(d.abs() < 1, d * d / 2, d.abs() - 0.5).mean())(
                estimate[:, None] - target
            )
        ),
        "the targets come from q: target_q should value the next observations": (
            F.smooth_l1_loss(estimate, against(own.amax(1)))
        ),
        "this is Double DQN's target: here target_q chooses and values": (
            F.smooth_l1_loss(estimate, against(chosen))
        ),
        "the estimate is the best value: take that of the action taken (gather)": (
            F.smooth_l1_loss(values.amax(1), target)
        ),
        "the estimate is always that of action 0: take that of the action taken (gather)": (
            F.smooth_l1_loss(values[:, 0], target)
        ),
        "`terminated` is not looked at": (
            F.smooth_l1_loss(estimate, batch["reward"] + gamma * value)
        ),
        "gamma is not used": (
            F.smooth_l1_loss(
                estimate, expected_targets(batch["reward"], value, batch["terminated"], 1.0)
            )
        ),
        "gamma is not the one that was given but 0.99": (
            F.smooth_l1_loss(
                estimate, expected_targets(batch["reward"], value, batch["terminated"], 0.99)
            )
        ),
        "the targets are made from `observation`, not from `next_observation`": (
            F.smooth_l1_loss(estimate, against(target_q(batch["observation"]).detach().amax(1)))
        ),
        "q and target_q are swapped": expected_loss(target_q, q, batch, gamma).detach(),
    }


@pytest.mark.task("dqn_loss", points=3)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_loss_of_a_batch(submission, device, random, dtype):
    """dqn_loss is the mean Huber loss between values of the actions taken and TD targets."""
    for *sizes, gamma in [(8, 4, 3, 0.9), (1, 2, 2, 0.6), (16, 3, 5, 0.7)]:
        q, target_q, sample = loss_case(random, *sizes, dtype, device)
        expected = expected_loss(q, target_q, sample, gamma).detach()
        suspects = suspects_of_loss(q, target_q, sample, gamma)
        got = submission.dqn_loss(q, target_q, sample, gamma)
        assert_matches(got, expected, suspects=suspects, requires_grad=True, **SEVEN_DIGITS[dtype])


def gradients_of_loss(student, q, target_q, batch, gamma, training):
    """Gradients after a backward pass, and how the target network and the batch are left."""
    import torch

    for module in target_q.modules():
        module.training = False
    if training:  # only the root: each layer has its own flag
        target_q.training = True
    for parameter in target_q.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = {name: value.clone() for name, value in target_q.state_dict().items()}
    given = {name: rows.clone() for name, rows in batch.items()}
    modes = [module.training for module in target_q.modules()]
    loss = student.dqn_loss(q, target_q, batch, gamma)
    if not isinstance(loss, torch.Tensor) or not loss.requires_grad:
        return {"detached": True, "gradients": []}
    loss.backward()
    return {
        "detached": False,
        "gradients": [p.grad for p in q.parameters()],
        "stale": all(
            p.grad is not None and bool((p.grad == 1).all()) for p in target_q.parameters()
        ),
        "requires_grad": all(p.requires_grad for p in target_q.parameters()),
        "numbers": all(torch.equal(before[n], v) for n, v in target_q.state_dict().items()),
        "modes": [module.training for module in target_q.modules()] == modes,
        "batch": set(given) == set(batch)
        and all(torch.equal(given[name], batch[name]) for name in given),
        "grad mode": torch.is_grad_enabled(),
    }


@pytest.mark.task("dqn_loss", points=3)
@pytest.mark.parametrize("training", [False, True], ids=["eval", "partly training"])
def test_only_q_learns(submission, random, training):
    """The gradient goes into q, through its estimate alone; nothing about target_q changes."""
    q, target_q, sample = loss_case(random, 8, 4, 3)
    expected = torch.autograd.grad(expected_loss(q, target_q, sample, 0.9), list(q.parameters()))
    seen = submission.probe(
        gradients_of_loss, copy.deepcopy(q), copy.deepcopy(target_q), sample, 0.9, training
    )
    if assert_kind(assert_items(seen, dict)["detached"], bool):
        fail("the loss is cut from the graph: q must learn from it, so leave its estimate attached")
    flags = ("stale", "requires_grad", "numbers", "modes", "batch", "grad mode")
    form = {"detached": bool, "gradients": [object] * 4, **dict.fromkeys(flags, bool)}
    assert_form(seen, form, "what was seen of the loss")
    if not seen["stale"]:
        fail(
            "the gradients of target_q have changed: make the target under torch.no_grad(), and "
            "leave the .grad of target_q's parameters alone"
        )
    for name, words in {
        "requires_grad": "requires_grad of target_q's parameters",
        "numbers": "a parameter or buffer of target_q",
        "modes": "the training mode of target_q or of one of its layers",
        "batch": "the batch",
    }.items():
        if not seen[name]:
            fail(f"{words} has changed: dqn_loss may change nothing but gradients of q")
    if not seen["grad mode"]:
        fail("gradients are switched off for the whole program: use `with torch.no_grad():`")
    for number, (got, want) in enumerate(zip(seen["gradients"], expected, strict=True)):
        if got is None:
            fail(f"parameter {number} of q got no gradient")
        assert_matches(got, want, what=f"the gradient of parameter {number} of q")


def gradient_when_both_are_one(student, network, batch, gamma):
    """The gradients when one network is given as q and as target_q."""
    loss = student.dqn_loss(network, network, batch, gamma)
    loss.backward()
    return [p.grad for p in network.parameters()]


@pytest.mark.task("dqn_loss", points=1)
def test_target_is_a_constant(submission, random):
    """Also with one network in both roles, gradients flow through the estimate alone."""
    q, _, sample = loss_case(random, 9, 3, 2)
    expected = torch.autograd.grad(expected_loss(q, q, sample, 0.9), list(q.parameters()))
    got = submission.probe(gradient_when_both_are_one, copy.deepcopy(q), sample, 0.9)
    assert_items(got, list, len(expected), "the gradients")
    for number, (found, want) in enumerate(zip(got, expected, strict=True)):
        assert_matches(
            found,
            want,
            what=f"the gradient of parameter {number} (a target is a constant: detach it)",
        )


def loss_of_other_networks(student, q, target_q, batch, gamma):
    """The loss with networks for pictures and BatchNorm in eval mode, as a number."""
    before = {name: value.clone() for name, value in target_q.state_dict().items()}
    loss = student.dqn_loss(q, target_q, batch, gamma).item()
    return loss, all((before[name] == v).all().item() for name, v in target_q.state_dict().items())


@pytest.mark.hidden
@pytest.mark.task("dqn_loss", points=1)
def test_loss_of_other_networks(submission, random):
    """dqn_loss takes observations of any shape and a target network with statistics."""
    networks = []
    for _ in range(2):
        model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 4))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(random.normal(*parameter.shape))
        networks.append(model.eval())
    batch = loss_case(random, 6, 1, 4)[2]
    batch["observation"], batch["next_observation"] = random.normal(2, 6, 2, 3, 3)
    expected = expected_loss(*networks, batch, 0.8).item()
    seen = submission.probe(loss_of_other_networks, *networks, batch, 0.8)
    got, same = assert_form(seen, (float, bool), "the loss and whether the target stayed")
    assert_matches(got, expected, rtol=1e-4)
    if not same:
        fail("the statistics of target_q have moved: run it in the mode it is in")


# soft_update


def pair_of_networks(random, device="cpu", dtype=torch.float32):
    """Two networks of one build with different parameters, statistics and counts."""
    networks = []
    for count in (2, 5):
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
        with torch.no_grad():
            for tensor in model.state_dict().values():
                if tensor.is_floating_point():
                    tensor.copy_(random.normal(*tensor.shape))
                else:
                    tensor.fill_(count)
        networks.append(model.to(device, dtype))
    return networks


def check_soft_update(submission, target, online, tau):
    """Compare one call with the formula, for parameters and buffers."""
    trained = {name for name, _ in target.named_parameters()}
    slow = {name: value.clone() for name, value in target.state_dict().items()}
    fast = {name: value.clone() for name, value in online.state_dict().items()}
    submission.soft_update(target, online, tau)
    for name, got in target.state_dict().items():
        a, b = slow[name], fast[name]
        if name in trained:
            suspects = {
                "tau is on the wrong side: the target moves by tau, not by 1 - tau": (
                    (1 - tau) * b + tau * a
                ),
                "this is a full copy of the online network": b.clone(),
                "nothing was changed: write into the target's own tensors": a.clone(),
                "tau * online is added, but the target was not scaled by 1 - tau": a + tau * b,
                "tau * online alone: the target's own part is missing": tau * b,
            }
            expected = tau * b + (1 - tau) * a
        else:
            suspects = {
                "a buffer is copied, not mixed": tau * b + (1 - tau) * a if b.dim() else None,
                "buffers are copied too, not parameters alone": a.clone(),
            }
            expected = b
        suspects = {words: value for words, value in suspects.items() if value is not None}
        assert_matches(got, expected, what=f"{name} of the target", suspects=suspects)
    for name, got in online.state_dict().items():
        assert_matches(got, fast[name], what=f"{name} of the online network", rtol=0.0, atol=0.0)


@pytest.mark.task("soft_update", points=2)
@pytest.mark.trains
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_target_moves_a_part_of_the_way(submission, device, random, dtype):
    """Each parameter becomes tau * online + (1 - tau) * target; online stays; buffers are copied."""
    target, online = pair_of_networks(random, device, dtype)
    for tau in (0.25, 0.01, 0.9):
        check_soft_update(submission, target, online, tau)


@pytest.mark.task("soft_update", points=1)
@pytest.mark.trains
@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_ends_of_the_way(submission, random, tau):
    """tau 1 copies the online network, tau 0 keeps the target's parameters; buffers are copied."""
    target, online = pair_of_networks(random)
    check_soft_update(submission, target, online, tau)


def state_after_update(student, target, online, tau):
    """Whether the target's tensors are the same objects afterwards, on their own, without graph."""
    import torch

    for number, parameter in enumerate(target.parameters()):
        parameter.requires_grad_(number != 2)
        parameter.grad = torch.ones_like(parameter)
    tensors = [*target.parameters(), *target.buffers()]
    places = [tensor.data_ptr() for tensor in tensors]
    modes = [module.training for module in (*target.modules(), *online.modules())]
    student.soft_update(target, online, tau)
    after = [*target.parameters(), *target.buffers()]
    others = {t.data_ptr() for t in (*online.parameters(), *online.buffers())}
    seen = {
        "same tensors": all(a is b for a, b in zip(tensors, after, strict=True))
        and places == [tensor.data_ptr() for tensor in after],
        "aliased": any(tensor.data_ptr() in others for tensor in after),
        "leaves": all(p.is_leaf and p.grad_fn is None for p in target.parameters()),
        "requires_grad": [p.requires_grad for p in target.parameters()],
        "grads": all(p.grad is not None and bool((p.grad == 1).all()) for p in target.parameters()),
        "online grads": all(p.grad is None and p.requires_grad for p in online.parameters()),
        "modes": modes == [module.training for module in (*target.modules(), *online.modules())],
    }
    before = [tensor.detach().clone() for tensor in after]
    with torch.no_grad():
        for tensor in (*online.parameters(), *online.buffers()):
            tensor.add_(1)
    seen["follows"] = not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    return seen


@pytest.mark.task("soft_update", points=2)
@pytest.mark.parametrize("tau", [0.25, 1.0])
def test_target_keeps_its_own_tensors(submission, random, tau):
    """The update is in place, shares no memory with the online network and records no graph."""
    target, online = pair_of_networks(random)
    target.eval()
    seen = submission.probe(state_after_update, target, online, tau)
    flags = ("same tensors", "aliased", "leaves", "grads", "online grads", "modes", "follows")
    form = {"requires_grad": [bool] * 6, **dict.fromkeys(flags, bool)}
    assert_form(seen, form, "what was seen of the update")
    if seen["aliased"] or seen["follows"]:
        fail(
            "target and online network share memory after the update: copy numbers into the "
            "target's tensors (copy_, lerp_), do not assign the online network's tensors"
        )
    if not seen["leaves"]:
        fail("the target's parameters hang on a graph: update them under torch.no_grad()")
    if not seen["same tensors"]:
        fail(
            "the target has other tensors than before: write into its own, in place "
            "(methods that end in _), so that whoever holds them sees the update"
        )
    if seen["requires_grad"] != [number != 2 for number in range(6)]:
        fail("requires_grad of the target's parameters has changed")
    if not seen["grads"]:
        fail("the .grad of the target's parameters has changed: an update needs no gradients")
    if not seen["online grads"]:
        fail("gradients or requires_grad of the online network have changed")
    if not seen["modes"]:
        fail("the training mode of a network has changed")


# train_dqn


def played(student, script, steps, seeds, settings, still):
    """Everything that happens to a scripted environment, once for each of the seeds.

    The script is a list of episodes: (number of steps, how it ends). Rewards are 1, 2, 3, ..., where
    the world stands `still` always 1, with one observation.
    """
    import random

    import gymnasium as gym
    import numpy as np
    import torch

    class Scripted(gym.Env):
        observation_space = gym.spaces.Box(-np.inf, np.inf, (3,), np.float32)
        action_space = gym.spaces.Discrete(4)

        def __init__(self):
            self.log, self.seeds, self.count, self.episode, self.left = [], [], 0, -1, 0
            self.faults = []

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            if self.left:
                self.faults.append(f"reset after step {self.count}, in the middle of an episode")
            self.seeds.append(seed)
            self.episode += 1
            self.left, self.ends = script[self.episode % len(script)]
            self.shown = self.look()
            return self.shown.copy(), {}

        def look(self):
            return np.ones(3, np.float32) if still else self.np_random.normal(size=3).astype("f")

        def step(self, action):
            if not self.left:
                self.faults.append(f"step {self.count + 1} came after the end of an episode")
            self.log.append((self.shown.tolist(), type(action).__name__, int(action)))
            self.count += 1
            self.left = max(0, self.left - 1)
            over = not self.left
            self.shown = self.look()
            ended, cut = over and self.ends == "terminated", over and self.ends == "truncated"
            reward = 1.0 if still else float(self.count)
            return self.shown.copy(), reward, ended, cut, {}

    runs = []
    for place, (seed, weights) in enumerate(seeds):
        env = Scripted()
        np.random.seed(place)
        random.seed(place)
        torch.default_generator.manual_seed(weights)
        gen = torch.Generator().manual_seed(seed)
        result = student.train_dqn(env, steps, gen, **settings)
        run = {
            "seeds": env.seeds,
            "faults": env.faults,
            "observations": [entry[0] for entry in env.log],
            "types": sorted({entry[1] for entry in env.log}),
            "actions": [entry[2] for entry in env.log],
            "result": type(result).__name__,
            **dict.fromkeys(("network", "returns", "return types", "weights"), None),
            **dict.fromkeys(("gradients", "values"), None),
        }
        if isinstance(result, tuple) and len(result) == 2:
            q, returns = result
            run["network"] = isinstance(q, torch.nn.Module)
            run["returns"] = list(returns) if isinstance(returns, list) else None
            run["return types"] = sorted({type(value).__name__ for value in returns})
            if run["network"]:
                run["weights"] = [p.detach().flatten().tolist() for p in q.parameters()]
                run["gradients"] = [
                    None if p.grad is None else p.grad.flatten().tolist() for p in q.parameters()
                ]
                q.eval()
                with torch.no_grad():
                    run["values"] = q(torch.tensor(run["observations"])).tolist()
        runs.append(run)
    return runs


SCRIPT = [(3, "terminated"), (2, "truncated"), (1, "terminated"), (5, "truncated")]


def play(submission, random, steps, seeds=None, script=SCRIPT, still=False, **settings):
    """Runs of train_dqn in the scripted environment, once their form is right."""
    seeds = seeds or [(random.seed(), random.seed())]
    runs = submission.probe(played, script, steps, seeds, settings, still)
    form = {
        "seeds": [int | None, ...],
        "faults": list[str],
        "observations": list[[float] * 3],
        "types": list[str],
        "actions": list[int],
        "result": str,
        **dict.fromkeys(("network", "returns", "return types"), object),
        **dict.fromkeys(("weights", "gradients", "values"), object),
    }
    for run in assert_form(runs, [form] * len(seeds), "what was seen of the training"):
        if run["result"] != "tuple" or run["network"] is None:
            fail(f"expected the pair (q, returns), got {run['result']}")
        if not assert_kind(run["network"], bool):
            fail("expected the trained network, an nn.Module, as the first of the pair")
        if run["returns"] is None:
            fail("expected the returns as a list, the second of the pair")
    ended = {
        **form,
        "network": bool,
        "returns": list[float],
        "return types": list[str],
        "weights": [[float, ...], ...],
        "gradients": [list | None, ...],
        "values": list[[float] * 4],
    }
    return assert_form(runs, [ended] * len(seeds), "what was seen of the training")


@pytest.mark.task("train_dqn", points=2)
@pytest.mark.timeout(60)
@pytest.mark.parametrize("steps", [30, 11], ids=["cut in an episode", "ends with an episode"])
def test_episodes_are_played(submission, random, steps):
    """train_dqn takes `steps` steps, starts again after both kinds of end, and sums each episode."""
    run = play(submission, random, steps, batch_size=4, warmup=8)[0]
    if run["faults"]:
        fail(
            f"{run['faults'][0]}: call env.reset() after each end, terminated or truncated, and only "
            "then"
        )
    if len(run["actions"]) != steps:
        fail(f"expected {steps} calls of env.step, got {len(run['actions'])}")
    if run["types"] != ["int"]:
        fail(f"expected each action as a Python int, got {', '.join(run['types'])}")
    expected, first, episode = [], 1, 0
    while first + SCRIPT[episode % 4][0] - 1 <= steps:
        length = SCRIPT[episode % 4][0]
        expected.append(float(sum(range(first, first + length))))
        first, episode = first + length, episode + 1
    if run["return types"] != ["float"]:
        fail(f"expected Python floats as returns, got {', '.join(run['return types']) or 'none'}")
    if run["returns"] != expected:
        note = ""
        if run["returns"][: len(expected)] == expected:
            note = "; an episode that is not finished has no return yet"
        elif run["returns"] and run["returns"][0] == expected[0]:
            note = "; does the sum start at 0 in every episode, and does every end count?"
        elif run["returns"]:
            note = "; a return is the plain sum of an episode's rewards, without discount"
        fail(
            f"the rewards are 1, 2, 3, ..., the episodes 3, 2, 1, 5 steps long: expected the returns "
            f"{expected}, got {run['returns']}{note}"
        )


@pytest.mark.task("train_dqn", points=2)
@pytest.mark.timeout(60)
def test_gen_decides(submission, random):
    """One seed for the environment, drawn from gen; the same gen and weights give the same run."""
    seed, other, weights = random.seed(), random.seed(), random.seed()
    seeds = [(seed, weights), (seed, weights), (other, weights)]
    runs = play(submission, random, 60, seeds, batch_size=4, warmup=10, train_every=2)
    for run in runs:
        first, *later = run["seeds"]
        if first is None:
            fail("the environment was not seeded: env.reset(seed=...) at the first reset")
        if not isinstance(first, int):
            fail(f"expected the environment's seed as an int, got {type(first).__name__}")
        if any(value is not None for value in later):
            fail(
                "a later reset got a seed too: seed the environment once, or every episode starts "
                "in the same way"
            )
    if runs[0]["seeds"][0] == runs[2]["seeds"][0]:
        fail("two generators gave the environment the same seed: draw the seed from gen")
    for name in ("seeds", "observations", "actions", "returns", "weights"):
        if runs[0][name] != runs[1][name]:
            fail(
                f"two runs with equal gen and initial weights differ in their {name}: all chance "
                "comes from gen (env.action_space.sample() and NumPy have generators of their own)"
            )
    if runs[0]["actions"] == runs[2]["actions"]:
        fail("runs with different generators took the same actions: explore with gen")


def share_greedy(run, part):
    """The share of steps in which the action was the best one, by the network that came back."""
    pairs = list(zip(run["actions"], run["values"], strict=True))[part]
    if not pairs:
        fail("the environment was never asked for a step")
    return sum(action == row.index(max(row)) for action, row in pairs) / len(pairs)


@pytest.mark.task("train_dqn", points=2)
@pytest.mark.timeout(60)
def test_exploration_follows_the_schedule(submission, random):
    """The share of random actions falls with the steps, from epsilon_start to epsilon_end."""
    still = {"warmup": 10_000, "batch_size": 4}  # no training: the network stays as it is
    greedy = play(submission, random, 80, epsilon_start=0.0, epsilon_end=0.0, **still)[0]
    if share_greedy(greedy, slice(None)) < 1:
        fail(
            "with epsilon_start and epsilon_end 0 and no training, not all actions were the best ones "
            "for the observation that was shown: is it the newest observation, also after a reset? "
            "are epsilon_start and epsilon_end passed on, is `warmup` obeyed?"
        )
    random_play = play(submission, random, 300, epsilon_start=1.0, epsilon_end=1.0, **still)[0]
    if share_greedy(random_play, slice(None)) > 0.45:  # 0.25 + 8 standard deviations
        fail("with epsilon 1 all actions should be random, but most were the best ones")
    falling = play(
        *(submission, random, 600), epsilon_start=1.0, epsilon_end=0.0, epsilon_decay=400, **still
    )[0]
    early, middle, late = (
        share_greedy(falling, part) for part in (slice(0, 100), slice(150, 350), slice(400, None))
    )
    if late < 1:
        fail(
            f"epsilon_decay is 400 and epsilon_end 0: expected the best action at every step from 400 "
            f"on, got it in {late:.0%}: does epsilon count steps, not episodes?"
        )
    # Expected: 0.34, with the standard deviation 0.047; and 0.72, with 0.032.
    if early > 0.65 or not 0.53 < middle < 0.91:
        fail(
            f"epsilon falls from 1 at step 0 to 0 at step 400: expected the best action in about 34 % "
            f"of the first 100 steps and 72 % of the steps 150 to 350, got {early:.0%}, {middle:.0%}"
        )
    default = play(submission, random, 400, epsilon_start=1.0, epsilon_end=0.0, **still)[0]
    early, late = (share_greedy(default, part) for part in (slice(0, 100), slice(340, None)))
    # Without `epsilon_decay`: 0.34 and 0.94, with the standard deviations 0.047 and 0.03.
    if early > 0.65 or late < 0.72:
        fail(
            "without epsilon_decay, epsilon should fall during all the steps: expected the best action "
            f"in about 34 % of the first 100 and 94 % of the last 60 of 400, got {early:.0%}, {late:.0%}"
        )


@pytest.mark.task("train_dqn", points=1)
@pytest.mark.timeout(60)
def test_settings_of_the_network(submission, random):
    """`lr` and `hidden` are used, and training begins after `warmup` steps."""
    seeds = [(random.seed(), random.seed())]
    quick = {"batch_size": 4, "train_every": 1, "epsilon_end": 1.0}
    still = play(submission, random, 40, seeds, warmup=1000, **quick)[0]["weights"]
    zero = play(submission, random, 40, seeds, warmup=10, lr=0.0, **quick)[0]["weights"]
    moved = play(submission, random, 40, seeds, warmup=10, lr=0.01, **quick)[0]["weights"]
    wide = play(submission, random, 6, seeds, warmup=10, hidden=70, **quick)[0]["weights"]
    if zero != still:
        fail("with lr 0 the network must not change: pass lr on to the optimizer")
    if moved == still:
        fail("the network has not changed by training: backward, then optimizer.step()")
    if sum(map(len, wide)) <= sum(map(len, still)):
        fail("hidden=70 made the network no larger than the default 64: pass hidden on to QNetwork")


@pytest.mark.task("train_dqn", points=3)
@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", ["gamma", "the end", "tau"])
def test_targets_are_those_of_the_settings(submission, random, what):
    """gamma, tau and the kind of end count: change one, and other weights are learned."""
    seeds = [(random.seed(), random.seed())]
    quick = {"batch_size": 4, "train_every": 1, "warmup": 10, "lr": 0.01, "epsilon_end": 1.0}
    changes = {
        "gamma": ({"gamma": 0.5}, {"gamma": 0.9}),
        "the end": ({"script": [(2, "terminated")]}, {"script": [(2, "truncated")]}),
        "tau": ({"tau": 0.0}, {"tau": 1.0}),
    }[what]
    runs = [play(submission, random, 40, seeds, **quick | change)[0] for change in changes]
    if runs[0]["actions"] != runs[1]["actions"]:
        fail(
            "with epsilon 1 and one seed, two runs took different actions: draw them from gen alone"
        )
    if runs[0]["weights"] == runs[1]["weights"]:
        fail(
            {
                "gamma": "gamma 0.5 and gamma 0.9 led to the very same network: hand gamma on to the loss",
                "the end": (
                    "episodes that terminate and episodes that are truncated led to the very same "
                    "network: store `terminated`, not `terminated or truncated`, for a time limit is "
                    "not the end of the world"
                ),
                "tau": (
                    "tau 0 (the target network stands still) and tau 1 (it is copied) led to the very "
                    "same network: the target network is a second network, copy.deepcopy(q); it values "
                    "the next observations, and soft_update(target_q, q, tau) follows each training step"
                ),
            }[what]
        )


def training_steps(student, env, settings):
    """How many optimizer steps train_dqn takes in each setting; torch's own optimizers count."""
    import torch
    from torch.optim.optimizer import register_optimizer_step_post_hook

    counts = []
    for steps, more in settings:
        counts.append(0)

        def count(optimizer, args, kwargs):
            counts[-1] += 1

        hook = register_optimizer_step_post_hook(count)
        try:
            student.train_dqn(env, steps, torch.Generator().manual_seed(0), hidden=4, **more)
        finally:
            hook.remove()
    return counts


@pytest.mark.task("train_dqn", points=1)
@pytest.mark.timeout(60)
def test_training_waits_for_a_batch_and_for_its_turn(submission):
    """train_dqn learns at every train_every-th step, from warmup on, once the memory holds a batch."""
    import gymnasium as gym

    settings = [
        (40, {"batch_size": 2, "warmup": 8, "train_every": 8}),
        (30, {"batch_size": 20, "warmup": 0, "train_every": 1}),
    ]
    counts = submission.probe(training_steps, gym.make("CartPole-v1"), settings)
    every, early = assert_form(counts, [int, int], "the numbers of training steps")
    if every > 0 and not 3 <= every <= 5:
        fail(
            f"40 steps with warmup 8 and train_every 8: expected 4 training steps, got {every}: train "
            "where step % train_every == 0"
        )
    if early > 0 and not 9 <= early <= 11:
        fail(
            f"30 steps with batches of 20 and warmup 0: expected about 10 training steps, got {early}: "
            "only from step `warmup` on, and once the memory holds a batch"
        )


@pytest.mark.task("train_dqn", points=1)
@pytest.mark.timeout(60)
def test_gradients_are_cleared(submission, random):
    """Each training step uses the gradient of its own batch, without those of earlier ones."""
    seeds = [(random.seed(), random.seed())]
    alike = {"batch_size": 4, "train_every": 1, "warmup": 5, "lr": 0.0, "epsilon_end": 0.0}
    few, many = (
        play(
            submission, random, steps, seeds, [(1, "terminated")], True, epsilon_start=0.0, **alike
        )
        for steps in (8, 30)
    )
    # A world that stands still, and learning rate 0: every batch has the same gradient.
    for first, last in zip(few[0]["gradients"], many[0]["gradients"], strict=True):
        if first is None or last is None:  # cleared at the end, or never in .grad
            continue
        for numbers in (first, last):
            assert_form(numbers, [float, ...], "a gradient")
        if not torch.allclose(torch.tensor(first), torch.tensor(last), rtol=1e-3, atol=1e-5):
            fail(
                "all batches are alike and lr is 0, but the gradient after 30 steps is another one than "
                "after 8: gradients add up until optimizer.zero_grad(), before each backward"
            )


@pytest.mark.task("train_dqn", points=1)
@pytest.mark.timeout(60)
def test_training_on_the_device(submission, device, random):
    """The networks and batches of train_dqn are on gen.device."""
    import gymnasium as gym

    gen = random.generator(device)
    settings = {"batch_size": 8, "warmup": 20, "epsilon_end": 0.5, "hidden": 16}
    got = submission.train_dqn(gym.make("CartPole-v1"), 60, gen, **settings)
    if not isinstance(got, tuple) or len(got) != 2 or not isinstance(got[0], nn.Module):
        fail(f"expected the pair (network, returns), got {type(got).__name__}")
    assert_items(got[1], list, None, "the returns", of=float)
    with torch.no_grad():
        values_of(got[0], random.normal(3, 4, device=device), 2)


def exact_values(gamma):
    """The exact value Q*(cell, action) of the grid, by value iteration; float64; 0 in the goal and in the pit.

    It stands here, and not beside the grid: a submission may import `datasets`, but never a grader.
    """
    from datasets.gridworld import CELLS, MOVES, STARTS, after, reward_of

    values = torch.zeros(CELLS, len(MOVES), dtype=torch.float64)
    for _ in range(CELLS):  # no best path is longer: nothing changes after that
        best = values.amax(1)
        values = torch.zeros_like(values)
        for cell in STARTS:
            for action in range(len(MOVES)):
                there = after(cell, action)
                values[cell, action] = reward_of(there) + gamma * best[there]
    return values


def told_by_grid(got, best):
    """What is wrong with the values, as far as they tell."""
    from datasets.gridworld import STARTS

    last = got[14, 1].item()  # right beside the goal: the step into it
    if got[STARTS].abs().max() > 3 or last > 1.3:
        return "values grow although the best is 1: does anything come after `terminated`?"
    if abs(got[12].max().item()) < 0.3 and abs(last - 1) < 0.1:
        return (
            "far from the goal the values stay near 0: does the target network follow (soft_update), "
            "is the next observation's value used?"
        )
    if abs(last - 1) < 0.1 and (best - got)[STARTS].mean() > 0.02:
        return (
            "values are too small the farther the goal is. Is gamma the one that was given? Episodes "
            "are cut off after 5 steps here: `truncated` is not the end of the world, so store "
            "`terminated` alone, with the next observation that env.step gave, not that of the reset"
        )
    if (got - best)[STARTS].mean() > 0.02:
        return "values are too large: is gamma the one that was given?"
    return (
        "is the stored next observation the one that env.step gave, also at the end of an episode, not "
        "that of the reset? And does the target network follow slowly, by tau at each training step?"
    )


@pytest.mark.task("train_dqn", points=4)
@pytest.mark.devices("cpu", "cuda")  # test_training_on_the_device is quicker on a simulated GPU
@pytest.mark.timeout(60)
def test_grid_is_solved(submission, device, random, threshold):
    """On the grid of the handout, cut off after 5 steps, train_dqn finds the exact values Q*."""
    from datasets.gridworld import CELLS, STARTS, GridWorld

    best = exact_values(0.9).float()
    torch.manual_seed(random.seed())
    settings = {"gamma": 0.9, "epsilon_end": 1.0, "warmup": 200}
    got = submission.train_dqn(GridWorld(limit=5), 1800, random.generator(device), **settings)
    if not isinstance(got, tuple) or len(got) != 2 or not isinstance(got[0], nn.Module):
        fail(f"expected the pair (network, returns), got {type(got).__name__}")
    with torch.no_grad():
        got[0].eval()
        values = values_of(got[0], torch.eye(CELLS, device=device), 4).cpu().clone()
    error = (values - best)[STARTS].abs().max().item()
    threshold.require(
        "grid_error", error, "the largest |Q - Q*| on the grid", told_by_grid(values, best)
    )


def steps_balanced(q, seed, device, games=10):
    """How long the greedy program keeps the pole up, in the mean of so many games."""
    import gymnasium as gym

    games_at_once = gym.make_vec(
        "CartPole-v1", num_envs=games, vectorization_mode="vector_entry_point"
    )
    observation, _ = games_at_once.reset(seed=seed)
    alive, total = torch.ones(games, dtype=torch.bool), 0
    q.eval()
    for _ in range(500):
        with torch.no_grad():
            values = values_of(q, torch.as_tensor(observation, device=device), 2)
        observation, _, terminated, truncated, _ = games_at_once.step(
            values.argmax(1).cpu().numpy()
        )
        total += int(alive.sum())
        alive &= ~torch.as_tensor(terminated | truncated)
        if not alive.any():
            break
    return total / games


@pytest.mark.task("train_dqn", points=3)
@pytest.mark.devices("cpu", "cuda")
@pytest.mark.timeout(60)
def test_pole_is_balanced(submission, device, random, threshold):
    """After 4000 steps of CartPole the greedy program balances the pole for a good while."""
    import gymnasium as gym

    tries = []
    for _ in range(2):
        torch.manual_seed(random.seed())
        got = submission.train_dqn(gym.make("CartPole-v1"), 4000, random.generator(device))
        if not isinstance(got, tuple) or len(got) != 2 or not isinstance(got[0], nn.Module):
            fail(f"expected the pair (network, returns), got {type(got).__name__}")
        steps = steps_balanced(got[0], random.seed(), device)
        if threshold.reached(cartpole_log_steps=math.log(steps)):
            return
        tries.append(f"{steps:.0f}")
    fail(
        f"expected the pole to stand for at least {math.exp(threshold('cartpole_log_steps')):.0f} steps "
        f"in the mean of ten games, got {' and '.join(tries)} (always the same action: 9). Where the "
        "grid is solved, "
        "look at the exploration, and at the observation that each action is chosen for"
    )
