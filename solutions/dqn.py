# %% [markdown]
# # Deep Q-learning
#
# Nobody tells a child how to ride a bicycle, muscle by muscle. It tries, it falls, it tries again.
# *Reinforcement learning* is learning of this kind: a program acts, the world answers with numbers
# called *rewards*, and the program has to find out which actions bring much reward in the long run.
#
# *Deep Q-learning*, with a *deep Q-network* (DQN), is the method that learned to play Atari games
# from the screen. It has few parts, and you write all of them: a memory of what happened, a rule
# that mixes trying out with playing well, a network that values actions, the loss it learns from,
# and the loop around it. Afterwards you will be able to
#
# - say what a Q-value is, and compute it by hand in a small world,
# - build a replay memory, and know why learning from it works better than from the last step alone,
# - write the target of Q-learning so that the end of an episode and a time limit are told apart,
# - keep a second, slower network as the target, and say what goes wrong without it,
# - train a program that balances a pole on a cart.
#
# Words used on this page:
#
# | word | meaning |
# |---|---|
# | environment | the world: a game, a robot, a simulation |
# | observation | the numbers that the environment shows; for the cart: place, speed, angle, turning speed |
# | action | what the program does, a number 0, 1, 2, ...; for the cart: 0 pushes left, 1 pushes right |
# | reward | one number after each action; for the cart: 1 for every step, also the last one |
# | episode | one game from start to end |
# | transition | one step: observation, action, reward, next observation, `terminated` (task 1) |
#
# and the letters in shapes: `b` is the batch (how many transitions at once), `a` the number of
# actions, `o` how many numbers an observation has.
#
# The **cart** is Gymnasium's `CartPole-v1`: a pole stands on a cart, joined to it by a hinge. Each
# action pushes the cart to the left or to the right. The game is lost when the pole leans by more
# than 12 degrees or the cart leaves its track (2.4 to each side); after 500 steps it is stopped.

# %%
import copy

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

# %% [markdown]
# ## What a Q-value is
#
# A reward now is worth more than the same reward later. So a reward that comes $k$ steps later is
# multiplied by $\gamma^k$, where the *discount* $\gamma$ ("gamma", a number from 0 to 1) is chosen by
# us. The *Q-value* $Q^*(s, a)$ is the sum of all such discounted rewards that you get when you
# take action $a$ in the situation $s$ and **play as well as possible from then on**. Whoever knows
# $Q^*$ knows how to play: take the action with the largest value.
#
# **By hand.** Here is a world of 4 × 4 cells. A step into the goal (cell 15) brings 1, a step into
# the pit (cell 5) brings −1, and both end the episode. All other steps bring 0. Let $\gamma = 0.9$.
#
# ```text
#    0    1    2    3      one step from the goal (cell 14, right):  Q = 1
#    4  [pit]  6    7      two steps (cell 13, right):               Q = 0.9
#    8    9   10   11      three steps (cell 12, right):             Q = 0.9 * 0.9
#   12   13   14  [goal]   into the pit (cell 6, left):              Q = -1
# ```
#
# Each value follows from its neighbour: in cell 13, "right" brings 0 now and leads to cell 14, where
# the best action is worth 1. In general, with $r$ the reward, $s'$ the situation afterwards and
# $a'$ each of the actions there,
#
# $$Q^*(s, a) = r + \gamma \max_{a'} Q^*(s', a')$$
#
# and $Q^*(s, a) = r$ where the step ends the episode: nothing comes after the end. This is the
# *Bellman equation* of a world without chance (with chance, take the mean of the right side).
# Start with zeros everywhere, put them into the right side, take the left side as
# the new values, and repeat: the values settle at $Q^*$. In the notebook, the next cell does this and
# draws the best value of each cell, with an arrow for each best action. The arrows lead around the
# pit, and the value falls by the factor 0.9 with each step away from the goal.

# %% tags=["picture"]
import matplotlib.pyplot as plt

moves = [(-1, 0), (0, 1), (1, 0), (0, -1)]  # up, right, down, left
values = torch.zeros(4, 4, 4)  # row, column, action
for _ in range(20):
    best, values = values.amax(-1), torch.zeros(4, 4, 4)
    for cell in set(range(16)) - {5, 15}:
        row, column = divmod(cell, 4)
        for action, (down, right) in enumerate(moves):
            i, j = min(max(row + down, 0), 3), min(max(column + right, 0), 3)
            reward = {5: -1.0, 15: 1.0}.get(4 * i + j, 0.0)
            values[row, column, action] = reward + 0.9 * best[i, j]

