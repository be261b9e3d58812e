"""Maximum-entropy IRL on ``grid``: how good is a reward that is learned from n demonstrations?

Each seed draws a true reward, records the exact soft-optimal policy under it, learns a reward from the first n episodes
as ``maxent_irl`` does in a run, and is judged by the model, without sampling. The expected value difference (Levine
et al. 2011, NIPS, section 6) is the true value that the policy optimal for the learned reward loses to the best.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Action, Experience, Key, Memory, Obs, Transition
from rl_rewards.data.dataset import Dataset
from rl_rewards.envs.grid import Grid
from rl_rewards.loop.collect import collect_jax, reset_jax
from rl_rewards.models import tabular
from rl_rewards.rewards.imitation.maxent_irl import MaxEntIRL
from rl_rewards.studies.densities import seed_keys


@dataclass(frozen=True, kw_only=True)
class IrlOnGrid:
    """Keys and units: configs/experiment/lecture/demonstrations/irl.yaml."""

    env: Grid
    reward: Callable[..., MaxEntIRL]
    features: tuple[str, ...]
    episodes: tuple[int, ...]
    paid_share: float
    value_tolerance: float
    visits_tolerance: float

    def __post_init__(self) -> None:
        check_fields(self, "study.grid")
        require(len(self.features) > 0, "study.grid.features must name at least one.")
        ascending = [*self.episodes] == sorted({*self.episodes})
        require(
            len(self.episodes) > 0 and min(self.episodes) >= 1 and ascending,
            f"study.grid.episodes={list(self.episodes)} must be whole numbers from 1 on, in ascending order.",
        )
        require(0.0 <= self.paid_share <= 1.0, f"study.grid.paid_share={self.paid_share} must lie in [0, 1].")

    def find(self, seeds: Sequence[int]) -> dict[str, Any]:
        """Return errors [S, episodes] of each kind of features, and what the figure needs, as plain data."""
        sources = {name: self.reward(spec=self.env.spec, features=name) for name in self.features}
        counts = jnp.asarray(self.episodes)

        def one(key: Key) -> dict[str, Any]:
            reward_key, demo_key = jax.random.split(key)
            true = self.draw_reward(reward_key)
            first = next(iter(sources.values()))
            demos = self.demonstrate(demo_key, first, true)
            learned = {name: self._learn_all(source, demos, counts) for name, source in sources.items()}
            judged = {name: jax.vmap(lambda r: self.errors(first, true, r))(r) for name, r in learned.items()}
            last = {name: r[-1] for name, r in learned.items()}
            expert = {"expert_falls_short": self.expert_falls_short(first, true)}
            return {"true_reward": true, "learned_reward": last, "errors": judged, **expert}

        found = jax.device_get(jax.jit(jax.vmap(one))(seed_keys(seeds)))
        plain = jax.tree.map(lambda x: np.asarray(x, np.float64).round(6).tolist(), found)
        for kind in ("errors", "learned_reward"):  # JAX sorts names
            plain[kind] = {name: plain[kind][name] for name in self.features}
        return plain | {
            "episodes": list(self.episodes),
            "steps_of_an_episode": self.env.max_episode_steps,
            "value_tolerance": self.value_tolerance,
            "visits_tolerance": self.visits_tolerance,
            "size": self.env.size,
        }

    def draw_reward(self, key: Key) -> Float[Array, " states"]:
        """Draw the true reward of reaching each cell: a share of the blocks, at least one, pay uniformly in [0, 1]."""
        share_key, one_key, amount_key = jax.random.split(key, 3)
        blocks = jnp.asarray(self.env.features["block"])
        count = blocks.shape[1]
        paid = jax.random.bernoulli(share_key, self.paid_share, (count,))
        paid = paid.at[jax.random.randint(one_key, (), 0, count)].set(True)
        return blocks @ jnp.where(paid, jax.random.uniform(amount_key, (count,)), 0.0)

    def demonstrate(self, key: Key, source: MaxEntIRL, true: Float[Array, " states"]) -> Transition:
        """Record the largest number of episodes that is needed of the soft-optimal policy, one after the other."""
        log_policy = self._log_policy(source, true)

        def act(memory: Memory, obs: Obs, act_key: Key) -> tuple[Action, Memory, dict[str, Array]]:
            chosen = jax.random.categorical(act_key, log_policy[self.env.state_of(obs)])
            return chosen.astype(jnp.int32), memory, {}

        reset_key, collect_key = jax.random.split(key)
        fresh = reset_jax(self.env, reset_key, max(self.episodes))
        steps = collect_jax(self.env, act, fresh, collect_key, self.env.max_episode_steps).rollout
        return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1).reshape(-1, *x.shape[2:]), steps)

    def _learn_all(self, source: MaxEntIRL, demos: Transition, counts: Array) -> Float[Array, "episodes states"]:
        """Learn the reward of reaching each cell from the first episodes, for each of ``counts``."""

        def learn(count: Array) -> Array:
            data = {"demos": Dataset.of_single_steps(demos, count * self.env.max_episode_steps)}
            key = jax.random.key(0)  # of what is exact; nothing is drawn
            state, _ = source.update(source.init(key), data, _NOTHING, jnp.int32(0), key)
            return source.state_rewards(state)

        return jax.vmap(learn)(counts)

    def errors(
        self, source: MaxEntIRL, true: Float[Array, " states"], learned: Float[Array, " states"]
    ) -> dict[str, Array]:
        """Measure how much worse ``learned`` is than ``true``.

        ``value``: expected value difference, discounted, as a share of what the best policy gains over a random one.
        ``visits``: share of the expected visits that the soft-optimal policy of the learned reward makes elsewhere than
        the demonstrator, 0 to 1. ``correlation``: of the two rewards over cells.
        """
        transition, start = jnp.asarray(self.env.transition_tensor), jnp.asarray(self.env.start)

        def share_of_steps(reward: Array) -> Array:
            policy = jnp.exp(self._log_policy(source, reward))
            return (1.0 - source.discount) * tabular.visitation(transition, policy, start, source.discount)

        chosen = tabular.greedy_policy(tabular.optimal_values(transition, self._table(learned), source.discount))
        return {
            "value": self._falls_short(source, true, chosen),
            "visits": 0.5 * jnp.sum(jnp.abs(share_of_steps(true) - share_of_steps(learned))),
            "correlation": jnp.corrcoef(true, learned)[0, 1],
        }

    def expert_falls_short(self, source: MaxEntIRL, true: Float[Array, " states"]) -> Float[Array, ""]:
        """Compute the value difference of the demonstrator itself, who is only softly optimal."""
        return self._falls_short(source, true, jnp.exp(self._log_policy(source, true)))

    def _falls_short(self, source: MaxEntIRL, true: Array, policy: Float[Array, "states actions"]) -> Float[Array, ""]:
        transition, start = jnp.asarray(self.env.transition_tensor), jnp.asarray(self.env.start)
        paid = self._table(true)

        def value(policy: Array) -> Array:
            return jnp.dot(start, tabular.policy_values(transition, paid, policy, source.discount))

        best = value(tabular.greedy_policy(tabular.optimal_values(transition, paid, source.discount)))
        random = value(jnp.full_like(policy, 1.0 / policy.shape[1]))
        return (best - value(policy)) / (best - random)

    def _table(self, reward: Float[Array, " states"]) -> Float[Array, "states actions"]:
        """Compute the expected reward of every action, from that of the cell reached."""
        transition = jnp.asarray(self.env.transition_tensor)
        return tabular.expected_reward(transition, jnp.broadcast_to(reward, transition.shape))

    def _log_policy(self, source: MaxEntIRL, reward: Float[Array, " states"]) -> Float[Array, "states actions"]:
        """Compute the soft-optimal policy for ``reward``, with the discount and temperature that ``source`` assumes."""
        transition = jnp.asarray(self.env.transition_tensor)
        q = tabular.soft_values(transition, self._table(reward), source.discount, source.temperature)
        return tabular.soft_policy(q, source.temperature)


def _never(*_: Any) -> Any:
    raise AssertionError("Where the model is known, no experience is learned from.")


_NOTHING = Experience(None, _never, _never, _never)
