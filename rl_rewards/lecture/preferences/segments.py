"""Segments of ``point`` of mixed quality, with a true reward written by hand, for studies of people's answers.

Every segment is from a different episode, whose policy walks, not quite straight, to a random place in the square.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import EnvSpec, Key, Memory, Transition
from rl_rewards.envs.point import Point
from rl_rewards.loop.collect import collect_jax, reset_jax
from rl_rewards.rewards.base import JudgesPairs, make_pair_features
from rl_rewards.rewards.hand_designed import HandDesigned


@dataclass(frozen=True, kw_only=True)
class Segments:
    """Keys and units: configs/experiment/lecture/preferences/ranking_efficiency.yaml."""

    env: Point
    truth: Callable[..., HandDesigned]
    steps: int
    wander: float

    def __post_init__(self) -> None:
        check_fields(self, "study.segments")
        require(
            1 <= self.steps <= self.env.max_episode_steps,
            f"study.segments.steps={self.steps} must lie in 1 to {self.env.max_episode_steps}, an episode's length.",
        )
        require(self.wander >= 0.0, f"study.segments.wander={self.wander} must be 0 (straight) or positive.")

    @property
    def spec(self) -> EnvSpec:
        return self.env.spec

    @cached_property
    def _truth(self) -> HandDesigned:
        return self.truth(spec=self.spec)

    def draw(self, key: Key, n: int) -> Transition:
        """Draw ``n`` independent segments, leaves [n, steps, ...]; ``env_reward`` is the true reward."""
        reset_key, target_key, walk_key, start_key = jax.random.split(key, 4)
        targets = jax.random.uniform(target_key, (n, 2), minval=-1.0, maxval=1.0)

        def act(memory: Memory, obs: Array, act_key: Key) -> tuple[Array, Memory, dict[str, Array]]:
            straight = jnp.clip((targets - obs[:, :2]) / self.env.speed, -1.0, 1.0)
            action = jnp.clip(straight + self.wander * jax.random.normal(act_key, straight.shape), -1.0, 1.0)
            return action, memory, {}

        length = self.env.max_episode_steps
        episodes = collect_jax(self.env, act, reset_jax(self.env, reset_key, n), walk_key, length).rollout
        starts = jax.random.randint(start_key, (n,), 0, length - self.steps + 1)
        cut = jax.vmap(lambda one, start: jax.lax.dynamic_slice_in_dim(one, start, self.steps), (1, 0))
        segments = jax.tree.map(lambda leaf: cut(leaf, starts), episodes)
        return segments.replace(env_reward=self._truth.reward({}, segments))

    def inputs(self, judges: JudgesPairs, segments: Transition) -> Float[Array, "*batch d"]:
        """Return a reward's inputs at every step, as ``judges`` says."""
        return make_pair_features(self.spec, judges)(segments)