plt.imshow(values.amax(-1).numpy(), cmap="YlGn", vmin=0, vmax=1.6)
plt.colorbar(label="value of the best action")
for cell in range(16):
    row, column = divmod(cell, 4)
    name = {5: "pit", 15: "goal"}.get(cell, f"{values[row, column].max():.2f}")
    plt.text(column, row, name, ha="center", va="center")
    for action in torch.isclose(values[row, column], values[row, column].max()).nonzero():
        if cell not in (5, 15):
            down, right = moves[action]
            plt.arrow(column + 0.25 * right, row + 0.25 * down, 0.1 * right, 0.1 * down, width=0.02)
plt.gca().set(title="What each cell is worth", xlabel="column", ylabel="row")
plt.gca().set(xticks=range(4), yticks=range(4))
plt.show()

# %% [markdown]
# A table of Q-values will not do for the cart: its four numbers never repeat. So a network takes the
# table's place. It sees an observation and gives one value per action, and we train it until both
# sides of the Bellman equation agree on the transitions that we have seen.
#
# ## 1. ReplayBuffer
#
# The program plays, and every transition goes into a memory. Training draws random transitions from
# it. This *replay* has two advantages. Neighbouring steps of a game look alike, and a batch of them
# would teach the same thing over and over; a random batch is mixed. And each transition is used many
# times, not once.
#
# The memory has room for `capacity` transitions. When it is full, the newest one takes the place of
# the **oldest**. No need to move anything: write to the places 0, 1, 2, ... and after the last place
# begin again at 0. This is a *circular* buffer. The remainder of a division does it: push number $k$
# (counted from 0) goes to the place $k \bmod \text{capacity}$.
#
# **By hand**, with room for 3, pushing A, B, C, D, E:
#
# ```text
# A . .      A B .      A B C      D B C      D E C
# ```
#
# ```pycon
# >>> [number % 3 for number in range(5)]
# [0, 1, 2, 0, 1]
# ```
#
# `sample(batch, gen)` draws `batch` **different** transitions, each with the same chance. A random
# order of all of them, cut off after the first few, does that. `gen` is a random generator, an object
# that random numbers are drawn from; the same seed gives the same numbers again:
#
# ```pycon
# >>> gen = torch.Generator().manual_seed(0)
# >>> torch.randperm(5, generator=gen)[:3]
# tensor([4, 0, 1])
# ```
#
# What comes back is a dict of tensors. With `observation_shape` (4,) and a batch of 32:
#
# | key | dtype | shape |
# |---|---|---|
# | `"observation"`, `"next_observation"` | float32 | (32, 4) |
# | `"action"` | int64 | (32,) |
# | `"reward"` | float32 | (32,) |
# | `"terminated"` | bool | (32,) |
#
# `"terminated"` is True where nothing can follow this step, because the game is lost or won. It is
# False everywhere else, also where only a time limit stopped the episode: task 5 says why.
#
# `observation_shape` may be any shape: `(3, 84, 84)` for a picture, `()` for a single number.
# The tensors belong on the generator's device, `gen.device`: a generator of the GPU gives a batch on
# the GPU. (`torch.randperm` wants to be told: `device=gen.device`.)
#
# **Trap: keep a copy.** Some environments write each new observation into the same array. If your
# list holds that array, all of its entries change:
#
# ```pycon
# >>> array = np.zeros(2)
# >>> memory = [array]
# >>> array += 7
# >>> memory
# [array([7., 7.])]
# ```
#
# Assigning into a tensor, `storage[place] = ...`, copies the numbers. What you assign must be a
# tensor or a number: a NumPy array is refused. `torch.as_tensor` turns an array, a tensor or a
# number into a tensor. It is **no** copy by itself: its tensor shares the array's memory.
#
# **Trap: rewards as `(b, 1)`.** The shape of `"reward"` is `(b,)`. Task 5 shows what happens otherwise.


