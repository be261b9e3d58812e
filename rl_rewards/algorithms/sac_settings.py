"""The settings of soft actor-critic and their checks."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import LARGEST_BOUND, Box, EnvSpec, box_bounds
from rl_rewards.data.demonstrations.records import require_demos
from rl_rewards.models.base import Model
from rl_rewards.models.encoders import check_agent_model


@dataclass(frozen=True, kw_only=True)
class SACSettings:
    """The arguments of SAC, which configs/algorithm/sac.yaml explains.

    Raises:
        ConfigError: if a value is invalid, or the action space is not real and bounded.
    """

    spec: EnvSpec
    num_envs: int
    rollout_length: int
    replay_capacity: int
    learning_starts: int
    batch_size: int
    update_ratio: float
    discount: float
    target_rate: float
    actor_learning_rate: float
    critic_learning_rate: float
    temperature: Literal["auto"] | float
    initial_temperature: float
    temperature_learning_rate: float
    target_entropy: float | None
    critics: int
    target_critics: int
    actor_maximizes: Literal["min", "mean"]
    actor_every: int
    model: Model
    log_std_range: tuple[float, ...]
    image_shift: int
    normalize_obs: bool
    obs_clip: float
    normalize_reward: bool
    reward_scale_decay: float
    demos: str | None
    demo_fraction: float
    bc_weight: float
    carry_returns: bool = False  # the default is for saved configurations that are older than this key

    def __post_init__(self) -> None:
        check_fields(self, "algorithm")
        action = self.spec.action
        bounded = isinstance(action, Box) and bool(np.all(np.isfinite(box_bounds(action))))
        require(
            bounded,
            f"algorithm=sac needs real actions within bounds, which those of {self.spec.name} are not (a bound beyond "
            f"{LARGEST_BOUND:.1e} counts as none); algorithm=ppo supports all actions.",
        )
        for name in ("num_envs", "rollout_length", "replay_capacity", "batch_size", "critics", "actor_every"):
            require(getattr(self, name) > 0, f"algorithm.{name}={getattr(self, name)} must be at least 1.")
        for name in ("actor_learning_rate", "critic_learning_rate", "temperature_learning_rate"):
            require(getattr(self, name) > 0, f"algorithm.{name}={getattr(self, name)} must be positive.")
        for name in ("learning_starts", "image_shift"):
            require(getattr(self, name) >= 0, f"algorithm.{name}={getattr(self, name)} must be 0 or more.")
        require(
            self.gradient_steps > 0,
            f"algorithm.update_ratio={self.update_ratio} gives no gradient step in a round of {self.round_steps} "
            f"env steps; it must be at least {1 / self.round_steps:.2g}.",
        )
        require(
            1 <= self.target_critics <= self.critics,
            f"algorithm.target_critics={self.target_critics} must be at least 1 and at most "
            f"algorithm.critics={self.critics}.",
        )
        require(0 < self.discount < 1, f"algorithm.discount={self.discount} must lie between 0 and 1.")
        require(0 < self.target_rate <= 1, f"algorithm.target_rate={self.target_rate} must lie in (0, 1].")
        for name in ("temperature", "initial_temperature"):
            value = getattr(self, name)
            require(value == "auto" or value > 0, f"algorithm.{name}={value} must be positive.")
        require(
            len(self.log_std_range) == 2 and self.log_std_range[0] < self.log_std_range[1],
            f"algorithm.log_std_range={list(self.log_std_range)} must be two numbers, the smaller one first.",
        )
        check_agent_model(self.model, self.spec.obs)

        share, weight = self.demo_fraction, self.bc_weight
        require(0 <= share < 1, f"algorithm.demo_fraction={share} must lie in [0, 1).")
        require(weight >= 0, f"algorithm.bc_weight={weight} must be 0 (off) or positive.")
        told = f"algorithm.bc_weight={weight} needs demonstrations in every batch; set algorithm.demo_fraction too."
        require(weight == 0 or self.batch_demos > 0, told)
        if self.batch_demos > 0:
            require_demos(self.demos, f"algorithm.demo_fraction={share}")

    @property
    def carries_returns(self) -> bool:
        """True if rewards are divided by a reward scale that continues returns from rollout to rollout."""
        return self.normalize_reward and self.carry_returns

    @property
    def batch_demos(self) -> int:
        """The number of demonstrated steps in a batch."""
        return round(self.demo_fraction * self.batch_size)

    @property
    def round_steps(self) -> int:
        """The number of env steps in a round."""
        return self.num_envs * self.rollout_length

    @property
    def gradient_steps(self) -> int:
        """The number of gradient steps in a round."""
        return round(self.update_ratio * self.round_steps)

    @property
    def requirements(self) -> Requirements:
        return Requirements(
            history=self.replay_capacity,
            demos=self.demos,
            size_key=("replay_capacity", self.replay_capacity),
            learns_from="replay",
            demo_fraction=self.demo_fraction,
            discount=self.discount,
        )
