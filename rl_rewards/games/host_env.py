"""The game of ``games.env`` around a batch of environments on the host, with the same rules in numpy.

Restoring the simulator's own state moves Bob back, so his start equals Alice's bit for bit.
"""

import io
import json

import numpy as np

from rl_rewards.core.types import EnvSpec, StepOut
from rl_rewards.envs.base import HostEnv, HostEnvironment
from rl_rewards.games.env import Game, info_dtype, split_action, tell
from rl_rewards.games.rules import ALICE, BOB, TASK, Rules, Turn, distance

KEPT = ("start", "start_obs", "obs", "shown", "goal", "far")
"""The attributes that, with the simulator's state, the turn and the last info, make up the state of a game."""


class HostGame(Game, HostEnvironment):
    """A game on a host environment; see :class:`HostEnvironment`."""

    def make(self, num_envs: int, seed: int) -> "GameBatch":
        return GameBatch(self, self.inner.make(num_envs, seed), seed)


class GameBatch(HostEnv):
    """A batch of B games; see ``HostEnv``."""

    def __init__(self, env: HostGame, batch: HostEnv, seed: int) -> None:
        self.env, self.batch, self.rules = env, batch, env.rules
        self.spec: EnvSpec = env.spec
        self.num_envs = size = batch.num_envs
        self._rng = np.random.default_rng([seed, 0xA11CE])
        inner, goals = batch.spec, len(env.inner.goal_names)
        self.start = np.zeros_like(batch.get_state())
        self.start_obs, self.obs, self.shown = np.zeros((3, size, *inner.obs.shape), np.float32)
        self.goal = np.zeros((size, goals), np.float32)
        self.far = np.zeros(size, np.float32)
        self.turn = np.zeros((len(Turn._fields), size), np.int32)
        self.info = {name: np.zeros((size, *shape), info_dtype(name)) for name, shape in inner.info.items()}

    @property
    def physics_seconds(self) -> float:
        return self.batch.physics_seconds

    def reset(self, mask: np.ndarray) -> np.ndarray:
        """Begin new episodes where ``mask`` is True.

        Roles are drawn for all games, so that the random stream does not depend on the mask.
        """
        obs = self.batch.reset(mask)
        is_task = self._rng.random(self.num_envs) < self.rules.target_fraction
        opponent = np.where(is_task, 0, _draw_opponents(self._rng, self.rules, self.num_envs))
        self.start[mask] = self.batch.get_state()[mask]
        self.start_obs[mask] = self.obs[mask] = obs[mask]
        self.shown[mask] = np.where(is_task[:, None], 0.0, obs)[mask]
        self.goal[mask] = self._features()[mask]
        self.far[mask] = 0.0
        zero = np.zeros(self.num_envs, np.int32)
        fresh = np.stack([np.where(is_task, TASK, ALICE), zero, zero, opponent])
        self.turn[:, mask] = fresh[:, mask]
        for values in self.info.values():
            values[mask] = 0
        return self._seen(self.obs, self.turn)

    def step(self, action: np.ndarray) -> StepOut:
        turn = Turn(*self.turn)
        is_task, repeat = turn.role == TASK, self.rules.mode == "repeat"
        move, stops = split_action(self.batch.spec, action)
        stops = stops & (turn.role == ALICE)
        before = self.batch.get_state()
        out = self.batch.step(move)
        self.batch.set_state(stops, before)
        obs = np.where(stops[:, None], self.obs, out.next_obs)
        here, began = self._features(), self.env.inner.goal_features(self.start)
        reached = self.env.is_reached(here, self.goal)
        after = self.rules.after(turn, stops, reached, self.env.is_reached(here, began))
        over = np.where(is_task, out.needs_reset, after.over)
        switches = after.switches
        self.far = np.where(switches, distance(here, began), self.far).astype(np.float32)
        self.goal = np.where(switches[:, None], here if repeat else began, self.goal).astype(np.float32)
        for name, values in out.info.items():
            self.info[name] = np.where(stops.reshape(-1, *[1] * (values.ndim - 1)), self.info[name], values)
        met = reached & (turn.role == BOB) | (switches & after.over)
        told = {name: values.copy() for name, values in self.info.items()}
        done = StepOut(
            next_obs=self._seen(obs, self.turn),
            env_reward=np.where(is_task, out.env_reward, 0.0).astype(np.float32),
            terminated=np.where(is_task, out.terminated, switches | after.over),
            truncated=is_task & out.truncated,
            needs_reset=over,
            info={**told, **tell(turn, after.turn, over, met, self.far), "goal": self.goal.copy()},
        )
        self.shown = np.where(switches[:, None], obs if repeat else self.start_obs, self.shown).astype(np.float32)
        self.obs = np.where(switches[:, None] & repeat, self.start_obs, obs).astype(np.float32)
        if repeat:
            self.batch.set_state(switches, self.start)
        self.turn = np.stack(after.turn).astype(np.int32)
        return done

    def _features(self) -> np.ndarray:
        return self.env.inner.goal_features(self.batch.get_state())

    def _seen(self, obs: np.ndarray, turn: np.ndarray) -> np.ndarray:
        role, _, _, opponent = turn
        flags = np.stack([role == ALICE, role == TASK, opponent], axis=-1)
        return np.concatenate([obs, self.shown, flags], axis=-1).astype(np.float32)

    def get_state(self) -> np.ndarray:
        """Return the states of the games and of the simulator, [B, n] f64."""
        kept = [getattr(self, name) for name in KEPT]
        rows = [self.batch.get_state(), *kept, self.turn.T, *self.info.values()]
        return np.concatenate([np.asarray(x, np.float64).reshape(self.num_envs, -1) for x in rows], axis=1)

    def set_state(self, mask: np.ndarray, states: np.ndarray) -> None:
        at = self.batch.get_state().shape[1]
        self.batch.set_state(mask, states[:, :at])
        for values in [*(getattr(self, name) for name in KEPT), self.turn.T, *self.info.values()]:
            width = values[0].size
            values[mask] = states[mask, at : at + width].reshape(-1, *values.shape[1:])
            at += width

    def save(self) -> bytes:
        buffer = io.BytesIO()
        batch = np.frombuffer(self.batch.save(), np.uint8)
        generator = json.dumps(self._rng.bit_generator.state)
        np.savez(buffer, states=self.get_state(), generator=generator, batch=batch)
        return buffer.getvalue()

    def load(self, saved: bytes) -> None:
        with np.load(io.BytesIO(saved), allow_pickle=False) as parts:
            self.batch.load(parts["batch"].tobytes())
            self.set_state(np.ones(self.num_envs, bool), parts["states"])
            self._rng.bit_generator.state = json.loads(str(parts["generator"]))


def _draw_opponents(rng: np.random.Generator, rules: Rules, size: int) -> np.ndarray:
    """Return the opponent flags of ``size`` new games: 0, or with probability ``past_share`` +-k; see ``FLAGS``."""
    share, version = rng.random(size), rng.integers(1, rules.past_versions + 1, size)
    side = rng.choice([-1, 1], size)
    return np.where(share < rules.past_share, side * version, 0)