# %%
class ReplayBuffer:
    """A circular memory for `capacity` transitions: the newest overwrites the oldest.

    `observation_shape` is the shape of one observation, with any number of axes, also `()`.
    """

    def __init__(self, capacity: int, observation_shape: tuple[int, ...]) -> None:
        ### BEGIN SOLUTION
        # TASK: 30 minutes, medium
        self.capacity = capacity
        self.pushed = 0  # how many transitions ever came, overwritten ones too

        # HINT: Make room for everything at once: `torch.zeros(capacity, *observation_shape)`.
        # HINT: One such tensor per key, each with the dtype that the table above asks for.
        self.storage = {
            "observation": torch.zeros(capacity, *observation_shape),
            "action": torch.zeros(capacity, dtype=torch.int64),
            "reward": torch.zeros(capacity),
            "next_observation": torch.zeros(capacity, *observation_shape),
            "terminated": torch.zeros(capacity, dtype=torch.bool),
        }
        ### END SOLUTION

    def push(
        self,
        observation: np.ndarray | Tensor | float,
        action: int,
        reward: float,
        next_observation: np.ndarray | Tensor | float,
        terminated: bool,
    ) -> None:
        """Remember a copy of one transition; in a full memory it takes the place of the oldest."""
        ### BEGIN SOLUTION
        # HINT: Count the pushes. The remainder by the capacity is the place of this one.
        place = self.pushed % self.capacity
        self.storage["observation"][place] = torch.as_tensor(observation)
        self.storage["action"][place] = action
        self.storage["reward"][place] = reward
        self.storage["next_observation"][place] = torch.as_tensor(next_observation)
        self.storage["terminated"][place] = terminated
        self.pushed += 1
        ### END SOLUTION

    def __len__(self) -> int:
        """How many transitions are stored now: never more than `capacity`."""
        ### BEGIN SOLUTION
        # HINT: Two numbers bound it: how many came, and how many there is room for.
        return min(self.pushed, self.capacity)
        ### END SOLUTION

    def sample(self, batch: int, gen: torch.Generator) -> dict[str, Tensor]:
        """Draw `batch` different stored transitions, all equally likely, with `gen` alone.

        The tensors are on `gen.device`: "observation" and "next_observation" float32 (b, ...),
        "action" int64 (b,), "reward" float32 (b,), "terminated" bool (b,). They are copies.

        Raises:
            ValueError: `batch` is more than the number of stored transitions.
        """
        ### BEGIN SOLUTION
        if batch > len(self):
            raise ValueError(f"{batch} different transitions wanted, {len(self)} are stored")

        # HINT: Only the first len(self) places are filled. Mix those, not the whole capacity.
        order = torch.randperm(len(self), generator=gen, device=gen.device)
        chosen = order[:batch].cpu()  # (b,)
        # HINT: Indexing with a tensor of places picks those rows, and makes a copy of them.
        return {name: rows[chosen].to(gen.device) for name, rows in self.storage.items()}
        ### END SOLUTION


# %% [markdown]
# ## 2. epsilon
#
# A program that always takes the action that looks best never learns about the others. So it
# *explores*: with probability $\varepsilon$ ("epsilon") it takes a random action, otherwise the
# one that looks best. This is called *ε-greedy*. At the beginning it knows nothing: $\varepsilon$ is
# large. Later it should play well: $\varepsilon$ is small. In between it falls along a straight line.
# With $t$ for `step`, $D$ for `decay`:
#
# $$\varepsilon(t) = \text{start} + (\text{end} - \text{start}) \cdot \frac{t}{D}
# \quad\text{for } t < D, \qquad \varepsilon(t) = \text{end} \quad\text{for } t \ge D$$
#
# **By hand.** From 1.0 to 0.1 within 100 steps. Step 0: 1.0. Step 50, half-way: $1 - 0.9 \cdot 0.5 =
# 0.55$. Step 100 and every later one: 0.1. With $D = 0$ there is no line: it is `end` at once.
# In the notebook, the next cell draws three such schedules; the third is flat from the start.
#
# **Trap: the line goes on.** Without care for $t > D$, the formula gives 0.01 at step 110 here, and
# soon negative numbers. **Trap: per episode.** Many programs let ε shrink once per *episode*. Then a
# program that fails quickly, in many short episodes, stops exploring soonest. Count *steps*.

# %% tags=["picture"]
import matplotlib.pyplot as plt

for start, end, decay in [(1.0, 0.1, 100), (1.0, 0.05, 400), (0.3, 0.3, 100)]:
    label = f"start {start}, end {end}, decay {decay}"
    plt.plot([0, decay, 500], [start, end, end], label=label)
plt.gca().set(xlabel="step", ylabel="ε, the share of random actions", ylim=(0, 1.05))
plt.legend()
plt.show()


# %%
def epsilon(step: int, start: float, end: float, decay: int) -> float:
    """Go in a straight line from `start` at step 0 to `end` at step `decay`, then stay at `end`.

    `step` counts from 0. `end` may also be above `start`. `decay` 0: `end` from step 0 on.
    """
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: First the easy part: what is the answer once the line is over (or was never there)?
    if step >= decay:
        return end
    # HINT: `step / decay` is the part of the way that is done: from 0 to 1.
    return start + (end - start) * step / decay
    ### END SOLUTION


# %% [markdown]
# ## 3. QNetwork
#
# The network that stands in for the table: a batch of observations `(b, o)` goes in, one value for
# **each** action `(b, a)` comes out. So one pass values all actions, and the best one is an `argmax`
# over the last axis. Take two hidden layers of `hidden` numbers each, with a ReLU after each.
#
# **By hand.** For the cart $o = 4$ and $a = 2$. With `hidden` = 64 the layers are 4 → 64 → 64 → 2.
# A linear layer from $n$ to $m$ numbers has $n \cdot m$ weights and $m$ biases:
# $(4 \cdot 64 + 64) + (64 \cdot 64 + 64) + (64 \cdot 2 + 2) = 320 + 4160 + 130 = 4610$ numbers.
#
# ```pycon
# >>> layer = nn.Linear(4, 64)
# >>> layer.weight.numel() + layer.bias.numel()
# 320
# ```
#
# **Trap.** A Q-value is any real number: the pit has −1, and a pole that stands for ever has
# $1 + 0.99 + 0.99^2 + \dots = 100$ with $\gamma = 0.99$. A ReLU, tanh, sigmoid or
# softmax behind the last layer makes values impossible that the network must be able to say. And
# without a nonlinearity *between* the layers, three linear layers can do no more than one.


