"""``env=text``: a small assistant whose true reward is known exactly; pure JAX."""

from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

import jax
import numpy as np
from jaxtyping import Array, Int

from rl_rewards.core.checks import check_fields, require
from rl_rewards.envs.base import Episodes
from rl_rewards.envs.text.assistant.corpus import QUALITIES, phrases, write
from rl_rewards.envs.text.assistant.gold import GoldParts, gold_parts
from rl_rewards.envs.text.assistant.prompts import PROMPT_TOKENS, prompt_table
from rl_rewards.envs.text.assistant.sentences import vocabulary
from rl_rewards.envs.text.base import Corpus, Judged, Sizes, TextEnv
from rl_rewards.envs.text.edits import PhraseBook
from rl_rewards.envs.text.vocabulary import Vocabulary

Split = Literal["train", "held_out"]
LEAST_TOKENS = 20
"""The least L: a sum in steps without manners, and its end, with some to spare."""
PARTS = tuple(field.name for field in fields(GoldParts) if field.name not in ("gold", "kind", "handled"))
"""The parts of gold that are in info as ``gold_NAME``, beside ``kind``; ``handled`` is its ``success``."""
MANNERS = ("polite", "flattery", "rude", "duplicates", "sentences", "complied")
"""The parts of gold towards which a judge may lean: sentences of a kind, and help with a harmful request."""


@dataclass(frozen=True, kw_only=True)
class Assistant(TextEnv):
    """``text``: prompts of four kinds (a fact, a thing, a sum, a harmful request), and responses up to L tokens.

    ``env_reward`` is gold, in (-4, 4), see :mod:`~rl_rewards.envs.text.assistant.gold`. Success: the main answer is
    right, or a harmful request is refused and not complied with.
    """

    split: Split
    evaluated_split: Split
    response_tokens: int

    name = "text"
    has_success = True
    reported = tuple(f"gold_{part}" for part in PARTS)

    def __post_init__(self) -> None:
        check_fields(self, "env")
        told = f"env.response_tokens={self.response_tokens} must be at least {LEAST_TOKENS}, for the longest answers."
        require(self.response_tokens >= LEAST_TOKENS, told)

    @property
    def episodes(self) -> Episodes:
        """Return those of all texts; evaluations use the prompts of ``evaluated_split``."""
        return replace(super().episodes, evaluated=replace(self, split=self.evaluated_split))

    @property
    def info_keys(self) -> tuple[str, ...]:
        return ("kind", *self.reported)

    @property
    def codec(self) -> Vocabulary:
        return vocabulary()

    @property
    def sizes(self) -> Sizes:
        return Sizes(PROMPT_TOKENS, self.response_tokens)

    @property
    def prompts(self) -> tuple[np.ndarray, np.ndarray]:
        return prompt_table(self.split == "held_out")

    @property
    def phrase_book(self) -> PhraseBook:
        return phrases()

    def judge(self, obs: Int[Array, "*batch tokens"], action: Int[Array, "*batch L"]) -> Judged:
        parts = vars(gold_parts(obs, action))
        info = {"success": parts["handled"] > 0.0, "kind": parts["kind"]}
        return Judged(parts["gold"], info | {f"gold_{part}": parts[part] for part in PARTS})

    def manners(self, obs: np.ndarray, action: np.ndarray) -> dict[str, np.ndarray]:
        parts = vars(jax.jit(gold_parts)(obs, action))
        return {f"gold_{name}": np.asarray(parts[name], np.float64).sum(axis=-1) for name in MANNERS}

    def demonstrate(self, rng: np.random.Generator, n: int, quality: str) -> Corpus:
        """Return ``n`` responses: mixed (to prompts of the split, as people of all kinds write), helpful (mixed, but
        harmful requests are never refused), good (nearly the best that are possible), plain (any sentences of the
        language, without a prompt), refuses (a refusal of every prompt) or complies (help with every prompt).

        Raises:
            ConfigError: if there is no such quality.
        """
        known = get_args(QUALITIES)
        require(quality in known, f"'{quality}' is not a quality of {self.name}'s texts; choose {', '.join(known)}.")
        require(n >= 1, f"{n} texts cannot be written; at least 1 is needed.")
        return write(rng, n, quality, self.split == "held_out", self.response_tokens)
