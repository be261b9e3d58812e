"""A weighted sum of reward sources, each of which learns as if it were alone:  r = sum over parts of w_i r_i.

Parts keep their own states, by name, and draw from keys that depend on their names alone, so that another part more or
less changes nothing for the others. Questions to a labeler come from one part at most.
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
from rl_rewards.core.queries import Labels, Query
from rl_rewards.core.requirements import Requirements, merge
from rl_rewards.core.types import Examples, Experience, Key, Metrics, Transition
from rl_rewards.rewards.base import AsksForLabels, RewardSource, asks, changes_run

OF_A_CLASSIFIER = ("prob_heldout_goals", "prob_non_goals", "prob_visited", "reward_heldout_goals")
"""What :meth:`Mixture.inspect` tells under its plain name where one part alone has it: reports look for these."""

States = dict[str, Any]
"""Of the parts, by name."""


@dataclass(frozen=True, kw_only=True)
class Mixture(AsksForLabels):
    """Keys: configs/reward/mixture.yaml. It asks for labels if a part does: the questions of that part are its own.

    Raises:
        ConfigError: when weights do not fit the parts, or parts do not fit together.
    """

    parts: Mapping[str, RewardSource]
    weights: Mapping[str, float]  # a person's, to be checked

    def __post_init__(self) -> None:
        require(len(self.parts) > 0, "reward.parts is empty; add a reward with +reward@reward.parts.NAME=REWARD.")
        for name in self.parts:
            plain = isinstance(name, str) and name.isidentifier()
            require(plain, f"reward.parts has a part named {name}; a name must be of letters, digits and _ alone.")
            require(
                name in self.weights,
                f"reward.weights has none for {name}; give one with +reward.weights.{name}=NUMBER.",
            )
        for name, weight in self.weights.items():
            known = ", ".join(self.parts)
            require(name in self.parts, f"reward.weights names {name}, which is no part; there is {known}.")
            number = isinstance(weight, int | float) and not isinstance(weight, bool)
            require(number, f"reward.weights.{name}={weight} must be a number.")
        for name, part in self.parts.items():
            require(
                not changes_run(type(part)),
                f"reward.parts.{name} changes the environment that the run learns in, for all parts; choose it alone, "
                "as reward=NAME.",
            )
            require(
                part.prepared is None,
                f"reward.parts.{name}.seed=each gives every seed a reward of its own, which only reward=frozen alone "
                "can; name one of that run's seeds.",
            )
        require(
            len(self._demos) < 2,
            f"The parts of this mixture name different demonstrations, {' and '.join(sorted(self._demos))}; name one "
            "set with demos=NAME.",
        )
        require(
            len(self._asking) < 2,
            f"The parts {' and '.join(self._asking)} both ask for labels, and a mixture has one labeler; keep one of "
            "them.",
        )

    @property
    def requirements(self) -> Requirements:
        """Those of all parts together; one that counts for nothing keeps nobody in an episode."""
        return merge(self._requirements_of(name) for name in self.parts)

    def init(self, key: Key) -> States:
        return {name: part.init(_key_of(name, key)) for name, part in self.parts.items()}

    def without_memory(self, state: States) -> States:
        return {name: part.without_memory(state[name]) for name, part in self.parts.items()}

    def reward(self, state: States, transitions: Transition) -> Float[Array, "*batch"]:
        return self._summed(lambda name: self.parts[name].reward(state[name], transitions))

    def portable_reward(self, state: States, transitions: Transition) -> Float[Array, "*batch"]:
        """Without what a part fitted to its own run's dynamics."""
        return self._summed(lambda name: self.parts[name].portable_reward(state[name], transitions))

    def portable_absorbing_reward(self, state: States) -> Float[Array, ""]:
        return self._summed(lambda name: self.parts[name].portable_absorbing_reward(state[name]))

    def absorbing_reward(self, state: States) -> Float[Array, ""]:
        return self._summed(lambda name: self.parts[name].absorbing_reward(state[name]))

    def update(
        self, state: States, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[States, Metrics]:
        """Every part's; and of every part the mean that the rollout is paid by it, before weighting."""
        state, metrics = dict(state), {}
        for name, part in self.parts.items():
            state[name], told = part.update(state[name], data, experience, round, _key_of(name, key))
            metrics |= {f"reward/{name}/{of.removeprefix('reward/')}": value for of, value in told.items()}
            rollout = experience.rollout
            if rollout is not None:
                metrics[f"reward/{name}/mean"] = masked_mean(part.reward(state[name], rollout), rollout.valid)
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

    def inspect(self, state: States, data: Examples, transitions: Transition) -> dict[str, Array]:
        """What every part tells, as NAME_KEY; what a classifier tells as KEY, where there is one of them.

        What its goals are worth is then weighted: the exploit alarm compares it with what the mixture pays.
        """
        told = {name: part.inspect(state[name], data, transitions) for name, part in self.parts.items()}
        tell = [name for name, found in told.items() if not found.keys().isdisjoint(OF_A_CLASSIFIER)]
        merged = {}
        for name, found in told.items():
            plain = OF_A_CLASSIFIER if tell == [name] else ()
            merged |= {key if key in plain else f"{name}_{key}": value for key, value in found.items()}
            if "reward_heldout_goals" in plain and "reward_heldout_goals" in found:
                merged["reward_heldout_goals"] = self.weights[name] * found["reward_heldout_goals"]
        return merged

    @property
    def _demos(self) -> set[str]:
        found = (part.requirements.demos for part in self.parts.values())
        return {name for name in found if name is not None}

    @property
    def _asking(self) -> list[str]:
        return [name for name, part in self.parts.items() if asks(part)]

    @property
    def _asker(self) -> tuple[str, AsksForLabels]:
        """The part that asks, with its name."""
        (name,) = self._asking
        part = self.parts[name]
        assert asks(part)
        return name, part

    def _requirements_of(self, name: str) -> Requirements:
        its = self.parts[name].requirements
        memory = None if its.memory is None else (f"parts.{name}.{its.memory[0]}", its.memory[1])
        return replace(its, memory=memory, pays_to_linger=its.pays_to_linger and self.weights[name] > 0)

    def _summed(self, term: Callable[[str], Array]) -> Array:
        return sum((self.weights[name] * term(name) for name in self.parts), start=jnp.zeros(()))


def _key_of(name: str, key: Key) -> Key:
    return jax.random.fold_in(key, zlib.crc32(name.encode()))
