"""A reward that is written as expressions over named features, in the small language of :mod:`.grammar`.

r(s, a, s') = sum over terms of their expressions
A person or a language model writes it (Eureka, arXiv:2310.12931, lets a model write Python and executes it); here the
text is parsed and never executed.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rl_rewards.core.checks import require
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec, Examples, Experience, Key, Metrics, Transition
from rl_rewards.rewards.base import NamedTerm, RewardSource, Switch
from rl_rewards.rewards.written.grammar import Expression, Feature, features_of, parse
from rl_rewards.rewards.written.text import MOST_TERMS, NAME, ONLY, read_terms, text_of
from rl_rewards.rewards.written.values import bind, sides_of, value_of, values_in

LARGEST_REWARD = 1e6
"""The largest value of a term, in absolute value; what is beyond it is clipped."""


class WrittenTerms:
    """The terms of one written reward for environments of ``spec``.

    Args:
        terms: the name of each term -> its expression.
        where: the key that messages begin with; a term's own name follows.

    Raises:
        ConfigError: if an expression is not valid in these environments.
    """

    def __init__(self, terms: Mapping[str, Any], spec: EnvSpec, where: str) -> None:
        require(0 < len(terms) <= MOST_TERMS, f"{where} has {len(terms)} terms; it must have 1 to {MOST_TERMS}.")
        self._spec = spec
        self.terms: dict[str, Expression] = {}
        for name, text in terms.items():
            valid = isinstance(name, str) and NAME.fullmatch(name) is not None
            require(valid, f"{where}: '{str(name)[:40]}' is not a name of a term; use letters, digits and _.")
            key = where if [*terms] == [ONLY] else f"{where}, term {name}"
            self.terms[name] = bind(parse(key, text), spec)
        self.text = text_of({name: one.text for name, one in self.terms.items()})
        self.features: list[Feature] = [one for each in self.terms.values() for one in features_of(each.root)]

    def raw(self, transitions: Transition) -> Float[Array, " K *batch"]:
        """Return the value of each of the K terms, as it is: perhaps not a number, or infinite."""
        shape = transitions.valid.shape
        found = self._in_each(
            transitions, lambda given: jnp.stack([value_of(one, given) for one in self.terms.values()])
        )
        return jnp.moveaxis(found, -1, 0).reshape(len(self.terms), *shape)

    def named(self, transitions: Transition) -> dict[str, NamedTerm]:
        """Return each term as it is, and what its switches do."""
        shape = transitions.valid.shape
        sides = self._in_each(
            transitions, lambda given: {name: sides_of(one, given) for name, one in self.terms.items()}
        )

        def switches(name: str) -> tuple[Switch, ...]:
            return tuple(Switch(text, side.reshape(*shape, *side.shape[1:])) for text, side in sides[name].items())

        values = zip(self.terms, self.raw(transitions), strict=True)
        return {name: NamedTerm(value, switches(name)) for name, value in values}

    def _in_each(self, transitions: Transition, function: Callable[[dict[str, Array]], Any]) -> Any:
        """Return ``function`` of the features of each of the N transitions, with leaves [N, ...]."""
        values = values_in(self.features, self._spec, transitions)
        return jax.vmap(function, axis_size=math.prod(transitions.valid.shape))(values)


def bounded(raw: Float[Array, " K *batch"]) -> Float[Array, " K *batch"]:
    """Return the terms as they are paid: 0 where one is not a number, and clipped to ``LARGEST_REWARD``."""
    return jnp.clip(jnp.where(jnp.isnan(raw), 0.0, raw), -LARGEST_REWARD, LARGEST_REWARD)


def out_of_range(raw: Float[Array, " K *batch"]) -> Float[Array, "*batch"]:
    """Return 1 where a term is not a number or is clipped, else 0."""
    return jnp.any(~(jnp.abs(raw) <= LARGEST_REWARD), axis=0).astype(jnp.float32)


@dataclass(frozen=True, kw_only=True)
class WrittenReward(RewardSource[Int[Array, ""]]):
    """A reward of written expressions that learns nothing. Keys and grammar: configs/reward/written.yaml.

    A term that is not a number at a step, such as sqrt(-1), counts as 0 there. Terms beyond ±1e6 are clipped, also
    infinite ones, so that log(0) is worse than any other value. ``reward/out_of_range`` is the share of steps at which
    one of both happened. An agent may seek such steps, so the share should be 0.

    With several files, every seed of the run has the reward of its own file. All are in one program, and the state of a
    seed is the number of its reward.

    Raises:
        ConfigError: if not exactly one of expression, terms and file is given, or an expression is not valid.
    """

    spec: EnvSpec
    expression: str | float | None
    terms: dict[str, Any]
    file: str | list[str] | None
    num_seeds: int = 1  # of the run

    def __post_init__(self) -> None:
        given = [self.expression is not None, bool(self.terms), self.file is not None]
        require(
            sum(given) == 1,
            "reward=written needs exactly one of reward.expression, reward.terms and reward.file; for example "
            "reward.expression='-norm(next_obs)'.",
        )
        require(isinstance(self.terms, dict), f"reward.terms={self.terms} must map names of terms to expressions.")
        _ = self.programs  # parsing checks them

    @cached_property
    def programs(self) -> tuple[WrittenTerms, ...]:
        """The different rewards, of which each seed has one."""
        return tuple({program.text: program for program in self.given}.values())

    @cached_property
    def given(self) -> tuple[WrittenTerms, ...]:
        """The reward of each entry of ``file``; without files, the only one."""
        if self.expression is not None:
            return (WrittenTerms({ONLY: self.expression}, self.spec, "reward.expression"),)
        if self.file is None:
            return (WrittenTerms(self.terms, self.spec, "reward.terms"),)
        paths = self.file if isinstance(self.file, list) else [self.file]
        valid = len(paths) > 0 and all(isinstance(path, str) for path in paths)
        require(valid, f"reward.file={self.file} must be the name of a file, or a list with one for every seed.")
        return tuple(WrittenTerms(read_terms(path), self.spec, f"reward.file={path}") for path in paths)

    @property
    def requirements(self) -> Requirements:
        reads = sorted({one.reads for program in self.programs for one in program.features})
        return Requirements(reads=tuple(reads), stationary=True)

    @property
    def prepared(self) -> Int[Array, " S"] | None:
        """Return the number of every seed's reward among the different ones; None if all seeds share one."""
        if not isinstance(self.file, list) or self.num_seeds == 1:
            return None
        texts = [program.text for program in self.programs]
        return jnp.asarray([texts.index(program.text) for program in self.given[: self.num_seeds]], jnp.int32)

    def init(self, key: Key) -> Int[Array, ""]:
        del key
        return jnp.zeros((), jnp.int32)

    def reward(self, state: Int[Array, ""], transitions: Transition) -> Float[Array, "*batch"]:
        return self._chosen(state, lambda program: jnp.sum(bounded(program.raw(transitions)), axis=0))

    def named_terms(self, state: Int[Array, ""], transitions: Transition) -> dict[str, NamedTerm]:
        return self.programs[int(state)].named(transitions)

    def update(
        self, state: Int[Array, ""], data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[Int[Array, ""], Metrics]:
        """Learn nothing, and log the mean of each term over the rollout, and the share of steps out of range."""
        del data, round, key
        if experience.rollout is None:
            return state, {}
        return state, {f"reward/{name}": mean for name, mean in self._means(state, experience.rollout).items()}

    def inspect(self, state: Int[Array, ""], data: Examples, transitions: Transition) -> dict[str, Array]:
        """Return ``term_NAME``, the mean of each term over the evaluation episodes; NaN if this seed's reward does not
        have the term."""
        del data
        return self._means(state, transitions)

    def _means(self, state: Int[Array, ""], transitions: Transition) -> dict[str, Array]:
        names = dict.fromkeys(name for program in self.programs for name in program.terms)

        def measured(program: WrittenTerms) -> dict[str, Array]:
            raw = program.raw(transitions)
            found = {f"term_{name}": jnp.full((), jnp.nan) for name in names}
            for name, value in zip(program.terms, bounded(raw), strict=True):
                found[f"term_{name}"] = masked_mean(value, transitions.valid)
            return found | {"out_of_range": masked_mean(out_of_range(raw), transitions.valid)}

        return self._chosen(state, measured)

    def _chosen(self, state: Int[Array, ""], function: Callable[[WrittenTerms], Any]) -> Any:
        """Return ``function`` of the program of this seed; under vmap, those of all seeds are one program."""
        if len(self.programs) == 1:
            return function(self.programs[0])
        return jax.lax.switch(state, [partial(function, program) for program in self.programs])
