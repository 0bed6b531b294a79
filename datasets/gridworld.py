"""A small grid world for reinforcement learning, as a Gymnasium environment.

Four times four cells, numbered row by row. A step into the goal (cell 15) brings the reward +1, a
step into the pit (cell 5) the reward -1; both end the episode. All other steps bring 0:

     0   1   2   3
     4 [pit] 6   7
     8   9  10  11
    12  13  14 [goal]

Source: made for this course, after the grid worlds in chapters 3 and 4 of R. S. Sutton and A. G. Barto,
Reinforcement Learning: An Introduction, second edition, MIT Press 2018. Nothing is downloaded.
"""

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

SIDE = 4
CELLS = SIDE * SIDE
GOAL, PIT = 15, 5
STARTS = [cell for cell in range(CELLS) if cell not in (GOAL, PIT)]
MOVES = [(-1, 0), (0, 1), (1, 0), (0, -1)]  # up, right, down, left


def after(cell: int, action: int) -> int:
    """The cell that a move leads to; whoever runs into the wall stays where they are."""
    row, column = divmod(cell, SIDE)
    row = min(max(row + MOVES[action][0], 0), SIDE - 1)
    column = min(max(column + MOVES[action][1], 0), SIDE - 1)
    return row * SIDE + column


def reward_of(cell: int) -> float:
    """What a step into this cell brings."""
    return {GOAL: 1.0, PIT: -1.0}.get(cell, 0.0)


class GridWorld(gym.Env[np.ndarray, int]):
    """The grid. An observation is a row of 16 numbers: 1 at the cell where we are, 0 elsewhere.

    Actions: 0 up, 1 right, 2 down, 3 left. Each episode starts in a random cell. `limit` is a time
    limit: after so many steps the episode is cut off (`truncated`), although the world goes on.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, limit: int = 40) -> None:
        self.observation_space = gym.spaces.Box(0.0, 1.0, (CELLS,), np.float32)
        self.action_space = gym.spaces.Discrete(len(MOVES))
        self.limit = limit
        self.cell, self.steps = 0, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start a new episode in a random cell; a seed makes this and later episodes repeatable."""
        super().reset(seed=seed)
        self.cell = STARTS[int(self.np_random.integers(len(STARTS)))]
        self.steps = 0
        return self._observation(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move: `(observation, reward, terminated, truncated, info)`."""
        self.cell = after(self.cell, int(action))
        self.steps += 1
        terminated = self.cell in (GOAL, PIT)
        truncated = self.steps >= self.limit and not terminated
        return self._observation(), reward_of(self.cell), terminated, truncated, {}

    def _observation(self) -> np.ndarray:
        row = np.zeros(CELLS, dtype=np.float32)
        row[self.cell] = 1.0
        return row
