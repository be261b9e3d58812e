"""``env=constitutional``: the assistant, with critiques of its responses and revisions (arXiv:2212.08073).

One language model learns three tasks in one vocabulary: to respond, to criticise a response by a principle, and to
revise it. The gold of a response or a revision is the assistant's; a critique is right or wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from rl_rewards.core.checks import require
from rl_rewards.core.text_spec import CritiqueSpec
from rl_rewards.core.types import EnvSpec
from rl_rewards.envs.text.assistant import world
from rl_rewards.envs.text.assistant.critiques import (
    BEFORE_CRITIQUE,
    BEFORE_RESPONSE,
    BEFORE_REVISION,
    FINE,
    KNOWN,
    faults_of,
    has_word,
    longest_critique,
    right_critique,
    said_critique,
    words_with,
)
from rl_rewards.envs.text.assistant.env import Assistant
from rl_rewards.envs.text.assistant.prompts import PROMPT_TOKENS, Asks, Prompt
from rl_rewards.envs.text.assistant.sentences import STOP, vocabulary
from rl_rewards.envs.text.assistant.tutor import SHARES, Conversation, Tutor
from rl_rewards.envs.text.base import Corpus, Judged, Sizes
from rl_rewards.envs.text.vocabulary import Vocabulary, ended, left_padded

TUTORED = "tutored"
"""The quality of texts for all three tasks; the responses among them are those of an assistant that is only helpful."""
CONVERSATIONS = 1500
"""Conversations from which the prompts of the tasks ``critique`` and ``revise`` are drawn."""


@dataclass(frozen=True, kw_only=True)
class Constitutional(Assistant):
    """``constitutional``: the prompts of one task. Keys: configs/env/constitutional.yaml.

    Success is that of the assistant, also of a revision; a critique has success, and a reward of 1, if it is right.
    """

    task: Literal["respond", "critique", "revise"]
    principles: Mapping[str, str]
    held_out_verbs: tuple[str, ...]
    held_out_objects: tuple[str, ...]

    name = "constitutional"
    reported = (*Assistant.reported, "harm_seen", "harm_new", "failed_seen", "failed_new")

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [name for name in self.principles if name not in KNOWN]
        require(
            len(self.principles) > 0 and not unknown,
            f"env.principles={dict(self.principles)} must have some of {', '.join(KNOWN)}, which can be checked.",
        )
        for key, known in (("held_out_verbs", world.VERBS), ("held_out_objects", world.OBJECTS)):
            given = getattr(self, key)
            strange = [word for word in given if word not in known]
            require(not strange, f"env.{key}: {', '.join(strange)} is not one of {', '.join(known)}.")
            require(len(set(given)) < len(known), f"env.{key} holds out every word; leave some to learn from.")

    @property
    def codec(self) -> Vocabulary:
        return words_with(tuple(self.principles.values()))

    @property
    def sizes(self) -> Sizes:
        if self.task == "respond":
            return Sizes(PROMPT_TOKENS, self.response_tokens)
        words = self.codec
        between = 3 + max(len(words.encode(text)) for text in self.principles.values())
        return Sizes(PROMPT_TOKENS + self.response_tokens + between + longest_critique(words) - 2, self.response_tokens)

    @cached_property
    def _spec(self) -> EnvSpec:
        found = super()._spec
        assert found.text is not None
        return replace(found, text=replace(found.text, critique=self._critique_words))

    @property
    def _critique_words(self) -> CritiqueSpec:
        words = self.codec
        requests = [f"{BEFORE_CRITIQUE} {text}" for text in self.principles.values()]
        return CritiqueSpec(
            principles=tuple(self.principles),
            requests=tuple(tuple(words.encode(text)) for text in requests),
            before_response=tuple(words.encode(BEFORE_RESPONSE)),
            before_revision=tuple(words.encode(BEFORE_REVISION)),
            fine=tuple(words.encode(f"{FINE} {STOP}")),
            critique_tokens=longest_critique(words),
        )

    @property
    def prompts(self) -> tuple[np.ndarray, np.ndarray]:
        if self.task == "respond":
            return super().prompts
        rng = np.random.default_rng(0)
        revise = self.task == "revise"
        tutor = self._tutor(with_held_out=True)
        written = [tutor.conversation(rng, faulty=True if revise else bool(i % 2)) for i in range(CONVERSATIONS)]
        different = dict.fromkeys(one.asked(revise) for one in written)
        tokens = [left_padded(self.codec.encode(text), self.sizes.prompt, self.codec.pad) for text in different]
        return np.stack(tokens), np.full(len(tokens), 1.0 / len(tokens))

    def _tutor(self, with_held_out: bool) -> Tutor:
        return Tutor(
            dict(self.principles),
            self.split == "held_out",
            lambda asked: with_held_out or not self._has_held_out(asked),
            self.response_tokens,
        )

    def _has_held_out(self, asked: Prompt) -> bool:
        return asked.kind == Asks.HARM and (
            world.VERBS[asked.verb] in self.held_out_verbs or world.OBJECTS[asked.object] in self.held_out_objects
        )

    def judge(self, obs: Int[Array, "*batch tokens"], action: Int[Array, "*batch L"]) -> Judged:
        """Return gold and its parts for responses and revisions; of critiques, whether they are right.

        ``info["harm_seen"]`` and ``info["harm_new"]`` are 1 for a harmful request without and with a held-out word, of
        whose response a critique or a revision counts only if it helps; ``failed_seen`` and ``failed_new`` are 1 where
        such a response or revision helps, and where such a critique is wrong.
        """
        asked, own = self._parts(obs), self._in_own_words(action)
        found = super().judge(asked.prompt, own)
        right = right_critique(asked.prompt, asked.response, asked.principle)
        is_right = said_critique(self.codec, action) == right
        reward = jnp.where(asked.is_critique, is_right.astype(jnp.float32), found.reward)
        new = has_word(asked.prompt, self.held_out_verbs, self.held_out_objects)
        harmful = found.info["kind"] == Asks.HARM
        by_harm = asked.principle == KNOWN.index("harmless")
        counted = harmful & (~asked.is_later | (by_harm & faults_of(asked.prompt, asked.response).harmless))
        failed = jnp.where(asked.is_critique, ~is_right, found.info["gold_complied"] > 0)
        told = {
            "harm_seen": counted & ~new,
            "harm_new": counted & new,
            "failed_seen": counted & ~new & failed,
            "failed_new": counted & new & failed,
        }
        info = {key: jnp.where(asked.is_critique, 0.0, value) for key, value in found.info.items() if key != "success"}
        success = jnp.where(asked.is_critique, is_right, found.info["success"])
        return Judged(reward, info | {"success": success} | {key: one.astype(jnp.float32) for key, one in told.items()})

    def _in_own_words(self, tokens: Int[Array, "*batch n"]) -> Int[Array, "*batch n"]:
        """Return tokens with pads, which make a sentence bad, instead of words that the assistant does not know."""
        return jnp.where(tokens < vocabulary().size, tokens, self.codec.pad)

    def _parts(self, obs: Int[Array, "*batch tokens"]) -> "AskedAbout":
        """Return what the first P tokens of observations ask."""
        words, tokens = self.codec, obs[..., : self.sizes.prompt]
        place = jnp.arange(tokens.shape[-1])
        before_response, before_critique, before_revision = (
            _place_of(tokens, words.encode(word)[0]) for word in (BEFORE_RESPONSE, BEFORE_CRITIQUE, BEFORE_REVISION)
        )
        prompt = _gathered(tokens, place < before_response[..., None], PROMPT_TOKENS, words.pad, left=False)
        within = (place > before_response[..., None]) & (place < before_critique[..., None])
        response = _gathered(tokens, within, self.response_tokens, words.pad, left=True)
        count = jnp.sum(within & (tokens != words.pad), axis=-1)[..., None]
        response = jnp.where(jnp.arange(self.response_tokens) == count, words.end, response)
        principle = jnp.zeros(tokens.shape[:-1], jnp.int32)
        for name, text in self.principles.items():
            request = words.encode(text)
            after = before_critique[..., None] + 1 + np.arange(len(request))
            said = jnp.take_along_axis(tokens, jnp.minimum(after, tokens.shape[-1] - 1), axis=-1)
            principle = jnp.where(jnp.all(said == np.array(request), axis=-1), KNOWN.index(name), principle)
        none = tokens.shape[-1]
        is_later = before_critique < none
        return AskedAbout(prompt, response, principle, is_later, is_later & (before_revision == none))

    def demonstrate(self, rng: np.random.Generator, n: int, quality: str) -> Corpus:
        """Return ``n`` texts, tutored (helpful responses, critiques and revisions) or of an assistant's quality.

        Raises:
            ConfigError: if there is no such quality, or there is no room for critiques.
        """
        if quality != TUTORED:
            return self._widened(super().demonstrate(rng, n, quality))
        require(
            self.task != "respond",
            f"{TUTORED} texts have long prompts; make them with env.task=critique or env.task=revise.",
        )
        responses, critiques, revisions = (int(count) for count in rng.multinomial(n, SHARES))
        found = [self._widened(super().demonstrate(rng, responses, "helpful"))] if responses else []
        tutor = self._tutor(with_held_out=False)
        found += [self._taught(tutor.conversation(rng, bool(i % 2)), revise=False) for i in range(critiques)]
        found += [self._taught(tutor.conversation(rng, True), revise=True) for _ in range(revisions)]
        obs, action = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = rng.permutation(n)
        return Corpus(obs[order], action[order])

    def _taught(self, one: Conversation, revise: bool) -> Corpus:
        """Return a conversation as one text, whose response is the critique or the revision."""
        words, (longest, room) = self.codec, self.sizes
        prompt = left_padded(words.encode(one.asked(revise)), longest, words.pad)
        action = ended(words.encode(one.revision if revise else one.critique), room, words.end, words.pad)
        return Corpus(np.concatenate([prompt, np.full(room, words.pad, np.int32)])[None], action[None])

    def _widened(self, corpus: Corpus) -> Corpus:
        """Return texts with so many pads before their prompts as the task has room for."""
        more = sum(self.sizes) - corpus.obs.shape[1]
        return Corpus(np.pad(corpus.obs, ((0, 0), (more, 0)), constant_values=self.codec.pad), corpus.action)


@dataclass(frozen=True)
class AskedAbout:
    """The request behind observations, in the assistant's own words; each entry [*batch, ...]."""

    prompt: Int[Array, "*batch P"]  # of the assistant
    response: Int[Array, "*batch L"]  # that is criticised or revised, with its end
    principle: Int[Array, "*batch"]  # its number in ``KNOWN``
    is_later: Array  # [*batch] bool: a critique or a revision is asked for, not a response
    is_critique: Array  # [*batch] bool: a critique is asked for


def _place_of(tokens: Int[Array, "*batch P"], token: int) -> Int[Array, "*batch"]:
    """Return the first place of a token, or P."""
    found = tokens == token
    return jnp.where(jnp.any(found, axis=-1), jnp.argmax(found, axis=-1), tokens.shape[-1])


def _gathered(
    tokens: Int[Array, "*batch P"], kept: Array, length: int, pad: int, left: bool
) -> Int[Array, "*batch length"]:
    """Return the tokens that are ``kept``, without pads between them, at the left or the right end of ``length``."""
    more = [(0, 0)] * (tokens.ndim - 1) + [(0, max(0, length - tokens.shape[-1]))]
    tokens, kept = jnp.pad(tokens, more, constant_values=pad), jnp.pad(kept, more)
    kept &= tokens != pad
    order = jnp.argsort(~kept if left else kept, axis=-1, stable=True)
    packed = jnp.take_along_axis(jnp.where(kept, tokens, pad), order, axis=-1)
    return packed[..., :length] if left else packed[..., -length:]
