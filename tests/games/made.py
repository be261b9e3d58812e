"""A hall that is stepped on the host, and a plain reference game; shared by the tests of games."""

import io
from dataclasses import dataclass

import numpy as np

from rl_rewards.core.types import Box, Discrete, EnvSpec, StepOut
from rl_rewards.envs.base import HostEnv, HostEnvironment
from rl_rewards.games.rules import Rules

LEFT, RIGHT, STOP = range(3)
LENGTH = 9


def rules(**changes) -> Rules:
    values = {"horizon": 12, "alice_moves": 5, "threshold": None, "mode": "repeat", "target_fraction": 0.0}
    return Rules(**(values | changes))


@dataclass(frozen=True)
class HostHall(HostEnvironment):
    """``hall`` with 9 cells in numpy; the state of its simulator is the cell and the time."""

    goal_names = ("cell",)
    goal_threshold = 0.5
    reversible = True
    limit: int = 16

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(
            name="host_hall",
            obs=Box(shape=(LENGTH,)),
            action=Discrete(2),
            max_episode_steps=self.limit,
            info={"success": (), "scene": (1,)},
            ends_early=True,
            restores=True,
            has_success=True,
        )

    def goal_features(self, state: np.ndarray) -> np.ndarray:
        return state[:, :1].astype(np.float32)

    def make(self, num_envs: int, seed: int) -> "HostHallBatch":
        return HostHallBatch(self, num_envs, seed)


class HostHallBatch(HostEnv):
    def __init__(self, env: HostHall, num_envs: int, seed: int) -> None:
        self.env, self.spec, self.num_envs = env, env.spec, num_envs
        self.rng = np.random.default_rng(seed)
        self.state = np.zeros((num_envs, 2))

    def _obs(self) -> np.ndarray:
        return np.eye(LENGTH, dtype=np.float32)[self.state[:, 0].astype(int)]

    def reset(self, mask: np.ndarray) -> np.ndarray:
        cells = self.rng.integers(0, LENGTH, self.num_envs)
        self.state[mask] = np.stack([cells, np.zeros(self.num_envs)], axis=-1)[mask]
        return self._obs()

    def step(self, action: np.ndarray) -> StepOut:
        self.state[:, 0] = np.clip(self.state[:, 0] + np.where(action == RIGHT, 1, -1), 0, LENGTH - 1)
        self.state[:, 1] += 1
        success = self.state[:, 0] == LENGTH - 1
        truncated = (self.state[:, 1] >= self.env.limit) & ~success
        return StepOut(
            next_obs=self._obs(),
            env_reward=success.astype(np.float32),
            terminated=success.copy(),
            truncated=truncated,
            needs_reset=success | truncated,
            info={"success": success, "scene": self.state[:, :1].astype(np.float32)},
        )

    def get_state(self) -> np.ndarray:
        return self.state.copy()

    def set_state(self, mask: np.ndarray, states: np.ndarray) -> None:
        self.state[mask] = states[mask]

    def save(self) -> bytes:
        buffer = io.BytesIO()
        np.savez(buffer, state=self.state, draws=self.rng.bit_generator.state["state"]["state"] % 2**63)
        return buffer.getvalue()

    def load(self, saved: bytes) -> None:
        with np.load(io.BytesIO(saved)) as parts:
            self.state = parts["state"]


def by_hand(agreed: Rules, start: int, actions: list[int]) -> list[dict]:
    """Return the rows of one game on a hall by the paper's algorithm 1, as simply as possible, until it is over."""
    rows, cell, t_alice, t_bob = [], start, 0, 0
    actions = iter(actions)

    def moved(cell: int, action: int) -> int:
        return min(max(cell + (1 if action == RIGHT else -1), 0), LENGTH - 1)

    alices = True
    goal = begin = None
    for action in actions:
        if alices:
            if action != STOP:
                cell, t_alice = moved(cell, action), t_alice + 1
            done = action == STOP or t_alice == agreed.alice_moves
            row = {"role": 0, "t_alice": t_alice, "t_bob": 0, "terminated": done, "over": False, "reached": False}
            rows.append(row | {"cell": cell})
            if done:
                goal, begin = (cell, start) if agreed.mode == "repeat" else (start, cell)
                if goal == begin:
                    rows[-1] |= {"over": True, "reached": True}
                    return rows
                cell, alices = begin, False
        else:
            action = LEFT if action == STOP else action
            cell, t_bob = moved(cell, action), t_bob + 1
            reached = cell == goal
            over = reached or t_alice + t_bob == agreed.horizon
            row = {"role": 1, "t_alice": t_alice, "t_bob": t_bob, "terminated": over, "over": over, "reached": reached}
            rows.append(row | {"cell": cell})
            if over:
                return rows
    raise AssertionError("the game has an end")
