"""Helpers for the tests of key_door and light_switch."""

from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.types import Discrete, EnvSpec
from rl_rewards.envs.base import JaxEnv
from rl_rewards.envs.rooms.room import Room

S = TypeVar("S", bound=Hashable)


def shortest(start: S, is_end: Callable[[S], bool], after: Callable[[S, int], S], actions: Iterable[int]) -> list[int]:
    """Return the actions of a shortest path, by breadth-first search."""
    came: dict[S, list[int]] = {start: []}
    for state in (queue := [start]):
        if is_end(state):
            return came[state]
        for action in actions:
            reached = after(state, action)
            if reached not in came:
                came[reached] = [*came[state], action]
                queue.append(reached)
    raise AssertionError("no way to the goal")


def check_solvable(env: Room, solve: Callable[[dict, tuple], list[int]], most: int, touched: int) -> None:
    """Check that the actions of ``solve``, at most ``most``, end each of twelve rooms with the last action."""
    states = jax.device_get(jax.jit(jax.vmap(env.reset))(jax.random.split(jax.random.key(2), 12)))
    steps = jax.jit(lambda state, actions: jax.lax.scan(lambda s, a: env.step(jax.random.key(0), s, a), state, actions))
    for i in range(12):
        state = jax.tree.map(lambda leaf, i=i: leaf[i], states)
        places = {name: tuple(getattr(state, name).tolist()) for name in env.things}
        actions = solve(places, places["walker"])
        assert len(actions) <= most, "as the YAML says"
        _, out = steps(state, np.pad(actions, (0, env.max_episode_steps - len(actions)), constant_values=4))
        last = len(actions) - 1
        assert np.argmax(out.terminated) == last and out.terminated[last] and out.info["touched"][last] == touched


def check_spec(env: Room, entries: int, state: Any, tmp_path: Path) -> None:
    """Check that the spec describes a step from ``state``, and that it can be saved and loaded."""
    assert isinstance(env, JaxEnv)
    spec = env.spec
    assert spec.obs.shape == (entries,) == (len(spec.obs_names),) and spec.action == Discrete(5)
    assert spec.cells == env.size**2 and spec.ends_early and spec.restores and spec.has_success
    _, out = jax.jit(env.step)(jax.random.key(0), state, jnp.int32(1))
    assert {name: value.shape for name, value in out.info.items()} == spec.info
    assert all(value.dtype == (bool if name == "success" else np.float32) for name, value in out.info.items())
    assert env.goal_features(state).shape == (len(env.goal_names),)
    spec.save(tmp_path / "spec.json")
    assert EnvSpec.load(tmp_path / "spec.json") == spec
