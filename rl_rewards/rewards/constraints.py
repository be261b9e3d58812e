"""Limits instead of weights: each cost has a multiplier that rises while the policy exceeds its limit.

r(s, a, s') = -sum over limits of multiplier * map(quantity)
After every rollout, each multiplier is multiplied by exp(rate * excess), where excess is the mean cost divided by its
limit, minus 1, clipped to [-1, 1]. That is dual ascent on the Lagrangian, as in reward-constrained policy optimisation
(Tessler et al. 2019, arXiv:1805.11074), by exponentiated gradients (Kivinen and Warmuth 1997), so that costs of any
scale need no rates of their own. It is a part of a ``mixture``, whose other parts say what to do within the limits.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec, Examples, Experience, Key, Metrics, Transition
from rl_rewards.rewards.base import NamedTerm, RewardSource
from rl_rewards.rewards.terms import Term, parse_term

Multipliers = Float[Array, " n"]


@dataclass(frozen=True, kw_only=True)
class Constraints(RewardSource[Multipliers]):
    """Costs with limits. Keys and syntax: configs/reward/constraints.yaml.

    Raises:
        ConfigError: if a limit asks for something that does not exist, before anything compiles.
    """

    spec: EnvSpec
    limits: dict[str, Any]
    rate: float
    smallest: float
    largest: float

    def __post_init__(self) -> None:
        check_fields(self, "reward")
        require(
            isinstance(self.limits, dict) and len(self.limits) > 0,
            "reward.limits is empty; add at least one, for example "
            "'+reward.limits.calm={of: action, map: norm, at_most: 0.5}'.",
        )
        for name in ("rate", "smallest"):
            require(getattr(self, name) > 0.0, f"reward.{name}={getattr(self, name)} must be positive.")
        require(
            self.largest >= self.smallest,
            f"reward.largest={self.largest} must be at least reward.smallest={self.smallest}.",
        )
        _ = self._parsed  # reading the limits checks them

    @cached_property
    def _parsed(self) -> tuple[tuple[Term, float], ...]:
        return tuple(self._limit(name, raw) for name, raw in self.limits.items())

    def _limit(self, name: Any, raw: Any) -> tuple[Term, float]:
        key = f"reward.limits.{name}"
        valid = isinstance(raw, dict) and "at_most" in raw
        require(valid, f"{key}={raw} is not valid; it must have the keys of, map and at_most.")
        most = raw["at_most"]
        number = isinstance(most, int | float) and not isinstance(most, bool)
        require(number and most > 0.0, f"{key}.at_most={most} is not valid; it must be a positive number.")
        require("weight" not in raw, f"{key} has a weight, but its multiplier is learned; leave the weight out.")
        term = {part: value for part, value in raw.items() if part != "at_most"}
        return parse_term(name, term | {"weight": 1.0}, self.spec, "reward.limits"), float(most)

    @property
    def requirements(self) -> Requirements:
        reads = tuple(sorted({term.quantity.reads for term, _ in self._parsed}))
        return Requirements(reads=reads, needs_rollouts=True)

    def init(self, key: Key) -> Multipliers:
        del key
        return jnp.full(len(self._parsed), self.smallest)

    def reward(self, state: Multipliers, transitions: Transition) -> Float[Array, "*batch"]:
        costs = jnp.stack([term.value(transitions) for term, _ in self._parsed], axis=-1)
        return -costs @ state

    def named_terms(self, state: Multipliers, transitions: Transition) -> dict[str, NamedTerm]:
        return {
            term.name: NamedTerm(-state[i] * term.value(transitions), term.switches(transitions))
            for i, (term, _) in enumerate(self._parsed)
        }

    def update(
        self, state: Multipliers, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[Multipliers, Metrics]:
        """Move the multipliers by the newest rollout, and log ``reward/multiplier_NAME`` and ``reward/cost_NAME``."""
        del data, round, key
        assert experience.rollout is not None, "needs_rollouts"
        costs = self._means(experience.rollout)
        limits = jnp.array([most for _, most in self._parsed])
        excess = jnp.clip(jnp.stack([*costs.values()]) / limits - 1.0, -1.0, 1.0)
        found = jnp.clip(state * jnp.exp(self.rate * excess), self.smallest, self.largest)
        metrics = {f"reward/cost_{name}": cost for name, cost in costs.items()}
        return found, metrics | {f"reward/multiplier_{name}": found[i] for i, name in enumerate(costs)}

    def inspect(self, state: Multipliers, data: Examples, transitions: Transition) -> dict[str, Array]:
        """Return ``cost_NAME``, the mean of each cost over the evaluation episodes."""
        del state, data
        return {f"cost_{name}": cost for name, cost in self._means(transitions).items()}

    def _means(self, transitions: Transition) -> dict[str, Array]:
        return {term.name: masked_mean(term.value(transitions), transitions.valid) for term, _ in self._parsed}
