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
    """The arguments of PPO, which configs/algorithm/ppo.yaml explains.

    Raises:
        ConfigError: if a value is invalid, or values contradict each other.
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
    # Saved configurations that are older than these keys get the defaults, which are off.
    learning_rate_schedule: Literal["constant", "linear"] = "constant"
    final_learning_rate_share: float = 0.0
    target_kl: float | None = None
    min_log_std: float | None = None
    noise_every: int | None = None
    reward_scale_floor: float | None = None
    carry_returns: bool = False
    run_env_steps: int | None = None  # env steps of the whole run; see with_budget

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
            f"algorithm.minibatches={self.minibatches} must divide algorithm.num_envs={self.num_envs}, because a "
            "recurrent model learns from whole sequences, and each environment gives one sequence per rollout.",
        )
        told = f"algorithm.target_kl={self.target_kl} must be positive, or null to never stop early."
        require(self.target_kl is None or self.target_kl > 0, told)
        self._check_floors()
        self._check_noise()

    def _check_noise(self) -> None:
        """Check that the policy can keep exploration noise, where it is to do so."""
        every = self.noise_every
        if every is None:
            return
        require(every > 0, f"algorithm.noise_every={every} must be at least 1, or null for independent noise.")
        require(
            not isinstance(self.spec.action, Discrete),
            f"algorithm.noise_every={every} needs continuous actions, and those of {self.spec.name} are discrete; set "
            "it to null.",
        )
        require(
            self.model.recurrence() is None,
            f"algorithm.noise_every={every} cannot be combined with a recurrent model, such as this "
            f"{type(self.model).__name__}; choose model@algorithm.model=mlp, or set it to null.",
        )

    def _check_floors(self) -> None:
        """Check that the lower bounds of the log std and of the reward scale can have an effect."""
        lowest, initial, floor = self.min_log_std, self.initial_log_std, self.reward_scale_floor
        if lowest is not None:
            require(
                not isinstance(self.spec.action, Discrete),
                f"algorithm.min_log_std={lowest} is only for continuous actions, but the actions of {self.spec.name} "
                "are discrete; set it to null, and use algorithm.entropy_weight to keep the policy exploring.",
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
        """True if rewards are divided by a reward scale that continues returns from rollout to rollout."""
        return self.normalize_reward and self.carry_returns

    def with_budget(self, env_steps: int) -> Self:
        """Return the same algorithm for a run of ``env_steps`` env steps.

        The budget comes from the run and not from a saved configuration of the algorithm, so that a resumed run that
        was made longer continues on the longer schedule. With a constant learning rate the budget is ignored, so that
        it is not part of the compiled program.
        """
        if self.learning_rate_schedule == "constant":
            return self
        return replace(self, run_env_steps=env_steps)

    def learning_rate_share(self, round: Int[Array, ""]) -> float | Float[Array, ""]:
        """Return the fraction of ``learning_rate`` to use in round ``round`` (from 0) of R; exactly 1.0 if constant.

        linear: 1 - (1 - final) * round / R. The first round has the full rate, and ``final`` would be reached in the
        round after the last (as in CleanRL's annealing, where final is 0; Engstrom et al. 2020, arXiv:2005.12729, list
        annealing among the details that make PPO work).

        Raises:
            ConfigError: if the schedule is linear and :meth:`with_budget` was not called.
        """
        if self.learning_rate_schedule == "constant":
            return 1.0
        require(
            self.run_env_steps is not None,
            "algorithm.learning_rate_schedule=linear needs the length of the run; call with_budget(env_steps) first.",
        )
        assert self.run_env_steps is not None
        rounds = self.run_env_steps // (self.num_envs * self.rollout_length)
        done = jnp.clip(round / rounds, 0.0, 1.0)
        return 1.0 - (1.0 - self.final_learning_rate_share) * done
