"""The environment's own reward, passed on: the baseline that every learned reward is compared with."""

from dataclasses import dataclass, field
from typing import Literal

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rl_rewards.core.types import EnvSpec, Examples, Experience, Key, Metrics, Transition


@dataclass(frozen=True, kw_only=True)
class EnvironmentReward:
    """r = env_reward; has no state and learns nothing."""

    spec: EnvSpec

    scope: Literal["transition"] = field(default="transition", init=False)
    history: int = field(default=0, init=False)
    needs_examples: bool = field(default=False, init=False)
    reads: tuple[str, ...] = field(default=("env_reward",), init=False)
    stands_still: bool = field(default=True, init=False)

    def init(self, key: Key) -> dict:
        del key
        return {}

    def reward(self, state: dict, transitions: Transition) -> Float[Array, "*batch"]:
        del state
        return transitions.env_reward

    def absorbing_reward(self, state: dict) -> Float[Array, ""]:
        del state
        return jnp.zeros(())

    def update(
        self, state: dict, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[dict, Metrics]:
        del data, experience, round, key
        return state, {}

    def inspect(self, state: dict, data: Examples, transitions: Transition) -> dict[str, Array]:
        del state, data, transitions
        return {}
