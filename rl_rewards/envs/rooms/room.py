"""Base class of square rooms in which a walker does things in a fixed order and then stands on a goal."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Box, Discrete, EnvSpec, Key, Obs, StepOut
from rl_rewards.envs import cells
from rl_rewards.envs.base import ExampleStates, JaxEnv, Plane

NOWHERE = -1
"""Instead of a coordinate: its one-hot is all zeros."""

ACT = 4
"""The action after the four moves of ``cells.MOVES``; each room defines its effect."""


@dataclass(frozen=True, kw_only=True)
class Room(JaxEnv):
    """A room of ``size`` by ``size`` cells; obs = x and y of each of ``things``, one-hot [2 * size] (zeros while it is
    not seen), then ``flags``. There are five actions.

    States have x and y of each of ``things``, ``touched`` (bool, one for each thing to do) and ``elapsed``. Episodes
    end with success; ``env_reward`` is 1 there and 0 elsewhere.
    """

    size: int
    max_episode_steps: int

    name: ClassVar[str]
    least: ClassVar[tuple[int, str]]  # smallest size in cells per side, and the reason as a part of the message
    things: ClassVar[tuple[str, ...]]  # everything with a place: the walker first, the goal last
    flags: ClassVar[tuple[str, ...]]  # true or false: the last entries of obs, scene and goal features

    goal_threshold = 0.5  # features are whole numbers

    def __post_init__(self) -> None:
        check_fields(self, "env")
        least, why = self.least
        require(self.size >= least, f"env.size={self.size} must be at least {least} cells{why}.")
        require(self.max_episode_steps >= 1, f"env.max_episode_steps={self.max_episode_steps} must be at least 1.")

    @property
    def spec(self) -> EnvSpec:
        axes = [f"{what} at {axis}={i}" for what in self.things for axis in "xy" for i in range(self.size)]
        names = (*axes, *self.flags)
        return EnvSpec(
            name=self.name,
            obs=Box(shape=(len(names),), low=(0.0,) * len(names), high=(1.0,) * len(names)),
            action=Discrete(len(cells.MOVES)),
            max_episode_steps=self.max_episode_steps,
            info={"success": (), "scene": (2 * len(self.things) + len(self.flags),), "cell": (), "touched": ()},
            ends_early=True,
            restores=True,
            has_success=True,
            obs_names=names,
            cells=self.size**2,
        )

    @property
    def places(self) -> Int[np.ndarray, "cells 2"]:
        return cells.places(self.size, self.size)

    def goal_features(self, state: Any) -> Float[Array, " g"]:
        return jnp.concatenate([state.walker, self.flags_of(state)]).astype(jnp.float32)

    @abstractmethod
    def flags_of(self, state: Any) -> Bool[Array, " flags"]:
        """Return the values of ``flags``."""
        ...

    @abstractmethod
    def seen_of(self, state: Any) -> Bool[Array, " things"]:
        """Return True for each of the things that is seen."""
        ...

    @abstractmethod
    def reset(self, key: Key) -> Any:
        """Return the first state of an episode."""
        ...

    def observe(self, state: Any) -> Obs:
        at = jnp.stack([getattr(state, thing) for thing in self.things])
        axes = jax.nn.one_hot(jnp.where(self.seen_of(state)[:, None], at, NOWHERE), self.size)
        return jnp.concatenate([axes.reshape(-1), self.flags_of(state)])

    def after(self, state: Any, success: Bool[Array, ""]) -> tuple[Any, StepOut]:
        """Return the next state and the step's outcome; ``state`` is the next state with the old ``elapsed``."""
        state = state.replace(elapsed=state.elapsed + 1)
        info = {
            "scene": self.scene_of(state),
            "cell": cells.index_of(state.walker, self.size).astype(jnp.float32),
            "touched": jnp.sum(state.touched).astype(jnp.float32),
        }
        late = state.elapsed >= self.max_episode_steps
        return state, cells.until_success(self.observe(state), success, late, info)

    def scene_of(self, state: Any) -> Float[Array, " scene"]:
        """Return x and y of every thing, then the flags."""
        at = [getattr(state, thing) for thing in self.things]
        return jnp.concatenate([*at, self.flags_of(state)]).astype(jnp.float32)

    def reward_of(self, obs: Array, action: Array, next_obs: Array) -> Array:
        """Return 1 where walker and goal are seen on the same cell, and 0 elsewhere."""
        del obs, action
        axes = next_obs[..., : -len(self.flags)].reshape(*next_obs.shape[:-1], len(self.things), 2, self.size)
        return jnp.prod(jnp.sum(axes[..., 0, :, :] * axes[..., -1, :, :], axis=-1), axis=-1)

    # Methods for people.

    def drawn(self, rng: np.random.Generator, n: int) -> Any:
        """Return ``n`` states at the start of an episode, in numpy."""
        keys = jax.random.split(jax.random.key(rng.integers(2**31)), n)
        return jax.device_get(jax.jit(jax.vmap(self.reset))(keys))

    def examples_of(self, rng: np.random.Generator, states: Any) -> ExampleStates:
        """Return the observations of states [n], with random actions."""
        obs = np.asarray(jax.jit(jax.vmap(self.observe))(states))
        return ExampleStates(obs=obs, action=rng.integers(0, len(cells.MOVES), len(obs), dtype=np.int32))

    def plane_of(self, room: Any, n: int, caption: str) -> Plane:
        """Return all places of the walker in the room of the state ``room``."""
        axis = cells.axis_of(n, self.size)
        x, y = np.meshgrid(axis.astype(np.int32), axis.astype(np.int32))
        obs = jax.vmap(jax.vmap(lambda place: self.observe(room.replace(walker=place))))(np.stack([x, y], axis=-1))
        labels = {f"{name}_label": f"walker's {name}, cells" for name in "xy"}
        return Plane(obs=np.asarray(obs), x=axis, y=axis, caption=caption, **labels)

    def place(self, scene: np.ndarray) -> np.ndarray:
        return scene[..., :2] + 0.5  # the middle of the walker's cell