# %%
class QNetwork(nn.Module):
    """Values every action: observations in, one Q-value per action out (any real numbers)."""

    def __init__(self, observations: int, actions: int, hidden: int = 64) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        # TASK: 10 minutes, easy
        # HINT: `nn.Sequential` takes the layers in order: linear, ReLU, linear, ReLU, ...
        # HINT: ... and a last linear layer from `hidden` to `actions`, with nothing behind it.
        self.layers = nn.Sequential(
            nn.Linear(observations, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, actions),
        )
        ### END SOLUTION

    def forward(self, observation: Float[Tensor, "b o"]) -> Float[Tensor, "b a"]:
        """The value of each action in each of the situations."""
        ### BEGIN SOLUTION
        return self.layers(observation)
        ### END SOLUTION


# %% [markdown]
# ## 4. select_action
#
# Now act, ε-greedily: with probability `eps` an action drawn from **all** actions, each equally
# likely, else the action with the largest value.
#
# **By hand.** Four actions, $\varepsilon = 0.2$. The best action is taken in 80 % of the cases on
# purpose, and in a quarter of the other 20 % by chance: 85 % in all; each other action, 5 %. With
# $\varepsilon = 0$ it always takes the best action. This is called *greedy* play, and it is how
# you *evaluate* what has been learned.
#
# Draw everything from `gen`. Then the same seed gives the same game again, which you will want when
# you hunt for a mistake. A number from 0 to 1, and a whole number from 0 to 3:
#
# ```pycon
# >>> gen = torch.Generator().manual_seed(0)
# >>> torch.rand((), generator=gen)
# tensor(0.4963)
# >>> torch.randint(4, (), generator=gen)
# tensor(3)
# ```
#
# (`torch.rand` makes numbers below 1, so "smaller than `eps`" never happens for `eps` = 0 and always
# for `eps` = 1.) A generator belongs to a device: on a GPU, add `device=gen.device`.
#
# **Four traps.**
#
# 1. The observation is **one** observation, without a batch axis, often a NumPy array, sometimes
#    float64. The network wants a batch, `(1, 4)` instead of `(4,)` for the cart, in its own dtype
#    and on its own device. All parameters know both: `next(q.parameters())` is the first of them,
#    with `.dtype` and `.device`.
# 2. Choosing is not learning: no gradient is needed (`torch.no_grad()`).
# 3. Some layers behave differently in training: dropout sets random numbers to zero, BatchNorm
#    computes with the mean of the batch and refuses a batch of one. So switch to eval mode
#    (`q.eval()`). Afterwards **every layer** gets its own mode back, the `training` flag that each of
#    `q.modules()` has; `q.train()` would set them all, also those that were in eval mode.
# 4. The environment wants a Python `int`, not a tensor.
#
# ```pycon
# >>> parameter = next(nn.Linear(3, 2).double().parameters())
# >>> torch.as_tensor(np.ones(3, dtype=np.float32), dtype=parameter.dtype, device=parameter.device)
# tensor([1., 1., 1.], dtype=torch.float64)
# ```


