"""``env=weighted``: another environment whose observations also tell the weights of several objectives.

A policy that is trained on it is one policy for all weights (as in Abels et al. 2019, arXiv:1809.07803, for rewards
that are linear in the objectives): ``reward=mixture`` pays each episode by its own weights, and a user chooses them
when the policy is used. :mod:`rl_rewards.core.objectives` says where an observation has them.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.objectives import WEIGHTS, plain_obs, prefix_of, prefixed, with_weights
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Action, EnvSpec, Key, Obs, StepOut
from rl_rewards.envs.base import Environment, Episodes, JaxEnv
from rl_rewards.envs.text.base import Corpus, Judged, Sizes, TextEnv
from rl_rewards.envs.text.vocabulary import Tokenizer

Chosen = Literal["drawn"] | tuple[float, ...]
"""The weights of episodes: drawn for each one, or the same in all."""


@dataclass(frozen=True, kw_only=True)
class Weighted(Environment):
    """The settings, and the base of both kinds, texts and vectors; configs/env/weighted.yaml explains the arguments.

    :meth:`in_engine` returns the environment of the right kind.

    Raises:
        ConfigError: if the weights do not fit the objectives, or ``of`` has images or is stepped on the host.
    """

    of: Any  # a JaxEnv
    objectives: tuple[str, ...]
    weights: Chosen
    evaluated_weights: Chosen
    weight_steps: int

    def __post_init__(self) -> None:
        check_fields(self, "env")
        require(
            len(self.objectives) > 1 and len({*self.objectives}) == len(self.objectives),
            f"env.objectives={list(self.objectives)} must name two different objectives or more.",
        )
        require(self.weight_steps >= 1, f"env.weight_steps={self.weight_steps} must be at least 1.")
        for key in ("weights", "evaluated_weights"):
            self._check_weights(key, getattr(self, key))

    def _check_weights(self, key: str, chosen: Chosen) -> None:
        if isinstance(chosen, str):
            return
        n = len(self.objectives)
        require(
            len(chosen) == n and all(one >= 0 for one in chosen) and abs(sum(chosen) - 1.0) < 1e-6,
            f"env.{key}={list(chosen)} must be {n} numbers of at least 0 whose sum is 1, the weights of "
            f"{', '.join(self.objectives)}; or drawn.",
        )

    def in_engine(self) -> "Weighted":
        of = self.of.in_engine()
        kind = WeightedText if isinstance(of, TextEnv) else WeightedVectors
        return kind(
            of=of,
            objectives=self.objectives,
            weights=self.weights,
            evaluated_weights=self.evaluated_weights,
            weight_steps=self.weight_steps,
        )

    @property
    def spec(self) -> EnvSpec:
        return self._weighted_spec

    @cached_property
    def _weighted_spec(self) -> EnvSpec:
        return with_weights(self.of.spec, tuple(self.objectives))

    @property
    def requirements(self) -> Requirements:
        return self.of.requirements

    @property
    def episodes(self) -> Episodes:
        """Return those of ``of``; evaluations have ``evaluated_weights``."""
        inner = self.of.episodes
        evaluated = replace(self, of=inner.evaluated, weights=self.evaluated_weights)
        return replace(inner, evaluated=evaluated)

    @property
    def reported(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.of.reported

    @cached_property
    def lattice(self) -> Int[np.ndarray, "W n"]:
        """Return all weights that an episode may have, in units of 1 / ``weight_steps``."""
        if not isinstance(self.weights, str):
            return np.round(np.array([self.weights]) * self.weight_steps).astype(np.int32)
        counts = product(range(self.weight_steps + 1), repeat=len(self.objectives))
        return np.array([one for one in counts if sum(one) == self.weight_steps], np.int32)


class WeightedState(struct.PyTreeNode):
    """One episode of vectors; without batch axes."""

    inner: Any
    weights: Float[Array, " n"]


@dataclass(frozen=True, kw_only=True)
class WeightedVectors(Weighted, JaxEnv[WeightedState]):  # pyright: ignore[reportIncompatibleVariableOverride]
    """Vectors that end in the weights."""

    def __post_init__(self) -> None:
        super().__post_init__()
        spec = self.of.spec
        require(
            isinstance(self.of, JaxEnv) and len(spec.obs.shape) == 1 and spec.obs.dtype == "float32",
            f"env=weighted adds weights to vectors and texts of environments in JAX, and {spec.name} is none; choose "
            "another one, such as env@env.of=driver, point or text.",
        )

    def reset(self, key: Key) -> WeightedState:
        inner_key, weights_key = jax.random.split(key)
        if isinstance(self.weights, str):
            weights = jax.random.choice(weights_key, jnp.asarray(self.lattice)) / self.weight_steps
        else:
            weights = jnp.asarray(self.weights, jnp.float32)
        return WeightedState(inner=self.of.reset(inner_key), weights=weights)

    def observe(self, state: WeightedState) -> Obs:
        return jnp.concatenate([self.of.observe(state.inner), state.weights])

    def step(self, key: Key, state: WeightedState, action: Action) -> tuple[WeightedState, StepOut]:
        inner, out = self.of.step(key, state.inner, action)
        next_obs = jnp.concatenate([out.next_obs, state.weights])
        out = out._replace(next_obs=next_obs, info={**out.info, WEIGHTS: state.weights})
        return state.replace(inner=inner), out

    def reward_of(self, obs: Array, action: Array, next_obs: Array) -> Array | None:
        return self.of.reward_of(plain_obs(self.spec, obs), action, plain_obs(self.spec, next_obs))

    @property
    def legend(self) -> str:
        return self.of.legend

    def draw(self, scene: np.ndarray) -> np.ndarray:
        return self.of.draw(scene)


@dataclass(frozen=True, kw_only=True)
class WeightedText(Weighted, TextEnv):  # pyright: ignore[reportIncompatibleVariableOverride]
    """Prompts that begin with the weights: a weight of k / ``weight_steps`` is the token of the number k + 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        tokens = [self.codec.encode(str(k + 1)) for k in range(self.weight_steps + 1)]
        require(
            all(len(one) == 1 for one in tokens),
            f"env.weight_steps={self.weight_steps} writes weights as the numbers 1 to {self.weight_steps + 1}, and "
            f"some are not one token of {self.name}; choose fewer, such as 4.",
        )
        for key in ("weights", "evaluated_weights"):
            chosen = getattr(self, key)
            scaled = np.zeros(1) if isinstance(chosen, str) else np.array(chosen) * self.weight_steps
            require(
                bool(np.allclose(scaled, np.round(scaled), atol=1e-4)),
                f"env.{key}={chosen} cannot be written into a prompt: with env.weight_steps={self.weight_steps} every "
                f"weight must be a multiple of 1/{self.weight_steps}.",
            )

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.of.name

    @property
    def has_success(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.of.has_success

    @property
    def has_true_reward(self) -> bool:
        return self.of.has_true_reward

    @property
    def info_keys(self) -> tuple[str, ...]:
        return self.of.info_keys

    @property
    def codec(self) -> Tokenizer:
        return self.of.codec

    @property
    def sizes(self) -> Sizes:
        inner = self.of.sizes
        return inner._replace(prompt=inner.prompt + len(self.objectives))

    @cached_property
    def _marks(self) -> Int[np.ndarray, " marks"]:
        """Return the tokens of the weights 0, 1 / ``weight_steps``, ... 1."""
        return np.array([self.codec.encode(str(k + 1))[0] for k in range(self.weight_steps + 1)], np.int32)

    @property
    def prompts(self) -> tuple[np.ndarray, np.ndarray]:
        """Return every prompt of ``of`` with all weights that an episode may have, equally often."""
        prompts, shares = self.of.prompts
        count = len(self.lattice)
        each = np.repeat(prompts, count, axis=0)
        return self._marked(each, np.tile(self.lattice, (len(prompts), 1))), np.repeat(shares, count) / count

    def judge(self, obs: Int[Array, "*batch tokens"], action: Int[Array, "*batch L"]) -> Judged:
        judged = self.of.judge(plain_obs(self.spec, obs), action)
        is_mark = prefix_of(self.spec, obs)[..., None] == jnp.asarray(self._marks)
        weights = jnp.argmax(is_mark, axis=-1).astype(jnp.float32) / self.weight_steps
        return Judged(judged.reward, {**judged.info, WEIGHTS: weights})

    def demonstrate(self, rng: np.random.Generator, n: int, quality: str) -> Corpus:
        """Return texts of ``of`` whose prompts begin with weights drawn at random."""
        corpus = self.of.demonstrate(rng, n, quality)
        return Corpus(self._marked(corpus.obs, rng.choice(self.lattice, n)), corpus.action)

    def manners(self, obs: np.ndarray, action: np.ndarray) -> dict[str, np.ndarray]:
        return self.of.manners(np.asarray(plain_obs(self.spec, jnp.asarray(obs))), action)

    def _marked(self, tokens: np.ndarray, weights: Int[np.ndarray, "*batch n"]) -> np.ndarray:
        with jax.ensure_compile_time_eval():  # a table of prompts is made while a reset is traced
            return np.asarray(prefixed(self.of.spec.text, jnp.asarray(tokens), jnp.asarray(self._marks[weights])))
