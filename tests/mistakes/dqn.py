"""Wrong answers to `dqn` that its graders must catch."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.answers import edit, mistake

PUSH = "buffer.push(observation, action, reward, next_observation, terminated)"
REFERENCE_LOOP = f"""{PUSH}
        total += float(reward)

        observation = next_observation
        if terminated or truncated:
            returns.append(total)
            total = 0.0
            observation, _ = env.reset()"""

EDITS = [
    # ReplayBuffer
    edit(
        "ReplayBuffer", "one place is never used", "% self.capacity", "% max(1, self.capacity - 1)"
    ),
    edit(
        "ReplayBuffer",
        "a full buffer takes nothing more",
        "place = self.pushed % self.capacity",
        "place = self.pushed\n        if place >= self.capacity:\n            return",
    ),
    edit(
        "ReplayBuffer",
        "a full buffer overwrites its last place",
        "self.pushed % self.capacity",
        "min(self.pushed, self.capacity - 1)",
    ),
    edit(
        "ReplayBuffer",
        "the length is the capacity",
        "min(self.pushed, self.capacity)",
        "self.capacity",
    ),
    edit(
        "ReplayBuffer",
        "the length counts all pushes",
        "min(self.pushed, self.capacity)",
        "self.pushed",
    ),
    edit(
        "ReplayBuffer",
        "drawn with replacement",
        "torch.randperm(len(self), generator=gen, device=gen.device)",
        "torch.randint(len(self), (batch,), generator=gen, device=gen.device)",
    ),
    edit(
        "ReplayBuffer",
        "empty places are drawn",
        "torch.randperm(len(self),",
        "torch.randperm(self.capacity,",
    ),
    edit("ReplayBuffer", "torch's global generator", "generator=gen, device", "device"),
    edit(
        "ReplayBuffer",
        "always the first ones",
        "torch.randperm(len(self), generator=gen, device=gen.device)",
        "torch.arange(len(self))",
    ),
    edit(
        "ReplayBuffer",
        "the first ones in random order",
        "order[:batch].cpu()",
        "order[order < batch].cpu()",
    ),
    edit("ReplayBuffer", "no error", "if batch > len(self)", "if batch > self.capacity"),
    edit(
        "ReplayBuffer",
        "rewards of shape (b, 1)",
        '"reward": torch.zeros(capacity)',
        '"reward": torch.zeros(capacity, 1)',
    ),
    edit("ReplayBuffer", "flags in float32", "capacity, dtype=torch.bool", "capacity"),
    edit("ReplayBuffer", "the batch stays on the CPU", ".to(gen.device) for", " for"),
    # epsilon
    edit("epsilon", "never falls", "return start + (end - start) * step / decay", "return start"),
    edit("epsilon", "the line goes on", "if step >= decay:\n        return end", ""),
    edit(
        "epsilon",
        "it falls by a factor",
        "start + (end - start) * step / decay",
        "start * (max(end, 1e-9) / start) ** (step / decay)",
    ),
    edit("epsilon", "start and end swapped", "start + (end - start)", "end + (start - end)"),
    edit("epsilon", "one step off", "* step / decay", "* (step + 1) / decay"),
    edit("epsilon", "division by zero", "if step >= decay:", "if step / decay >= 1:"),
    # QNetwork
    edit(
        "QNetwork",
        "softmax at the end",
        "self.layers(observation)",
        "self.layers(observation).softmax(1)",
    ),
    edit(
        "QNetwork", "ReLU at the end", "self.layers(observation)", "self.layers(observation).relu()"
    ),
    edit(
        "QNetwork", "tanh at the end", "self.layers(observation)", "self.layers(observation).tanh()"
    ),
    edit("QNetwork", "squeeze", "self.layers(observation)", "self.layers(observation).squeeze()"),
    edit(
        "QNetwork",
        "one value per observation",
        "nn.Linear(hidden, actions)",
        "nn.Linear(hidden, 1)",
    ),
    edit(
        "QNetwork",
        "an outer graph is cut",
        "self.layers(observation)",
        "self.layers(observation).detach()",
    ),
    # select_action
    edit("select_action", "the worst action", "values.argmax()", "values.argmin()"),
    edit(
        "select_action",
        "a tensor comes back",
        "return int(values.argmax())",
        "return values.argmax()",
    ),
    edit("select_action", "explores with probability 1 - eps", "< eps", "> eps"),
    edit("select_action", "always a little exploration", "< eps", "< max(eps, 0.05)"),
    edit("select_action", "never explores", "< eps", "< 0"),
    edit(
        "select_action",
        "the last action is never drawn",
        "torch.randint(len(values)",
        "torch.randint(max(1, len(values) - 1)",
    ),
    edit(
        "select_action",
        "eps from the global generator",
        "torch.rand((), generator=gen, device=gen.device)",
        "torch.rand(())",
    ),
    edit(
        "select_action",
        "the action from NumPy's generator",
        "int(torch.randint(len(values), (), generator=gen, device=gen.device))",
        "int(np.random.randint(len(values)))",
    ),
    edit("select_action", "never in eval mode", "q.eval()", "pass"),
    edit("select_action", "a graph is recorded", "with torch.no_grad():", "if True:"),
    edit("select_action", "left in eval mode", "layer.training = training", "pass"),
    edit("select_action", "left in training mode", "layer.training = training", "q.train()"),
    edit("select_action", "float32 at any price", "dtype=parameter.dtype", "dtype=torch.float32"),
    edit("select_action", "on the CPU at any price", "device=parameter.device", 'device="cpu"'),
    edit(
        "select_action",
        "no batch axis",
        "device=parameter.device)[None]",
        "device=parameter.device)",
    ),
    # td_targets
    edit("td_targets", "the end is not looked at", "gamma * best * ~terminated", "gamma * best"),
    edit(
        "td_targets",
        "the mask is turned around",
        "* ~terminated",
        "* terminated",
    ),
    edit(
        "td_targets",
        "the mask on the reward as well",
        "(rewards + gamma * best * ~terminated)",
        "((rewards + gamma * best) * ~terminated)",
    ),
    edit("td_targets", "the best of the whole batch", "next_q.amax(1)", "next_q.amax()"),
    edit("td_targets", "gamma hard-coded", "gamma * best", "0.99 * best"),
    edit("td_targets", "gamma left out", "gamma * best", "best"),
    edit("td_targets", "not detached", ".detach()", ""),
    edit("td_targets", "(b, b) by broadcasting", "next_q.amax(1)", "next_q.amax(1, keepdim=True)"),
    edit(
        "td_targets",
        "the rewards are changed",
        "return (rewards + gamma * best * ~terminated).detach()",
        "rewards += gamma * best * ~terminated\n    return rewards.detach()",
    ),
    # double_dqn_targets
    edit(
        "double_dqn_targets",
        "the roles swapped",
        "next_q_online.argmax(1, keepdim=True)",
        "next_q_target.argmax(1, keepdim=True)\n    next_q_target = next_q_online",
    ),
    edit("double_dqn_targets", "the plain target", "next_q_online.argmax", "next_q_target.argmax"),
    edit(
        "double_dqn_targets",
        "the online network does both",
        "next_q_target.gather",
        "next_q_online.gather",
    ),
    edit(
        "double_dqn_targets",
        "the end is not looked at",
        "gamma * value * ~terminated",
        "gamma * value",
    ),
    edit("double_dqn_targets", "the mask is turned around", "~terminated", "terminated"),
    edit("double_dqn_targets", "not detached", ".detach()", ""),
    # dqn_loss
    edit("dqn_loss", "mean squared error", "F.smooth_l1_loss(", "F.mse_loss("),
    edit(
        "dqn_loss",
        "the sum",
        "smooth_l1_loss(estimate, target)",
        'smooth_l1_loss(estimate, target, reduction="sum")',
    ),
    edit("dqn_loss", "the targets come from q", "target_q(batch", "q(batch"),
    edit(
        "dqn_loss",
        "the value of the best action",
        'values.gather(1, batch["action"][:, None]).squeeze(1)',
        "values.amax(1)",
    ),
    edit("dqn_loss", "gamma hard-coded", '["terminated"], gamma)', '["terminated"], 0.99)'),
    edit(
        "dqn_loss",
        "the end is not looked at",
        'batch["terminated"], gamma',
        'torch.zeros_like(batch["terminated"]), gamma',
    ),
    edit(
        "dqn_loss",
        "the target's mode is changed",
        "with torch.no_grad():",
        "target_q.eval()\n    with torch.no_grad():",
    ),
    edit(
        "dqn_loss",
        "the target's gradients are cleared",
        "with torch.no_grad():",
        "target_q.zero_grad()\n    with torch.no_grad():",
    ),
    edit(
        "dqn_loss",
        "the target is frozen for ever",
        "with torch.no_grad():",
        "target_q.requires_grad_(False)\n    with torch.no_grad():",
    ),
    edit(
        "dqn_loss", "the estimate is cut from the graph", "values.gather", "values.detach().gather"
    ),
    edit(
        "dqn_loss",
        "the batch is changed",
        "    target = td_targets(",
        '    batch["reward"] *= 1 - batch["terminated"].float()\n    target = td_targets(',
    ),
    # soft_update
    edit(
        "soft_update", "tau on the wrong side", "slow.lerp_(fast, tau)", "slow.lerp_(fast, 1 - tau)"
    ),
    edit("soft_update", "a full copy", "slow.lerp_(fast, tau)", "slow.copy_(fast)"),
    edit(
        "soft_update", "the online network moves", "slow.lerp_(fast, tau)", "fast.lerp_(slow, tau)"
    ),
    edit("soft_update", "not in place", "slow.lerp_(fast, tau)", "slow = slow.lerp(fast, tau)"),
    edit("soft_update", "buffers are left out", "slow.copy_(fast)", "pass"),
    edit(
        "soft_update",
        "buffers are mixed",
        "slow.copy_(fast)",
        "slow.copy_(tau * fast + (1 - tau) * slow)",
    ),
    edit(
        "soft_update",
        "the online network's memory is taken",
        "slow.lerp_(fast, tau)",
        "slow.data = fast.data.lerp_(slow.data, 1 - tau)",
    ),
    edit("soft_update", "buffers share their memory", "slow.copy_(fast)", "slow.data = fast.data"),
    edit(
        "soft_update",
        "the target gets new memory",
        "slow.lerp_(fast, tau)",
        "slow.data = slow.data.lerp(fast.data, tau)",
    ),
    edit("soft_update", "the graph is recorded", "with torch.no_grad():", "if True:"),
    # train_dqn
    edit(
        "train_dqn",
        "truncated taken for terminated",
        "next_observation, terminated)",
        "next_observation, terminated or truncated)",
    ),
    edit(
        "train_dqn",
        "the target network never follows",
        "soft_update(target_q, q, tau)",
        "pass",
    ),
    edit(
        "train_dqn",
        "the target network is q itself",
        "copy.deepcopy(q)",
        "q",
        baseline_of=["cartpole_log_steps"],
    ),
    edit(
        "train_dqn",
        "the observation after the reset is stored",
        REFERENCE_LOOP,
        REFERENCE_LOOP.replace(PUSH, "before = observation")
        .replace("reset()", f"reset()\n        {PUSH}")
        .replace(
            "push(observation, action, reward, next_observation",
            "push(before, action, reward, observation",
        ),
        baseline_of=["grid_error"],
    ),
    edit(
        "train_dqn",
        "no new episode after a time limit",
        "if terminated or truncated:",
        "if terminated:",
    ),
    edit("train_dqn", "train_every is not used", " and step % train_every == 0", ""),
    edit(
        "train_dqn", "learns before the memory holds a batch", " and len(buffer) >= batch_size", ""
    ),
    edit("train_dqn", "the first observation for ever", "observation = next_observation", "pass"),
    edit(
        "train_dqn",
        "the new episode's observation is dropped",
        "observation, _ = env.reset()\n",
        "env.reset()\n",
    ),
    edit("train_dqn", "the same seed in every episode", "env.reset()", "env.reset(seed=seed)"),
    edit("train_dqn", "the environment is not seeded", "env.reset(seed=seed)", "env.reset()"),
    edit(
        "train_dqn",
        "explores with the environment's own generator",
        "action = select_action(q, observation, eps, gen)",
        "action = int(env.action_space.sample()) if torch.rand((), generator=gen, device=gen.device) < eps else select_action(q, observation, 0.0, gen)",
    ),
    edit(
        "train_dqn",
        "epsilon never falls",
        "epsilon(step, epsilon_start",
        "epsilon(0, epsilon_start",
    ),
    edit(
        "train_dqn",
        "epsilon falls per episode",
        "epsilon(step, epsilon_start",
        "epsilon(len(returns), epsilon_start",
    ),
    edit(
        "train_dqn",
        "epsilon_end is not used",
        "epsilon_start, epsilon_end, decay)",
        "epsilon_start, 0.05, decay)",
    ),
    edit(
        "train_dqn",
        "epsilon_decay is not used",
        "decay = steps if epsilon_decay is None else epsilon_decay",
        "decay = steps",
    ),
    edit(
        "train_dqn",
        "the sum goes on over episodes",
        "total = 0.0\n            observation",
        "observation",
    ),
    edit(
        "train_dqn",
        "the discounted sum",
        "total += float(reward)",
        "total = gamma * total + float(reward)",
    ),
    edit(
        "train_dqn",
        "an unfinished episode counts",
        "    return q, returns",
        "    return q, [*returns, total]",
    ),
    edit("train_dqn", "lr is not used", "lr=lr", "lr=3e-3"),
    edit("train_dqn", "gamma is not used", "gen), gamma)", "gen), 0.99)"),
    edit(
        "train_dqn",
        "hidden is not used",
        "int(env.action_space.n), hidden)",
        "int(env.action_space.n))",
    ),
    edit("train_dqn", "no step", "            optimizer.step()\n", ""),
    edit("train_dqn", "gradients are never cleared", "            optimizer.zero_grad()\n", ""),
    edit(
        "train_dqn",
        "gradients are cleared after backward",
        "optimizer.zero_grad()\n            loss.backward()",
        "loss.backward()\n            optimizer.zero_grad()",
    ),
    edit("train_dqn", "the network stays on the CPU", "hidden).to(gen.device)", "hidden)"),
    edit("train_dqn", "the network alone comes back", "return q, returns", "return q"),
    edit("train_dqn", "the targets come from q", "dqn_loss(q, target_q,", "dqn_loss(q, q,"),
]


@mistake("ReplayBuffer", "a list that holds the caller's arrays")
class ReplayBufferList:
    def __init__(self, capacity, observation_shape):
        self.capacity, self.rows = capacity, []

    def push(self, observation, action, reward, next_observation, terminated):
        if len(self.rows) == self.capacity:
            self.rows.pop(0)
        self.rows.append((observation, action, reward, next_observation, terminated))

    def __len__(self):
        return len(self.rows)

    def sample(self, batch, gen):
        if batch > len(self.rows):
            raise ValueError("too many")
        order = torch.randperm(len(self.rows), generator=gen, device=gen.device)[:batch]
        columns = list(zip(*(self.rows[i] for i in order.tolist())))
        names = ["observation", "action", "reward", "next_observation", "terminated"]
        dtypes = [torch.float32, torch.int64, torch.float32, torch.float32, torch.bool]
        return {
            name: torch.stack([torch.as_tensor(x) for x in column]).to(dtype).to(gen.device)
            for name, column, dtype in zip(names, columns, dtypes)
        }


@mistake("ReplayBuffer", "each column is mixed on its own")
class ReplayBufferMixed:
    def __init__(self, capacity, observation_shape):
        self.capacity, self.pushed = capacity, 0
        self.storage = {
            "observation": torch.zeros(capacity, *observation_shape),
            "action": torch.zeros(capacity, dtype=torch.int64),
            "reward": torch.zeros(capacity),
            "next_observation": torch.zeros(capacity, *observation_shape),
            "terminated": torch.zeros(capacity, dtype=torch.bool),
        }

    def push(self, observation, action, reward, next_observation, terminated):
        values = (observation, action, reward, next_observation, terminated)
        for rows, value in zip(self.storage.values(), values):
            rows[self.pushed % self.capacity] = torch.as_tensor(value)
        self.pushed += 1

    def __len__(self):
        return min(self.pushed, self.capacity)

    def sample(self, batch, gen):
        if batch > len(self):
            raise ValueError("too many")
        return {
            name: rows[
                torch.randperm(len(self), generator=gen, device=gen.device)[:batch].cpu()
            ].to(gen.device)
            for name, rows in self.storage.items()
        }


@mistake("QNetwork", "three linear layers, nothing between them")
class QNetworkLinear(nn.Module):
    def __init__(self, observations, actions, hidden=64):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(observations, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, actions)
        )

    def forward(self, observation):
        return self.net(observation)


@mistake("QNetwork", "`hidden` is not used")
class QNetworkFixed(nn.Module):
    def __init__(self, observations, actions, hidden=64):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(observations, 64), nn.ReLU(), nn.Linear(64, actions))

    def forward(self, observation):
        return self.net(observation)


@mistake("QNetwork", "a layer in a plain list")
class QNetworkList(nn.Module):
    def __init__(self, observations, actions, hidden=64):
        super().__init__()
        self.first = [nn.Linear(observations, hidden)]
        self.last = nn.Linear(hidden, actions)

    def forward(self, observation):
        return self.last(self.first[0](observation).relu())


@mistake("select_action", "explores among the other actions only")
def select_action_others(q, observation, eps, gen):
    parameter = next(q.parameters())
    batch = torch.as_tensor(observation, dtype=parameter.dtype, device=parameter.device)[None]
    modes = {layer: layer.training for layer in q.modules()}
    q.eval()
    with torch.no_grad():
        values = q(batch)[0]
    for layer, training in modes.items():
        layer.training = training
    best = int(values.argmax())
    if len(values) > 1 and torch.rand((), generator=gen, device=gen.device) < eps:
        other = int(torch.randint(len(values) - 1, (), generator=gen, device=gen.device))
        return other + (other >= best)
    return best


@mistake("select_action", "the root's mode alone is remembered")
def select_action_root_mode(q, observation, eps, gen):
    parameter = next(q.parameters())
    training = q.training
    q.eval()
    with torch.no_grad():
        values = q(torch.as_tensor(observation).to(parameter)[None])[0]
    q.train(training)
    if torch.rand((), generator=gen, device=gen.device) < eps:
        return int(torch.randint(len(values), (), generator=gen, device=gen.device))
    return int(values.argmax())


@mistake("double_dqn_targets", "the smaller of both best values")
def double_dqn_targets_smaller(rewards, next_q_online, next_q_target, terminated, gamma):
    value = torch.minimum(next_q_online.amax(1), next_q_target.amax(1))
    return (rewards + gamma * value * ~terminated).detach()


@mistake("double_dqn_targets", "squeeze() also removes a batch of one")
def double_dqn_targets_squeeze(rewards, next_q_online, next_q_target, terminated, gamma):
    value = next_q_target.gather(1, next_q_online.argmax(1, keepdim=True)).squeeze()
    return (rewards.squeeze() + gamma * value * ~terminated.squeeze()).detach()


@mistake("dqn_loss", "(b, 1) against (b,)")
def dqn_loss_broadcast(q, target_q, batch, gamma):
    estimate = q(batch["observation"]).gather(1, batch["action"][:, None])
    with torch.no_grad():
        next_q = target_q(batch["next_observation"])
    target = td_targets(batch["reward"], next_q, batch["terminated"], gamma)  # noqa: F821
    difference = estimate - target
    return torch.where(difference.abs() < 1, difference**2 / 2, difference.abs() - 0.5).mean()


@mistake("dqn_loss", "the gradient goes into the target")
def dqn_loss_into_target(q, target_q, batch, gamma):
    estimate = q(batch["observation"]).gather(1, batch["action"][:, None]).squeeze(1)
    best = target_q(batch["next_observation"]).amax(1)
    return F.smooth_l1_loss(estimate, batch["reward"] + gamma * ~batch["terminated"] * best)


@mistake("dqn_loss", "Double DQN")
def dqn_loss_double(q, target_q, batch, gamma):
    estimate = q(batch["observation"]).gather(1, batch["action"][:, None]).squeeze(1)
    with torch.no_grad():
        target = double_dqn_targets(  # noqa: F821
            batch["reward"],
            q(batch["next_observation"]),
            target_q(batch["next_observation"]),
            batch["terminated"],
            gamma,
        )
    return F.smooth_l1_loss(estimate, target)


@mistake("soft_update", "the online network's parameters move in")
def soft_update_moves_in(target, online, tau):
    for name, module in target.named_modules():
        theirs = online.get_submodule(name)
        for key in list(module._parameters):
            module._parameters[key] = theirs._parameters[key]
        for key in list(module._buffers):
            module._buffers[key] = theirs._buffers[key]


@mistake("soft_update", "everything in the state is mixed, counts too")
def soft_update_state(target, online, tau):
    mine, theirs = target.state_dict(), online.state_dict()
    target.load_state_dict({k: tau * theirs[k] + (1 - tau) * mine[k] for k in mine})