# %%
def select_action(
    q: nn.Module, observation: np.ndarray | Tensor, eps: float, gen: torch.Generator
) -> int:
    """Choose an action for one observation: random with probability `eps`, else the best.

    A random action is uniform over all actions. All chance comes from `gen`. `q` runs in eval mode,
    without gradients, on a batch of one in its own dtype on its own device, and each of its layers
    gets its mode back.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    parameter = next(q.parameters())
    # HINT: `tensor[None]` puts an axis of length 1 in front: a batch of one.
    batch = torch.as_tensor(observation, dtype=parameter.dtype, device=parameter.device)[None]

    # HINT: A dict {layer: layer.training} over `q.modules()` remembers all modes.
    modes = {layer: layer.training for layer in q.modules()}
    q.eval()
    with torch.no_grad():
        values = q(batch)[0]  # (a,)
    for layer, training in modes.items():
        layer.training = training

    # HINT: How many actions are there? As many as there are values.
    if torch.rand((), generator=gen, device=gen.device) < eps:
        return int(torch.randint(len(values), (), generator=gen, device=gen.device))
    return int(values.argmax())
    ### END SOLUTION


# %% [markdown]
# ## 5. td_targets
#
# What should the network say for the actions that were taken? The right side of the Bellman equation.
# For transition $i$ with reward $r_i$, and $q_{i,0}, q_{i,1}, \dots$ the values of the *next*
# observation, one per action:
#
# $$y_i = \begin{cases} r_i & \text{if the episode terminated here} \\
# r_i + \gamma \max_a q_{i,a} & \text{otherwise} \end{cases}$$
#
# Only the reward is measured; the rest is the network's own estimate. To estimate from an estimate
# is called *bootstrapping*. These targets are called TD targets, for "temporal difference": they
# link the values of two moments, now and one step later.
#
# **By hand.** $\gamma = 0.9$, two transitions, two actions:
#
# | reward | values of the next observation | terminated | target |
# |---|---|---|---|
# | 1 | 2 and 5 | no | $1 + 0.9 \cdot 5 = 5.5$ |
# | 3 | 8 and 4 | yes | $3$ |
#
# **Trap: which end?** Gymnasium reports two kinds of end. `terminated`: the world is over, the pole has
# fallen, no reward can follow. `truncated`: *we* stopped looking, at a time limit, while the pole
# stood and rewards would have gone on. Only `terminated` cuts the future off. Take a world that pays
# 1 at every step for ever: with $\gamma = 0.9$ its value is $1 + 0.9 + 0.81 + \dots = 10$. Stop each
# episode after 5 steps and call that the end, and the last step seems to be worth 1, although nothing
# about the world has changed. Many tutorials write `done = terminated or truncated` and use it here.
# It is right for "start a new episode", and wrong for the target.
#
# **Trap: a (b, 1) sneaks in.** If only one side has a second axis (from `keepdim=True` or
# `unsqueeze(1)`), broadcasting combines everything with everything, `(b, b)`, without an error:
#
# ```pycon
# >>> reward = torch.tensor([1.0, 3.0])
# >>> best = torch.tensor([[2.0], [4.0]])  # (2, 1)
# >>> reward + best
# tensor([[3., 5.],
#         [5., 7.]])
# ```
#
# **Trap: gradients.** A target is a number to aim at; learning must not pull the target towards
# the estimate. So cut what comes back from the graph, with `.detach()`.
#
# For the flags: `~` is "not" for a bool tensor, and a bool tensor can be multiplied with a float
# tensor:
#
# ```pycon
# >>> ended = torch.tensor([False, True])
# >>> ~ended * torch.tensor([5.0, 8.0])
# tensor([5., 0.])
# ```


# %%
def td_targets(
    rewards: Float[Tensor, " b"],
    next_q: Float[Tensor, "b a"],
    terminated: Bool[Tensor, " b"],
    gamma: float,
) -> Float[Tensor, " b"]:
    """Reward plus discounted value of the best next action; the reward alone where terminated.

    Detached, in the dtype of the inputs, which stay as they are (Watkins and Dayan, 1992).
    """
    ### BEGIN SOLUTION
    # TASK: 10 minutes, easy
    # HINT: `amax(1)` is the largest value of each row: actions are axis 1, the batch is axis 0.
    best = next_q.amax(1)  # (b,)
    # HINT: `~terminated` is 1 where the game went on and 0 where it was over.
    return (rewards + gamma * best * ~terminated).detach()
    ### END SOLUTION


# %% [markdown]
# ## 6. double_dqn_targets
#
# The largest of several noisy numbers is too large on average. Think of two actions that are both
# worth 0, and of estimates that are off by +1 or −1, each thrown like a coin. The larger of the
# two is +1 in three of the four cases, so on average it is $\frac{3 - 1}{4} = 0.5$, not 0.
# Q-learning takes such a maximum at every step, and passes the error on to the situations before.
#
# *Double DQN* asks two networks. The **online** network, the one that is being trained, chooses the
# action; the **target** network, its slower copy, says what that action is worth:
#
# $$a_i = \arg\max_a q^{\text{online}}_{i,a} \qquad
# y_i = r_i + \gamma\, q^{\text{target}}_{i,a_i} \quad\text{(and } y_i = r_i \text{ where terminated)}$$
#
# With the coins: throw a second pair for the values. Whichever action the first pair chooses, the
# second pair knows nothing of it, and its value for that action is 0 on average. A real target
# network is an older copy of the online one and shares some of its errors: they shrink, no more.
#
# **By hand.** Reward 1, $\gamma = 0.9$. Online says $(2, 5)$: action 1. Target says $(4, 3)$: action
# 1 is worth 3, so $y = 1 + 0.9 \cdot 3 = 3.7$. The plain target would be $1 + 0.9 \cdot 4 = 4.6$.
# (Task 9 trains with the plain targets. The last lines of this page tell how to try these.)
#
# To pick one entry of each row there is `gather(1, index)`: along axis 1 it takes the entries
# whose numbers are in `index` (int64). `index` must have as many axes as the table, here
# `(b, 1)`. The result is `(b, 1)` too; take that axis away again, or it is the trap of task 5:
#
# ```pycon
# >>> table = torch.tensor([[4.0, 3.0], [6.0, 7.0]])
# >>> column = torch.tensor([1, 0])
# >>> table.gather(1, column[:, None])
# tensor([[3.],
#         [6.]])
# >>> table.gather(1, column[:, None]).squeeze(1)
# tensor([3., 6.])
# ```
#
# **Trap.** With the roles swapped (target chooses, online values) nothing breaks and the result looks
# much the same. And `squeeze()` without an axis also removes the batch axis when the batch is 1.


# %%
def double_dqn_targets(
    rewards: Float[Tensor, " b"],
    next_q_online: Float[Tensor, "b a"],
    next_q_target: Float[Tensor, "b a"],
    terminated: Bool[Tensor, " b"],
    gamma: float,
) -> Float[Tensor, " b"]:
    """TD targets where the online network chooses the next action and the target network values it.

    Detached, in the dtype of the inputs, which stay as they are (van Hasselt, Guez, Silver, 2016).
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: `argmax(1, keepdim=True)` has the shape (b, 1) that `gather` wants.
    choice = next_q_online.argmax(1, keepdim=True)  # (b, 1)
    # HINT: From here on it is the formula of `td_targets`, with another value in place of the best.
    value = next_q_target.gather(1, choice).squeeze(1)  # (b,)
    return (rewards + gamma * value * ~terminated).detach()
    ### END SOLUTION


