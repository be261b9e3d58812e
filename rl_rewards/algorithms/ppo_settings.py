"""The settings of proximal policy optimisation, their checks, and the learning rate of a round."""

from dataclasses import dataclass, replace
from typing import Literal, Self

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rl_rewards.core.checks import check_fields, check_share, require
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Discrete, EnvSpec
from rl_rewards.models.base import Model
from rl_rewards.models.encoders import check_agent_model


@dataclass(frozen=True, kw_only=True)
class PPOSettings:
    """Keys of configs/algorithm/ppo.yaml.

    Raises:
        ConfigError: for a value with which it cannot learn.
    """

    spec: EnvSpec
    num_envs: int
    rollout_length: int
    discount: float
    trace_decay: float
    learning_rate: float
    max_gradient_norm: float
    epochs: int
    minibatches: int
    clip: float
    normalize_advantage: bool
    value_weight: float
    entropy_weight: float
    model: Model
    initial_log_std: float
    normalize_obs: bool
    obs_clip: float
    normalize_reward: bool
    reward_scale_decay: float
    # Of a saved configuration that is older than these keys: off.
    learning_rate_schedule: Literal["constant", "linear"] = "constant"
    final_learning_rate_share: float = 0.0
    target_kl: float | None = None
    min_log_std: float | None = None
    reward_scale_floor: float | None = None
    carry_returns: bool = False
    run_env_steps: int | None = None  # of the whole run; see with_budget

    def __post_init__(self) -> None:
        check_fields(self, "algorithm")
        steps = self.num_envs * self.rollout_length
        require(self.num_envs > 0, f"algorithm.num_envs={self.num_envs} must be at least 1.")
        require(self.rollout_length > 0, f"algorithm.rollout_length={self.rollout_length} must be at least 1.")
        require(self.epochs > 0, f"algorithm.epochs={self.epochs} must be at least 1.")
        require(
            self.minibatches > 0 and steps % self.minibatches == 0,
            f"algorithm.minibatches={self.minibatches} must divide num_envs * rollout_length = {steps}.",
        )
        require(self.learning_rate > 0, f"algorithm.learning_rate={self.learning_rate} must be positive.")
        check_share("algorithm.final_learning_rate_share", self.final_learning_rate_share)
        require(0 < self.discount <= 1, f"algorithm.discount={self.discount} must lie in (0, 1].")
        require(0 <= self.trace_decay <= 1, f"algorithm.trace_decay={self.trace_decay} must lie in [0, 1].")
        check_agent_model(self.model, self.spec.obs, may_remember=True)
        require(
            self.model.recurrence() is None or self.num_envs % self.minibatches == 0,
            f"algorithm.minibatches={self.minibatches} must divide algorithm.num_envs={self.num_envs}: a model that "
            "remembers learns from whole sequences, of which each environment gives one in a rollout.",
        )
        told = f"algorithm.target_kl={self.target_kl} must be positive, or null for no stop."
        require(self.target_kl is None or self.target_kl > 0, told)
        self._check_floors()

    def _check_floors(self) -> None:
        """Refuse a floor of the deviation or of the reward scale where there is nothing that it could limit."""
        lowest, initial, floor = self.min_log_std, self.initial_log_std, self.reward_scale_floor
        if lowest is not None:
            require(
                not isinstance(self.spec.action, Discrete),
                f"algorithm.min_log_std={lowest} is a floor for the deviation of real actions, and the actions of "
                f"{self.spec.name} are discrete; set it to null, and algorithm.entropy_weight to keep it exploring.",
            )
            told = f"algorithm.min_log_std={lowest} must not be above algorithm.initial_log_std={initial}."
            require(lowest <= initial, told)
        if floor is not None:
            check_share("algorithm.reward_scale_floor", floor)
            told = f"algorithm.reward_scale_floor={floor} needs algorithm.normalize_reward=true."
            require(self.normalize_reward, told)

    @property
    def requirements(self) -> Requirements:
        return Requirements(discount=self.discount)

    @property
    def carries_returns(self) -> bool:
        """True where the deviation of returns is needed and counts over rollouts."""
        return self.normalize_reward and self.carry_returns

    def with_budget(self, env_steps: int) -> Self:
        """The same algorithm in a run of ``env_steps`` env steps.

        The budget comes from the run and never from a saved configuration of the algorithm: a resumed run that was
        made longer continues on the longer schedule. Where the rate is constant the length is no part of the program.
        """
        if self.learning_rate_schedule == "constant":
            return self
        return replace(self, run_env_steps=env_steps)

    def learning_rate_share(self, round: Int[Array, ""]) -> float | Float[Array, ""]:
        """The share of ``learning_rate`` with which round ``round`` (from 0) of R learns; exactly 1.0 when constant.

        linear: 1 - (1 - final) * round / R, so that the first round has all of it and ``final`` is reached where the
        round after the last would begin (as CleanRL's annealing, where final is 0; Engstrom et al. 2020,
        arXiv:2005.12729, count it among what makes PPO work).
        """
        if self.learning_rate_schedule == "constant":
            return 1.0
        require(
            self.run_env_steps is not None,
            "algorithm.learning_rate_schedule=linear needs the length of the run; give it with with_budget(env_steps).",
        )
        assert self.run_env_steps is not None
        rounds = self.run_env_steps // (self.num_envs * self.rollout_length)
        done = jnp.clip(round / rounds, 0.0, 1.0)
        return 1.0 - (1.0 - self.final_learning_rate_share) * done
