"""The exact soft-optimal policy of a known model; experience is only used for metrics.

pi = argmax of E[sum of gamma^t (r(s_t, a_t, s_{t+1}) + tau H(pi(.|s_t)))], by ``models.tabular.soft_values``
(Ziebart 2010, PhD thesis, algorithm 9.1). In each round, the rewards of all possible steps are computed again.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.distributions import Categorical
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Action, EnvSpec, Experience, Key, Memory, Metrics, Obs, RewardFn
from rl_rewards.models import tabular
from rl_rewards.models.tabular import TabularModel, require_tabular


class SoftValueIterationState(struct.PyTreeNode):
    log_policy: Float[Array, "states actions"]  # log pi(a|s)


@dataclass(frozen=True, kw_only=True)
class SoftValueIteration(Algorithm):
    """Soft value iteration; configs/algorithm/soft_value_iteration.yaml explains its arguments.

    Raises:
        ConfigError: if a value is invalid, or the environment has no known model.
    """

    spec: EnvSpec
    model: TabularModel
    num_envs: int
    rollout_length: int
    discount: float
    temperature: float

    def __post_init__(self) -> None:
        check_fields(self, "algorithm")
        require_tabular(self.model, "algorithm=soft_value_iteration")
        for name in ("num_envs", "rollout_length"):
            require(getattr(self, name) > 0, f"algorithm.{name}={getattr(self, name)} must be at least 1.")
        require(0.0 < self.discount < 1.0, f"algorithm.discount={self.discount} must lie between 0 and 1.")
        require(self.temperature > 0.0, f"algorithm.temperature={self.temperature} must be positive.")

    @property
    def requirements(self) -> Requirements:
        return Requirements(discount=self.discount)

    def init(self, key: Key) -> SoftValueIterationState:
        """Return the uniform policy."""
        del key
        states, actions, _ = self.model.transition_tensor.shape
        return SoftValueIterationState(log_policy=jnp.full((states, actions), -jnp.log(float(actions))))

    def act(
        self, state: SoftValueIterationState, memory: Memory, obs: Obs, key: Key, explore: bool
    ) -> tuple[Action, Memory, dict[str, jax.Array]]:
        policy = self._policy(state, obs)
        action = policy.sample(key) if explore else policy.mode()
        return action, memory, {"log_prob": policy.log_prob(action)}

    def log_prob(self, state: SoftValueIterationState, obs: Obs, action: Action) -> Float[Array, "*batch"]:
        return self._policy(state, obs).log_prob(action)

    def update(
        self, state: SoftValueIterationState, experience: Experience, reward_fn: RewardFn, round: Array, key: Key
    ) -> tuple[SoftValueIterationState, Metrics]:
        del round, key
        rollout = experience.rollout
        assert rollout is not None, "compatibility.check ensures that an on-policy algorithm gets rollouts"
        transition = jnp.asarray(self.model.transition_tensor)
        reward = tabular.expected_reward(transition, reward_fn(tabular.every_step(self.model)))
        q = tabular.soft_values(transition, reward, self.discount, self.temperature)
        log_policy = tabular.soft_policy(q, self.temperature)
        seen = self.model.state_of(rollout.obs)
        divergence = jnp.sum(jnp.exp(state.log_policy) * (state.log_policy - log_policy), axis=-1)
        metrics = {
            "agent/reward_mean": masked_mean(reward_fn(rollout), rollout.valid),
            "agent/entropy": masked_mean(Categorical(log_policy).entropy()[seen], rollout.valid),
            "agent/kl": masked_mean(divergence[seen], rollout.valid),
        }
        return SoftValueIterationState(log_policy=log_policy), metrics

    def _policy(self, state: SoftValueIterationState, obs: Obs) -> Categorical:
        return Categorical(state.log_policy[self.model.state_of(obs)])