# %% [markdown]
# ## 7. dqn_loss
#
# Now the loss of one batch, as `ReplayBuffer.sample` gives it. Three steps:
#
# 1. **Estimate**: give `"observation"` to `q`. Of each row of the values `(b, a)` only that of the
#    action *taken* counts, for only about this one do we know a reward. (`gather` again.)
# 2. **Target**: give `"next_observation"` to `target_q`; the rule of task 5 makes $y$ of it.
# 3. **Compare**: with $d_i$ = estimate − target, take the *Huber loss*. Its $\beta$, the size of
#    $d_i$ from which on it is a straight line, is 1 here:
#    $$\ell_i = \begin{cases} \frac12 d_i^2 & |d_i| < 1 \\ |d_i| - \frac12 & |d_i| \ge 1
#    \end{cases}$$
#    and the mean over the batch. It is half the squared error near 0, but its slope never exceeds
#    1: one wild target cannot throw the weights far off. In the notebook, the next cell draws it.
#
# **By hand.** Differences 0.5 and −3: $\ell = (0.125,\; 2.5)$, the mean is 1.3125. Torch has it:
#
# ```pycon
# >>> F.smooth_l1_loss(torch.tensor([0.5, -3.0]), torch.zeros(2))
# tensor(1.3125)
# ```
#
# **Trap: who learns?** Gradients go into `q` only. `target_q` is a measuring stick: run it under
# `torch.no_grad()`, in whatever mode it is in, and change nothing about it: not its mode, not its
# parameters' `requires_grad`, not its gradients.
#
# **Trap: one network for both.** If `q` makes its own targets, each training step moves the
# targets too, and the values can grow without limit. In a run with the settings of task 9 they
# rose above 200 000 (no true value is above 100), and the pole fell after 10 steps.
#
# **Trap: `None` for the next observation.** Some tutorials store `None` after the end and must
# then remove these entries from each batch. With the flag `"terminated"` nothing must be removed:
# the target multiplies by 0.

# %% tags=["picture"]
import matplotlib.pyplot as plt

difference = torch.linspace(-3, 3, 121)
huber = F.smooth_l1_loss(difference, torch.zeros(121), reduction="none")
plt.plot(difference.numpy(), huber.numpy(), label="Huber")
plt.plot(difference.numpy(), (difference**2 / 2).numpy(), "--", label="half the square")
plt.gca().set(xlabel="estimate − target", ylabel="loss", ylim=(0, 4.5))
plt.legend()
plt.show()


