"""A weighted sum of reward sources, each of which learns as if it were alone:  r = sum over parts of w_i r_i.

Every part keeps its own state, by name, and its random keys depend only on its name, so that adding or removing a part
changes nothing for the others. At most one part may ask a labeler.

Where observations tell the weights of objectives (``env=weighted``), the weight of the part with an objective's name is
multiplied by that of the episode, and no part sees the weights in its observations.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from rl_rewards.core.checks import require
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.objectives import WEIGHTS, plain
from rl_rewards.core.queries import Comparisons, GivenComparisons, Labels, Query
from rl_rewards.core.requirements import Requirements, merge
from rl_rewards.core.types import EnvSpec, Examples, Experience, Key, Metrics, Transition
from rl_rewards.rewards.base import AsksForLabels, NamedTerm, RewardSource, asks, changes_run, first_state

OF_A_CLASSIFIER = ("prob_heldout_goals", "prob_non_goals", "prob_visited", "reward_heldout_goals")
"""Keys that :meth:`Mixture.inspect` returns without a prefix if only one part has them: reports look for these."""

States = dict[str, Any]
"""States of the parts, by name."""


@dataclass(frozen=True, kw_only=True)
class Mixture(AsksForLabels):
    """A weighted sum of rewards; keys: configs/reward/mixture.yaml. It asks a labeler if one of its parts does.

    Raises:
        ConfigError: if the weights do not fit the parts, or the parts do not fit together.
    """

    parts: Mapping[str, RewardSource]
    weights: Mapping[str, float]  # from the configuration, to be checked
    spec: EnvSpec | None = None  # of the run's environment; None if its observations tell no weights

    def __post_init__(self) -> None:
        require(len(self.parts) > 0, "reward.parts is empty; add a reward with +reward@reward.parts.NAME=REWARD.")
        for name in self.parts:
            plain = isinstance(name, str) and name.isidentifier()
            require(plain, f"reward.parts has a part named {name}; a name may have only letters, digits and _.")
            require(
                name in self.weights,
                f"reward.weights has no weight for {name}; give one with +reward.weights.{name}=NUMBER.",
            )
        for name, weight in self.weights.items():
            known = ", ".join(self.parts)
            require(name in self.parts, f"reward.weights names {name}, which is not a part; the parts are {known}.")
            number = isinstance(weight, int | float) and not isinstance(weight, bool)
            require(number, f"reward.weights.{name}={weight} must be a number.")
        for name, part in self.parts.items():
            require(
                not changes_run(type(part)),
                f"reward.parts.{name} changes the environment of the run, for all parts; choose it alone, as "
                "reward=NAME.",
            )
        require(
            len(self._demos) < 2,
            f"The parts of this mixture use different demonstrations, {' and '.join(sorted(self._demos))}; choose one "
            "set with demos=NAME.",
        )
        require(
            len(self._asking) < 2,
            f"More than one part asks for labels ({' and '.join(self._asking)}), and a mixture has one labeler; keep "
            "one of these parts.",
        )

        for name in self._objectives:
            known = ", ".join(self.parts)
            require(
                name in self.parts,
                f"env.objectives names {name}, which is not a part of this mixture; its parts are {known}.",
            )

    @property
    def requirements(self) -> Requirements:
        """Return the merged requirements of all parts; a part with weight 0 or less does not pay to linger."""
        merged = merge(self._requirements_of(name) for name in self.parts)
        return replace(merged, reads=(*merged.reads, f"info.{WEIGHTS}")) if self._objectives else merged

    @property
    def prepared(self) -> States | None:
        """Return those of the parts, None for a part without; None if no part has any."""
        found = {name: part.prepared for name, part in self.parts.items()}
        return None if all(one is None for one in found.values()) else found

    def init(self, key: Key) -> States:
        return {name: part.init(_key_of(name, key)) for name, part in self.parts.items()}

    def init_from(self, key: Key, prepared: States) -> States:
        return {name: first_state(part, _key_of(name, key), prepared[name]) for name, part in self.parts.items()}

    def without_memory(self, state: States) -> States:
        return {name: part.without_memory(state[name]) for name, part in self.parts.items()}

    def reward(self, state: States, transitions: Transition) -> Float[Array, "*batch"]:
        seen, told = self._plain(transitions), self._told(transitions)
        return self._summed(lambda name: told.get(name, 1.0) * self.parts[name].reward(state[name], seen))

    def named_terms(self, state: States, transitions: Transition) -> dict[str, NamedTerm] | None:
        """Return ``PART_TERM``, the terms of all parts that are paid; None if one of them has no terms."""
        seen, told = self._plain(transitions), self._told(transitions)
        found = {}
        for name, part in self.parts.items():
            weight = self.weights[name] * told.get(name, 1.0)
            terms = None if self.weights[name] == 0 else part.named_terms(state[name], seen)
            if terms is None and self.weights[name] != 0:
                return None
            for key, one in (terms or {}).items():
                found[f"{name}_{key}"] = one._replace(value=weight * one.value)
        return found or None

    def portable_reward(self, state: States, transitions: Transition) -> Float[Array, "*batch"]:
        """Return the reward without the parts' terms that were fitted to the dynamics of their own run."""
        seen, told = self._plain(transitions), self._told(transitions)
        return self._summed(lambda name: told.get(name, 1.0) * self.parts[name].portable_reward(state[name], seen))

    def portable_absorbing_reward(self, state: States) -> Float[Array, ""]:
        return self._summed(lambda name: self.parts[name].portable_absorbing_reward(state[name]))

    def absorbing_reward(self, state: States) -> Float[Array, ""]:
        return self._summed(lambda name: self.parts[name].absorbing_reward(state[name]))

    def update(
        self, state: States, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[States, Metrics]:
        """Update every part, and log the mean reward of every part over the rollout, not weighted."""
        state, metrics = dict(state), {}
        for name, part in self.parts.items():
            state[name], told = part.update(state[name], data, experience, round, _key_of(name, key))
            metrics |= {f"reward/{name}/{of.removeprefix('reward/')}": value for of, value in told.items()}
            rollout = experience.rollout
            if rollout is not None:
                paid = part.reward(state[name], self._plain(rollout))
                metrics[f"reward/{name}/mean"] = masked_mean(paid, rollout.valid)
        return state, metrics

    def may_ask(self, round: Array) -> Bool[Array, ""]:
        _, asker = self._asker
        return asker.may_ask(round)

    def propose(self, state: States, experience: Experience, round: Array, key: Key) -> tuple[States, Query]:
        name, asker = self._asker
        asked, query = asker.propose(state[name], experience, round, key)
        return {**state, name: asked}, query

    def absorb(self, state: States, labels: Labels) -> States:
        name, asker = self._asker
        return {**state, name: asker.absorb(state[name], labels)}

    def comparisons(self, state: States) -> Comparisons | None:
        """Return those of the first part that keeps some."""
        found = (part.comparisons(state[name]) for name, part in self.parts.items())
        return next((one for one in found if one is not None), None)

    def begin_with(self, state: States, policy: Any) -> States:
        return {name: part.begin_with(state[name], policy) for name, part in self.parts.items()}

    def begin_with_comparisons(self, state: States, compared: GivenComparisons) -> States:
        """Return the states after every part that takes comparisons has been given them."""
        return {
            name: part.begin_with_comparisons(state[name], compared)
            if part.requirements.takes_comparisons
            else state[name]
            for name, part in self.parts.items()
        }

    def inspect(self, state: States, data: Examples, transitions: Transition) -> dict[str, Array]:
        """Return the outputs of every part as NAME_KEY, but those of a classifier as KEY if only one part is one.

        The reward of that classifier's goals is then weighted: the exploit alarm compares it with the mixture's reward.
        ``NAME_part_return`` [N] is the return of each episode [T, N] under a part's reward, not weighted and without
        discount; if some parts have weight 0, ``unpaid_return`` [] is the mean return under the mean of their rewards.
        """
        seen = self._plain(transitions)
        told = {name: part.inspect(state[name], data, seen) for name, part in self.parts.items()}
        tell = [name for name, found in told.items() if not found.keys().isdisjoint(OF_A_CLASSIFIER)]
        merged = {}
        for name, found in told.items():
            plain = OF_A_CLASSIFIER if tell == [name] else ()
            merged |= {key if key in plain else f"{name}_{key}": value for key, value in found.items()}
            if "reward_heldout_goals" in plain and "reward_heldout_goals" in found:
                merged["reward_heldout_goals"] = self.weights[name] * found["reward_heldout_goals"]
        for name, part in self.parts.items():
            paid = jnp.where(seen.valid, part.reward(state[name], seen), 0.0)
            merged[f"{name}_part_return"] = jnp.sum(paid, axis=0)
        unpaid = [merged[f"{name}_part_return"] for name in self.parts if self.weights[name] == 0]
        return merged | ({"unpaid_return": jnp.mean(jnp.stack(unpaid))} if unpaid else {})

    @property
    def _objectives(self) -> tuple[str, ...]:
        return () if self.spec is None else self.spec.objectives

    def _plain(self, transitions: Transition) -> Transition:
        """Return transitions as the parts see them: their observations tell no weights."""
        return transitions if self.spec is None else plain(self.spec, transitions)

    def _told(self, transitions: Transition) -> dict[str, Float[Array, "*batch"]]:
        """Return the weight of every objective in the episodes of ``transitions``."""
        return {name: transitions.info[WEIGHTS][..., place] for place, name in enumerate(self._objectives)}

    @property
    def _demos(self) -> set[str]:
        found = (part.requirements.demos for part in self.parts.values())
        return {name for name in found if name is not None}

    @property
    def _asking(self) -> list[str]:
        return [name for name, part in self.parts.items() if asks(part)]

    @property
    def _asker(self) -> tuple[str, AsksForLabels]:
        """Return the name of the part that asks, and the part."""
        (name,) = self._asking
        part = self.parts[name]
        assert asks(part)
        return name, part

    def _requirements_of(self, name: str) -> Requirements:
        its = self.parts[name].requirements
        size_key = None if its.size_key is None else (f"parts.{name}.{its.size_key[0]}", its.size_key[1])
        return replace(its, size_key=size_key, pays_to_linger=its.pays_to_linger and self.weights[name] > 0)

    def _summed(self, term: Callable[[str], Array]) -> Array:
        return sum((self.weights[name] * term(name) for name in self.parts), start=jnp.zeros(()))


def _key_of(name: str, key: Key) -> Key:
    return jax.random.fold_in(key, zlib.crc32(name.encode()))
