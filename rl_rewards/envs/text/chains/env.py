"""``env=text_chains``: arithmetic problems in words whose every step can be checked exactly; pure JAX."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from rl_rewards.core.checks import check_fields, require
from rl_rewards.envs.base import Episodes
from rl_rewards.envs.text.base import Corpus, Judged, Sizes, TextEnv
from rl_rewards.envs.text.chains.corpus import QUALITIES, write
from rl_rewards.envs.text.chains.problems import (
    KINDS,
    LEAST_RESPONSE,
    PROMPT_TOKENS,
    STOP,
    problem_table,
    vocabulary,
)
from rl_rewards.envs.text.chains.verifier import verify
from rl_rewards.envs.text.vocabulary import Vocabulary

NUMBERS = ("answer_right", "sound", "steps", "steps_right", "first_wrong", "length")
"""The entries of the verifier's judgement that are reported, as ``chain_NAME``."""


@dataclass(frozen=True, kw_only=True)
class TextChains(TextEnv):
    """``text_chains``: problems of up to three kinds (worked, mental, search), answered in steps.

    ``env_reward`` is 1 or 0: for ``pays=sound`` the answer and every step must be right, for ``pays=answer`` only the
    answer. Success: the answer is right. ``info["step_right"]`` [L] is 1 or 0 where a right or a wrong step ends, and
    -1 elsewhere.
    """

    split: Literal["train", "held_out"]
    evaluated_split: Literal["train", "held_out"]
    kinds: tuple[str, ...]
    pays: Literal["sound", "answer"]
    response_tokens: int

    name = "text_chains"
    has_success = True
    reported = tuple(f"chain_{name}" for name in NUMBERS)

    def __post_init__(self) -> None:
        check_fields(self, "env")
        known = set(self.kinds) <= set(KINDS) and len(set(self.kinds)) == len(self.kinds) > 0
        told = f"env.kinds={list(self.kinds)} must name at least one of {', '.join(KINDS)}, each once, and no other."
        require(known, told)
        told = f"env.response_tokens={self.response_tokens} must be at least {LEAST_RESPONSE}, for the longest answers."
        require(self.response_tokens >= LEAST_RESPONSE, told)

    @property
    def episodes(self) -> Episodes:
        """Return those of all texts; evaluations use the prompts of ``evaluated_split``."""
        return replace(super().episodes, evaluated=replace(self, split=self.evaluated_split))

    @property
    def info_keys(self) -> tuple[str, ...]:
        return ("kind", *self.reported)

    @property
    def info_shapes(self) -> dict[str, tuple[int, ...]]:
        return {**super().info_shapes, "step_right": (self.response_tokens,)}

    @property
    def codec(self) -> Vocabulary:
        return vocabulary()

    @property
    def step_token(self) -> int:
        return vocabulary().encode(STOP)[0]

    @property
    def sizes(self) -> Sizes:
        return Sizes(PROMPT_TOKENS, self.response_tokens)

    @property
    def prompts(self) -> tuple[np.ndarray, np.ndarray]:
        return problem_table(tuple(self.kinds), self.split == "held_out")[1:]

    def judge(self, obs: Int[Array, "*batch tokens"], action: Int[Array, "*batch L"]) -> Judged:
        assert self.spec.text is not None
        found = verify(self.spec.text, obs, action)
        values = {name: vars(found)[name].astype(jnp.float32) for name in ("kind", *NUMBERS)}
        info = {"kind": values.pop("kind")} | {f"chain_{name}": value for name, value in values.items()}
        paid = found.sound if self.pays == "sound" else found.answer_right
        return Judged(paid.astype(jnp.float32), {"success": found.answer_right, "step_right": found.right, **info})

    def demonstrate(self, rng: np.random.Generator, n: int, quality: str) -> Corpus:
        """Return ``n`` responses: mixed (as people write who slip, guess and cheat) or good (all right).

        Raises:
            ConfigError: if there is no such quality.
        """
        known = get_args(QUALITIES)
        require(quality in known, f"'{quality}' is not a quality of {self.name}'s texts; choose {', '.join(known)}.")
        require(n >= 1, f"{n} texts cannot be written; at least 1 is needed.")
        return write(rng, n, quality, tuple(self.kinds), self.split == "held_out", self.response_tokens)