# %%
def dqn_loss(
    q: nn.Module, target_q: nn.Module, batch: dict[str, Tensor], gamma: float
) -> Float[Tensor, ""]:
    """The mean Huber loss (beta 1) between the values of the actions taken and their TD targets.

    `batch` is as `ReplayBuffer.sample` gives it. The loss is differentiable to the parameters of `q`;
    nothing about `target_q` changes, and no gradient goes into it (Mnih and others, 2015).
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: `batch["action"][:, None]` has the shape (b, 1) that picks one value per row.
    values = q(batch["observation"])  # (b, a)
    estimate = values.gather(1, batch["action"][:, None]).squeeze(1)  # (b,)

    # HINT: Which network values the next observations, and does it need a graph?
    with torch.no_grad():
        next_q = target_q(batch["next_observation"])  # (b, a)
    target = td_targets(batch["reward"], next_q, batch["terminated"], gamma)
    return F.smooth_l1_loss(estimate, target)
    ### END SOLUTION


# %% [markdown]
# ## 8. soft_update
#
# The target network must not stand still either: it has to follow the online network, slowly. After
# each training step every parameter $\theta$ ("theta") moves a small part $\tau$ ("tau") of the
# way:
#
# $$\theta_{\text{target}} \leftarrow \tau\, \theta_{\text{online}} + (1 - \tau)\, \theta_{\text{target}}$$
#
# $\tau = 1$ copies the online network, $\tau = 0$ leaves the target as it is.
#
# **By hand.** Target 2, online 6, $\tau = 0.25$: $0.25 \cdot 6 + 0.75 \cdot 2 = 3$. Once more, with
# the online network still at 6: $0.25 \cdot 6 + 0.75 \cdot 3 = 3.75$. It closes in on 6.
#
# Networks also have *buffers* (not to be confused with the replay buffer): tensors that are not
# trained but are saved with the network, such as BatchNorm's running mean, and its count of
# batches, a whole number, which cannot be mixed. All buffers are **copied**.
# `parameters()` and `buffers()` give those of both networks in the same order:
#
# ```pycon
# >>> [tuple(buffer.shape) for buffer in nn.BatchNorm1d(3).buffers()]
# [(3,), (3,), ()]
# ```
#
# **Trap: an alias.** `target = online` makes no second network, only a second name; and
# `parameter.data = other.data` makes two parameters share their memory, so that from then on the
# target moves along with every training step. Write **into** the target's tensors instead: methods
# whose name ends in `_` do that.
#
# ```pycon
# >>> a, b = torch.tensor([2.0]), torch.tensor([6.0])
# >>> a.copy_(b)
# tensor([6.])
# >>> b += 1
# >>> a  # a holds a copy: it did not follow
# tensor([6.])
# ```
#
# **Trap: the graph.** Torch refuses to change a parameter in place where gradients are recorded. Under
# `torch.no_grad()` it is allowed, and no graph grows from update to update.


# %%
def soft_update(target: nn.Module, online: nn.Module, tau: float) -> None:
    """Move each parameter of `target` by the part `tau` towards that of `online`; copy buffers.

    In place: the two networks have the same layers and never share memory. `online` stays as it is
    (Lillicrap and others, 2016).
    """
    ### BEGIN SOLUTION
    # TASK: 10 minutes, easy
    with torch.no_grad():
        # HINT: `zip(target.parameters(), online.parameters())` walks through both at once.
        for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
            # HINT: `lerp_(fast, tau)` moves a tensor in place by the part tau towards `fast`.
            slow.lerp_(fast, tau)
        for slow, fast in zip(target.buffers(), online.buffers(), strict=True):
            slow.copy_(fast)
    ### END SOLUTION


# %% [markdown]
# ## 9. train_dqn
#
# Everything together. Of a [Gymnasium](https://gymnasium.farama.org) environment you need two
# methods (`info` is a dict with extras that you can leave alone):
#
# ```pycon
# >>> env = gym.make("CartPole-v1")
# >>> observation, info = env.reset(seed=3)
# >>> observation.shape, observation.dtype
# ((4,), dtype('float32'))
# >>> observation, reward, terminated, truncated, info = env.step(1)
# >>> reward, terminated, truncated
# (1.0, False, False)
# >>> env.observation_space.shape, int(env.action_space.n)
# ((4,), 2)
# ```
#
# `reset` starts an episode, `step` takes an action. The loop, for each of `steps` steps:
#
# 1. ε for this step; choose an action; `env.step(action)`.
# 2. Push the transition. What comes back from `step` is the next observation, also at the end of an
#    episode. The flag to store is `terminated`, **not** `terminated or truncated`.
# 3. If the episode is over, for *either* reason: note its *return* (here: the plain sum of its
#    rewards, without discount), and `reset`. Else go on from the next observation.
# 4. If the number of this step (counted from 0) is at least `warmup` and a multiple of
#    `train_every`, and the memory holds at least `batch_size` transitions: sample, loss,
#    `zero_grad`, backward, optimizer step (`torch.optim.Adam(q.parameters(), lr=lr)`),
#    `soft_update`.
#
# **By hand.** An episode with the rewards 1, 1, 1 that ends by itself, then one of 1, 1 that is cut
# off by a time limit, then one more step, and `steps` = 6 is used up. The returns are `[3.0, 2.0]`:
# the last episode is not finished and does not count.
#
# **Chance.** `gen` decides everything but the initial weights, which come from torch's own global
# generator, as always. The environment has a generator too. Seed it **once**, at the first `reset`,
# with a number drawn from `gen`:
#
# ```text
# seed = int(torch.randint(2**31 - 1, (), generator=gen, device=gen.device))
# ```
#
# All later calls are `env.reset()` without a seed. **Trap:** the same seed at every reset means
# the same start every time. And `env.action_space.sample()` draws from yet another generator: use your
# `select_action`.
#
# The networks live on `gen.device`. `copy.deepcopy(q)` makes the target network: a second network with
# the same numbers.
#
# **What to expect.** With random actions the pole stands for about 20 steps. With the settings
# below and 4000 steps (some seconds) the greedy program often keeps it up for 100 to 300 steps, with
# more steps up to 500, where CartPole's time limit is. Do not expect the returns to rise steadily:
# deep Q-learning is known for runs that get worse for a while. The check trains on a small grid
# world, where $Q^*$ is known exactly, and on CartPole with a low bar and more than one try.


# %%
def train_dqn(
    env: gym.Env,
    steps: int,
    gen: torch.Generator,
    *,
    gamma: float = 0.99,
    lr: float = 3e-3,
    batch_size: int = 128,
    capacity: int = 10_000,
    warmup: int = 500,
    train_every: int = 4,
    epsilon_start: float = 1.0,
    epsilon_end: float = 0.05,
    epsilon_decay: int | None = None,
    tau: float = 0.05,
    hidden: int = 64,
) -> tuple[nn.Module, list[float]]:
    """Play `env` for `steps` steps and learn meanwhile; return the pair (online network, returns).

    The environment's observations are rows of numbers, its actions 0, 1, 2, ... It is seeded once, at
    its first reset, with a number drawn from `gen`; `gen` also draws the actions and the batches. The
    initial weights come from torch's global generator. The network is on `gen.device`.

    The returns are the undiscounted sums of rewards of the finished episodes, in order, as a list
    of Python floats. Only `terminated` ends the world; after `truncated` the target still counts
    what would have followed.

    Args:
        env: A Gymnasium environment.
        steps: How many actions to take in all.
        gen: Source of all chance but the initial weights.
        gamma: The discount.
        lr: Adam's learning rate.
        batch_size: Transitions per training step.
        capacity: Of the replay memory.
        warmup: No training before the step with this number (steps count from 0).
        train_every: From then on, one training step at each step number that it divides.
        epsilon_start: The share of random actions at step 0.
        epsilon_end: The share of random actions at step `epsilon_decay` and later.
        epsilon_decay: The number of steps in between; None: `steps`.
        tau: How far the target network moves after each training step.
        hidden: Width of the network's hidden layers.
    """
    ### BEGIN SOLUTION
    # TASK: 40 minutes, hard
    observation_shape = env.observation_space.shape
    q = QNetwork(observation_shape[0], int(env.action_space.n), hidden).to(gen.device)
    # HINT: The target network starts as a copy of its own, not as another name for q.
    target_q = copy.deepcopy(q)
    optimizer = torch.optim.Adam(q.parameters(), lr=lr)
    buffer = ReplayBuffer(capacity, observation_shape)
    decay = steps if epsilon_decay is None else epsilon_decay

    returns, total = [], 0.0
    seed = int(torch.randint(2**31 - 1, (), generator=gen, device=gen.device))
    observation, _ = env.reset(seed=seed)
    for step in range(steps):
        eps = epsilon(step, epsilon_start, epsilon_end, decay)
        action = select_action(q, observation, eps, gen)
        next_observation, reward, terminated, truncated, _ = env.step(action)
        # HINT: Two questions, two answers: what to store, and whether to start a new episode.
        buffer.push(observation, action, reward, next_observation, terminated)
        total += float(reward)

        observation = next_observation
        if terminated or truncated:
            returns.append(total)
            total = 0.0
            observation, _ = env.reset()

        # HINT: `step % train_every == 0` is true at every train_every-th step.
        if step >= warmup and step % train_every == 0 and len(buffer) >= batch_size:
            loss = dqn_loss(q, target_q, buffer.sample(batch_size, gen), gamma)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            soft_update(target_q, q, tau)
    return q, returns
    ### END SOLUTION


# %% [markdown]
# ## What to read next
#
# - Sutton and Barto, *Reinforcement Learning: An Introduction*, second edition (MIT Press 2018),
#   chapters 3, 4 and 6: values, the Bellman equation, Q-learning.
# - Watkins and Dayan, *Q-learning*, Machine Learning 8 (1992): why the values settle at $Q^*$.
# - Mnih and others, *Human-level control through deep reinforcement learning*, Nature 518 (2015): DQN.
# - Van Hasselt, Guez and Silver, *Deep reinforcement learning with double Q-learning*, AAAI 2016.
# - Lillicrap and others, *Continuous control with deep reinforcement learning*, ICLR 2016: the soft
#   update.
# - Pardo, Tavakoli, Levdik and Kormushev, *Time limits in reinforcement learning*, ICML 2018: why
#   `truncated` is not `terminated`.
# - The documentation of [Gymnasium](https://gymnasium.farama.org), for environments to try.
#
# Where to go from here: put your `double_dqn_targets` into a copy of the loss and look at the values;
# or train longer, keep a copy of the network whenever it balances longer than ever before, and get to
# the 500 steps.
