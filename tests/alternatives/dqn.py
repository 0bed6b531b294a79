"""Unusual right answers to `dqn` that must get full marks."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.answers import alternative, edit

EDITS = [
    edit(
        "ReplayBuffer",
        "drawn by sorting random numbers",
        "torch.randperm(len(self), generator=gen, device=gen.device)",
        "torch.rand(len(self), generator=gen, device=gen.device).argsort()",
    ),
    edit(
        "epsilon",
        "clipped progress",
        "return start + (end - start) * step / decay",
        "progress = min(max(step / decay, 0.0), 1.0)\n    return (1 - progress) * start + progress * end",
    ),
    edit(
        "td_targets",
        "a mask of numbers, written in place into a copy",
        "return (rewards + gamma * best * ~terminated).detach()",
        "out = rewards.detach().clone()\n"
        "    out += gamma * (1 - terminated.to(out.dtype)) * best.detach()\n"
        "    return out",
    ),
    edit(
        "td_targets",
        "a discount of float32 for each row",
        "gamma * best * ~terminated",
        "gamma * (1 - terminated.float()) * best",
    ),
    edit(
        "double_dqn_targets",
        "a discount of float32 for each row",
        "gamma * value * ~terminated",
        "gamma * ~terminated * value",
    ),
    edit(
        "soft_update",
        "a weighted sum, copied",
        "slow.lerp_(fast, tau)",
        "slow.copy_(tau * fast + (1 - tau) * slow)",
    ),
    edit(
        "soft_update",
        "through .data",
        "slow.lerp_(fast, tau)",
        "slow.data.mul_(1 - tau).add_(tau * fast.data)",
    ),
    edit("train_dqn", "AdamW", "torch.optim.Adam(", "torch.optim.AdamW("),
    edit(
        "train_dqn",
        "gradient clipping",
        "            optimizer.step()\n",
        "            nn.utils.clip_grad_norm_(q.parameters(), 10.0)\n            optimizer.step()\n",
    ),
    edit(
        "train_dqn",
        "a fresh target network with the state of the other, never trained",
        "target_q = copy.deepcopy(q)",
        "state = torch.get_rng_state()\n"
        "    target_q = QNetwork(observation_shape[0], int(env.action_space.n), hidden).to(gen.device)\n"
        "    torch.set_rng_state(state)\n"
        "    target_q.load_state_dict(q.state_dict())\n"
        "    target_q.requires_grad_(False).eval()",
    ),
]


@alternative("ReplayBuffer", "a deque of tuples, stacked when sampled, drawn with Python's random")
class ReplayBufferDeque:
    def __init__(self, capacity, observation_shape):
        from collections import deque

        self.rows = deque(maxlen=capacity)
        self.shape = observation_shape

    def push(self, observation, action, reward, next_observation, terminated):
        row = np.array(observation, dtype=np.float32, copy=True)
        following = np.array(next_observation, dtype=np.float32, copy=True)
        self.rows.append((row, int(action), float(reward), following, bool(terminated)))

    def __len__(self):
        return len(self.rows)

    def sample(self, batch, gen):
        if len(self.rows) < batch:
            raise ValueError(f"only {len(self.rows)} stored")
        import random

        seed = torch.randint(2**62, (), generator=gen, device=gen.device).item()
        picked = random.Random(seed).sample(list(self.rows), batch)
        s, a, r, n, t = zip(*picked)
        where = gen.device
        return {
            "terminated": torch.tensor(t, device=where),
            "next_observation": torch.from_numpy(np.stack(n)).to(where),
            "reward": torch.tensor(r, device=where),
            "action": torch.tensor(a, device=where),
            "observation": torch.from_numpy(np.stack(s)).to(where),
        }


@alternative("ReplayBuffer", "NumPy arrays, newest first")
class ReplayBufferRolled:
    def __init__(self, capacity, observation_shape):
        self.n, self.size = capacity, 0
        self.s = np.zeros((capacity, *observation_shape), np.float32)
        self.s2 = self.s.copy()
        self.a, self.r = np.zeros(capacity, np.int64), np.zeros(capacity, np.float32)
        self.t = np.zeros(capacity, bool)

    def push(self, observation, action, reward, next_observation, terminated):
        pairs = [
            (self.s, observation),
            (self.s2, next_observation),
            (self.a, action),
            (self.r, reward),
            (self.t, terminated),
        ]
        for rows, value in pairs:
            rows[1:] = rows[:-1].copy()
            rows[0] = np.asarray(value)
        self.size += self.size < self.n

    def __len__(self):
        return self.size

    def sample(self, batch, gen):
        if batch > self.size:
            raise ValueError("too many")
        weights = torch.ones(self.size, device=gen.device)
        index = torch.multinomial(weights, batch, replacement=False, generator=gen).cpu().numpy()
        names = ("observation", "next_observation", "action", "reward", "terminated")
        columns = (self.s, self.s2, self.a, self.r, self.t)
        return {k: torch.tensor(v[index]).to(gen.device) for k, v in zip(names, columns)}


@alternative("QNetwork", "tanh, a ModuleList", trained=True)
class QNetworkTanh(nn.Module):
    def __init__(self, observations, actions, hidden=64):
        super().__init__()
        sizes = [observations, hidden, hidden]
        self.stack = nn.ModuleList([nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])])
        self.out = nn.Linear(hidden, actions)

    def forward(self, x):
        for layer in self.stack:
            x = torch.tanh(layer(x))
        return self.out(x)


@alternative("QNetwork", "dueling heads")
class QNetworkDueling(nn.Module):
    def __init__(self, observations, actions, hidden=64):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(observations, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.value, self.advantage = nn.Linear(hidden, 1), nn.Linear(hidden, actions)

    def forward(self, x):
        x = self.body(x)
        advantage = self.advantage(x)
        return self.value(x) + advantage - advantage.max(1, keepdim=True).values.detach()


@alternative("QNetwork", "last layer starts at zero")
class QNetworkZero(nn.Module):
    def __init__(self, observations, actions, hidden=64):
        super().__init__()
        self.f1 = nn.Linear(observations, hidden)
        self.f2 = nn.Linear(hidden, hidden)
        self.f3 = nn.Linear(hidden, actions)
        nn.init.zeros_(self.f3.weight)
        nn.init.zeros_(self.f3.bias)

    def forward(self, x):
        return self.f3(F.silu(self.f2(F.silu(self.f1(x)))))


@alternative("select_action", "asks the network only when it does not explore")
def select_action_lazy(q, observation, eps, gen):
    from contextlib import ExitStack

    weight = list(q.parameters())[-1]
    x = torch.as_tensor(observation).to(weight.device, weight.dtype).unsqueeze(0)
    flags = [(m, m.training) for m in q.modules()]
    try:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            for m, _ in flags:
                m.training = False
            scores = q(x).squeeze(0)
    finally:
        for m, flag in flags:
            m.training = flag
    draw = torch.rand(2, generator=gen, device=gen.device).tolist()
    if draw[0] >= 1 - eps:
        return min(int(draw[1] * len(scores)), len(scores) - 1)
    return scores.topk(1).indices.item()


@alternative("select_action", "one draw from a distribution over actions")
def select_action_distribution(q, observation, eps, gen):
    p = next(q.parameters())
    flags = {m: m.training for m in q.modules()}
    q.eval()
    with torch.no_grad():
        values = q(
            torch.tensor(
                np.asarray(torch.as_tensor(observation).cpu()), dtype=p.dtype, device=p.device
            )[None]
        )
    for m, flag in flags.items():
        m.training = flag
    n = values.shape[1]
    chances = torch.full((n,), eps / n, dtype=torch.float64)
    chances[values.argmax().item()] += 1 - eps
    return torch.multinomial(chances.to(gen.device), 1, generator=gen).item()


@alternative("td_targets", "row by row")
def td_targets_loop(rewards, next_q, terminated, gamma):
    out = rewards.detach().clone()
    for i in range(len(rewards)):
        if not terminated[i]:
            out[i] = out[i] + gamma * next_q[i].max().detach()
    return out


@alternative("double_dqn_targets", "one-hot weights")
def double_dqn_targets_one_hot(rewards, next_q_online, next_q_target, terminated, gamma):
    with torch.no_grad():
        pick = F.one_hot(next_q_online.argmax(-1), next_q_online.shape[1]).to(next_q_target)
        future = (pick * next_q_target).sum(-1).masked_fill(terminated, 0)
        return torch.add(rewards, future, alpha=gamma)


@alternative("double_dqn_targets", "indexing by row and column")
def double_dqn_targets_index(rewards, next_q_online, next_q_target, terminated, gamma):
    rows = torch.arange(len(rewards), device=rewards.device)
    future = next_q_target[rows, next_q_online.argmax(1)]
    return torch.where(terminated, rewards, rewards + gamma * future).detach()


@alternative("dqn_loss", "Huber by hand, the target network copied")
def dqn_loss_by_hand(q, target_q, batch, gamma):
    import copy

    rows = torch.arange(len(batch["action"]), device=batch["action"].device)
    estimate = q(batch["observation"])[rows, batch["action"]]
    future = copy.deepcopy(target_q)(batch["next_observation"]).detach().max(dim=1)[0]
    goal = batch["reward"] + gamma * future * (1.0 - batch["terminated"].to(future.dtype))
    d = (estimate - goal).abs()
    return (d.clamp(max=1) ** 2 / 2 + (d - 1).clamp(min=0)).sum() / len(d)


@alternative("dqn_loss", "nn.HuberLoss on columns, the target network in eval mode for a while")
def dqn_loss_columns(q, target_q, batch, gamma):
    flags = [(m, m.training) for m in target_q.modules()]
    target_q.eval()
    with torch.no_grad():
        best, _ = target_q(batch["next_observation"]).max(1, keepdim=True)
        goal = batch["reward"][:, None] + gamma * best * ~batch["terminated"][:, None]
    for m, flag in flags:
        m.training = flag
    estimate = torch.take_along_dim(q(batch["observation"]), batch["action"].view(-1, 1), 1)
    return nn.HuberLoss(delta=1.0)(estimate, goal)


@alternative("soft_update", "through the state dict")
def soft_update_state(target, online, tau):
    names = {name for name, _ in target.named_parameters()}
    with torch.no_grad():
        mine, theirs = target.state_dict(), online.state_dict()
        mixed = {
            name: tau * theirs[name] + (1 - tau) * mine[name] if name in names else theirs[name]
            for name in mine
        }
        target.load_state_dict(mixed)


@alternative("train_dqn", "Double DQN, own loop, hidden seeds drawn otherwise", trained=True)
def train_dqn_double(
    env,
    steps,
    gen,
    *,
    gamma=0.99,
    lr=3e-3,
    batch_size=128,
    capacity=10_000,
    warmup=500,
    train_every=4,
    epsilon_start=1.0,
    epsilon_end=0.05,
    epsilon_decay=None,
    tau=0.05,
    hidden=64,
):
    where = gen.device
    width, actions = env.observation_space.shape[0], int(env.action_space.n)
    online = QNetwork(width, actions, hidden).to(where)  # noqa: F821
    import copy

    slow = copy.deepcopy(online).eval()
    opt = torch.optim.Adam(online.parameters(), lr)
    memory = ReplayBuffer(capacity, (width,))  # noqa: F821
    returns, done = [], True
    seeds = [int(torch.randint(10**6, (1,), generator=gen, device=where))]
    for t in range(steps):
        if done:
            s, _ = env.reset(seed=seeds.pop() if seeds else None)
            rewards, done = [], False
        decay = epsilon_decay if epsilon_decay is not None else steps
        eps = epsilon(t, epsilon_start, epsilon_end, decay)  # noqa: F821
        a = select_action(online, s, eps, gen)  # noqa: F821
        s2, r, end, cut, _ = env.step(a)
        memory.push(s, a, float(r), s2, end)
        rewards.append(float(r))
        s, done = s2, end or cut
        if done:
            returns += [sum(rewards)]
        if t + 1 >= max(warmup, batch_size) and (t + 1) % train_every == 0:
            b = memory.sample(min(batch_size, len(memory)), gen)
            with torch.no_grad():
                y = double_dqn_targets(  # noqa: F821
                    b["reward"],
                    online(b["next_observation"]),
                    slow(b["next_observation"]),
                    b["terminated"],
                    gamma,
                )
            v = online(b["observation"])[torch.arange(len(y)), b["action"]]
            opt.zero_grad()
            F.smooth_l1_loss(v, y).backward()
            opt.step()
            soft_update(slow, online, tau)  # noqa: F821
    return online.eval(), returns
