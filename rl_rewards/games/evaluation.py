"""What the games of Alice and Bob are like by now: played for evaluation, with keys of their own."""

from functools import partial
from typing import Any

import jax
import numpy as np

from rl_rewards.core.types import Key, Transition
from rl_rewards.envs.base import HostEnvironment, JaxEnv
from rl_rewards.games.env import TwoPlayer
from rl_rewards.games.rules import ALICE, NOBODY
from rl_rewards.loop.collect import collect_host, collect_jax, reset_jax
from rl_rewards.loop.rounds import host_act
from rl_rewards.loop.seeds import make_batches
from rl_rewards.loop.train import Parts
from rl_rewards.rewards.base import reward_fn

SHOWN = 4
"""Games of each evaluation whose scenes are kept, for a video."""
PLAYED = 2
"""Folded into a round's evaluation key; 0 and 1 are the two policies on the task."""
RETURN_OF = {"alice": lambda role: role == ALICE, "bob": lambda role: role != ALICE}


class Games:
    """Plays one game in each of ``episodes`` copies with both players as they explore; compiles at its first call."""

    def __init__(self, parts: Parts, episodes: int) -> None:
        assert isinstance(parts.env, TwoPlayer)
        self.env: TwoPlayer = parts.env.play
        self.parts, self.episodes = parts._replace(env=self.env), episodes
        self.length = self.env.rules.horizon + 1
        seeds = parts.seeds
        self._play = jax.jit(seeds.map(partial(_play, self.parts, episodes, self.length), 0))
        self._act = jax.jit(host_act(self.parts, explore=True))
        self._pay = jax.jit(seeds.map(partial(_pay, self.parts), 0))

    def __call__(self, agent: Any, reward: Any, keys: Key, env_seeds: Any) -> list[tuple[dict, dict]]:
        """Metrics and arrays of every seed; ``keys`` [S] or []."""
        if isinstance(self.env, JaxEnv):
            rollout = jax.device_get(self._play(agent, keys))
        else:
            assert isinstance(self.env, HostEnvironment)
            seed, action_keys = env_seeds(keys)
            host_env = make_batches(self.env, self.episodes, np.asarray(seed).reshape(-1).tolist())
            rollout = collect_host(host_env, self._act, agent, action_keys, self.length)
            rollout = self.parts.seeds.split(rollout, axis=1)
        over = rollout.info["over"] > 0.0
        rollout = rollout.replace(valid=np.cumsum(over, axis=-2) - over == 0)
        paid = jax.device_get(self._pay(reward, rollout))
        return [_of_one(self.env, one, rewards) for one, rewards in self.parts.seeds.each((rollout, paid))]


def _play(parts: Parts, episodes: int, length: int, agent: Any, key: Key) -> Transition:
    reset_key, collect_key = jax.random.split(key)
    state = reset_jax(parts.env, reset_key, episodes)
    act = partial(parts.algorithm.act, agent, explore=True)
    return collect_jax(parts.env, act, state, collect_key, length)[1]


def _pay(parts: Parts, reward: Any, rollout: Transition) -> jax.Array:
    return reward_fn(parts.source, reward)(rollout)


def _of_one(env: TwoPlayer, rollout: Transition, paid: np.ndarray) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """One seed's games [T, N]: every one of them ends within its horizon.

    ``scene_player`` [T, SHOWN]: whose move led to each scene; ``NOBODY`` where there is none to show.
    """
    info, columns = rollout.info, np.arange(rollout.valid.shape[1])
    end = rollout.valid.sum(axis=0) - 1
    handed = np.argmax((info["role"] == ALICE) & rollout.terminated, axis=0)  # her last step
    arrays: dict[str, Any] = {
        "game_t_alice": info["t_alice"][end, columns],
        "game_t_bob": info["t_bob"][end, columns],
        "game_reached": info["reached"][end, columns],
        "game_distance": info["distance"][end, columns],
    }
    if "touched" in info:
        arrays["game_touched"] = info["touched"][handed, columns]
    metrics = {f"eval/{name}": float(np.mean(values)) for name, values in arrays.items()}
    arrays["game_goal"] = info["goal"][end, columns]
    if "scene" in info:
        scene = np.asarray(info["scene"])
        has_moved = info["t_alice"] + info["t_bob"] > 0.0  # before that a game has no scene
        places = env.place(scene[handed, columns])
        if places is not None:
            arrays["game_place"] = np.where(has_moved[handed, columns][:, None], places, np.nan)
        arrays["scene_games"] = scene[:, :SHOWN]
        arrays["scene_player"] = np.where(rollout.valid & has_moved, info["role"], NOBODY)[:, :SHOWN].astype(np.int8)
    for player, plays in RETURN_OF.items():
        metrics[f"eval/{player}_return"] = float(np.mean(np.sum(paid * rollout.valid * plays(info["role"]), axis=0)))
    return metrics, arrays
