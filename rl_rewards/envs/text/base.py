"""The base class of environments of text: an episode is one step, whose action is the whole response to a prompt."""

from abc import abstractmethod
from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.text_spec import TextSpec
from rl_rewards.core.types import Action, Box, EnvSpec, Key, Obs, StepOut, Transition
from rl_rewards.envs.base import Episodes, JaxEnv
from rl_rewards.envs.text.edits import ENGLISH, PhraseBook, TextEdit, edit_texts
from rl_rewards.envs.text.picture import draw_text
from rl_rewards.envs.text.vocabulary import Tokenizer, ended, left_padded


class TextState(struct.PyTreeNode):
    """One prompt and, after the step, the response; without batch axes."""

    tokens: Int[Array, " tokens"]  # P tokens of the prompt and L of the response, or pads


class Sizes(NamedTuple):
    """The most tokens of a text."""

    prompt: int  # P
    response: int  # L, with the end token


class Judged(NamedTuple):
    """The environment's judgement of responses; leaves [*batch, ...]."""

    reward: Float[Array, "*batch"]
    info: dict[str, Array]  # f32, with the keys of ``info_keys``; and success (bool) if there is one


class Corpus(NamedTuple):
    """Prompts with responses, for supervised learning."""

    obs: np.ndarray  # [n, P + L] int32
    action: np.ndarray  # [n, L] int32


class ResponsePairs(NamedTuple):
    """Pairs of responses to one prompt, of which the first is preferred."""

    obs: np.ndarray  # [n, P + L] int32
    chosen: np.ndarray  # [n, L] int32
    rejected: np.ndarray  # [n, L] int32


class TextEnv(JaxEnv[TextState]):
    """Prompts and one response each. A subclass gives the name, the tokenizer, the prompts and the judgement.

    obs = int32 [P + L], the prompt, left-padded, then L pads; action = int32 [L], the response, its end token, pads;
    next_obs = the prompt and the response. Whatever an action holds after its first end token is ignored, and pads
    stand there in ``next_obs``. ``info["scene"]`` is ``next_obs`` as f32.
    """

    name: str
    has_success: bool = False

    @property
    def has_true_reward(self) -> bool:
        """Return True if :meth:`judge` pays a true reward; the default is False for a class that does not define it."""
        return type(self).judge is not TextEnv.judge

    @property
    def info_keys(self) -> tuple[str, ...]:
        """Return the keys of the judgement's info besides ``success``."""
        return ()

    @property
    @abstractmethod
    def codec(self) -> Tokenizer:
        """Return the tokenizer of prompts and responses."""
        ...

    @property
    @abstractmethod
    def sizes(self) -> Sizes:
        """Return P and L."""
        ...

    @property
    @abstractmethod
    def prompts(self) -> tuple[Int[np.ndarray, "M P"], Float[np.ndarray, " M"]]:
        """Return the prompts that episodes begin with, left-padded, and the probability of each."""
        ...

    @property
    def step_token(self) -> int | None:
        """Return the token that ends a step of a response; the default, None, is for texts without steps."""
        return None

    @property
    def info_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the judgement's info besides ``success``; by default all of them are numbers."""
        return dict.fromkeys(self.info_keys, ())

    @property
    def episodes(self) -> Episodes:
        """Return that every rollout begins with new prompts, and every evaluation with the same ones."""
        return Episodes(evaluated=self, begin_with_rollout=True, fixed_starts=True)

    def judge(self, obs: Int[Array, "*batch tokens"], action: Int[Array, "*batch L"]) -> Judged:
        """Return the true reward of responses and the info beside it; the default, without one, is 0. Jittable."""
        return Judged(jnp.zeros(action.shape[:-1], jnp.float32), {})

    def demonstrate(self, rng: np.random.Generator, n: int, quality: str) -> Corpus:
        """Return ``n`` prompts with responses of a quality.

        Raises:
            ConfigError: if there are no such responses.
        """
        raise ConfigError(f"{self.name} has no responses of the quality '{quality}' to learn from; give a data set.")

    def texts(self, kind: str) -> Corpus:
        """Return all texts of a kind that the environment has, each once.

        Raises:
            ConfigError: if it has no such texts.
        """
        raise ConfigError(
            f"{self.name} has no texts of its own, so that data=env:{kind} names none; let it write some with "
            f"python -m rl_rewards.data make, or choose env=text_prompts."
        )

    @property
    def phrase_book(self) -> PhraseBook:
        """Return the sentences with which :meth:`edits` changes responses; by default English ones."""
        return ENGLISH

    def edits(self, rng: np.random.Generator, action: np.ndarray, word: str | None = None) -> list[TextEdit]:
        """Return pairs of responses that differ in one property, from those of ``action`` [N, L] that end.

        Args:
            word: a word that the last edit brings in.

        Raises:
            ConfigError: if the word cannot be written in this environment's tokens, or no response has room for it.
        """
        told = "a word to look for has no spaces and at least one letter or digit"
        require(word is None or (len(word.split()) == 1 and any(one.isalnum() for one in word)), f"'{word}': {told}.")
        if word is not None:
            self.codec.encode(word)
        is_end = action == self.codec.end
        texts = [self.decode(one) if stops else None for one, stops in zip(action, is_end.any(axis=1), strict=True)]
        return edit_texts(rng, texts, self.phrase_book, self._with_end, word)

    def _with_end(self, text: str) -> Int[np.ndarray, " L"] | None:
        """Return the tokens of a response, with its end; None if there is no room for them."""
        tokens, length = self.codec.encode(text), self.sizes.response
        return None if len(tokens) >= length else ended(tokens, length, self.codec.end, self.codec.pad)

    @property
    def comparison_count(self) -> int:
        """Return the number of pairs in :meth:`comparisons`; the default is 0."""
        return 0

    def comparisons(self) -> ResponsePairs:
        """Return the pairs of responses that somebody has compared.

        Raises:
            ConfigError: if there are none, or one cannot be used.
        """
        raise ConfigError(f"{self.name} has no comparisons; choose env=text_prompts env.path=FILE.jsonl.")

    @property
    def spec(self) -> EnvSpec:
        return self._spec

    @cached_property
    def _spec(self) -> EnvSpec:
        codec, success = self.codec, {"success": ()} if self.has_success else {}
        total = sum(self.sizes)
        return EnvSpec(
            name=self.name,
            obs=self._tokens(total),
            action=self._tokens(self.sizes.response),
            max_episode_steps=1,
            info={**success, "scene": (total,), **self.info_shapes},
            ends_early=False,
            restores=True,
            has_success=self.has_success,
            has_true_reward=self.has_true_reward,
            text=TextSpec(
                vocabulary=codec.size,
                prompt_tokens=self.sizes.prompt,
                response_tokens=self.sizes.response,
                pad=codec.pad,
                end=codec.end,
                tokenizer=codec.digest,
                comparisons=self.comparison_count,
                step=self.step_token,
            ),
        )

    def _tokens(self, length: int) -> Box:
        return Box((length,), (0.0,) * length, (float(self.codec.size - 1),) * length, "int32")

    @cached_property
    def _drawn(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the prompts, and the cumulated probabilities from which one is drawn."""
        tokens, shares = self.prompts
        return np.asarray(tokens, np.int32), np.cumsum(shares / np.sum(shares)).astype(np.float32)

    def reset(self, key: Key) -> TextState:
        table, below = self._drawn
        number = jnp.searchsorted(jnp.asarray(below[:-1]), jax.random.uniform(key), side="right")
        return TextState(tokens=self._observation(jnp.asarray(table)[number]))

    def observe(self, state: TextState) -> Obs:
        return state.tokens

    def step(self, key: Key, state: TextState, action: Action) -> tuple[TextState, StepOut]:
        del key
        out = self.answered(state.tokens, action)
        return TextState(tokens=out.next_obs), out

    def answered(self, obs: Int[Array, "*batch tokens"], action: Action) -> StepOut:
        """Return the outcome of responses to prompts, the whole episodes that they are."""
        response = self.cleaned(action)
        judged = self.judge(obs, response)
        tokens = jnp.concatenate([obs[..., : self.sizes.prompt], response], axis=-1)
        batch = tokens.shape[:-1]
        return StepOut(
            next_obs=tokens,
            env_reward=judged.reward,
            terminated=jnp.ones(batch, bool),
            truncated=jnp.zeros(batch, bool),
            needs_reset=jnp.ones(batch, bool),
            info={"scene": tokens.astype(jnp.float32), **judged.info},
        )

    def cleaned(self, action: Action) -> Int[Array, "*batch L"]:
        """Return responses with tokens 0 .. V-1 and only pads after the first end token."""
        tokens = jnp.clip(jnp.asarray(action).astype(jnp.int32), 0, self.codec.size - 1)
        is_end = (tokens == self.codec.end).astype(jnp.int32)
        over = jnp.cumsum(is_end, axis=-1) - is_end > 0
        return jnp.where(over, self.codec.pad, tokens)

    def _observation(self, prompt: Int[Array, "*batch P"]) -> Int[Array, "*batch tokens"]:
        pads = jnp.full((*prompt.shape[:-1], self.sizes.response), self.codec.pad, jnp.int32)
        return jnp.concatenate([prompt, pads], axis=-1)

    # Methods for people.

    def encode(self, text: str) -> Int[np.ndarray, " tokens"]:
        """Return the observation of a prompt.

        Raises:
            ConfigError: if it is longer than P tokens, or has words that the tokenizer does not know.
        """
        tokens = self.codec.encode(text)
        told = f"The prompt '{text}' has {len(tokens)} tokens, but {self.name} has room for {self.sizes.prompt}."
        require(0 < len(tokens) <= self.sizes.prompt, told)
        prompt = left_padded(tokens, self.sizes.prompt, self.codec.pad)
        return np.concatenate([prompt, np.full(self.sizes.response, self.codec.pad, np.int32)])

    def decode(self, tokens: np.ndarray) -> str:
        """Return the text of tokens up to the first end token, without pads."""
        return self.codec.decode(np.asarray(tokens).tolist())

    def describe(self, transition: Transition) -> str:
        """Return the texts of a segment, whose steps [L, ...] are whole episodes: each prompt with its response."""
        pairs = zip(np.asarray(transition.obs), np.asarray(transition.action), strict=True)
        return "\n\n".join(self._told(obs, action) for obs, action in pairs)

    def passage(self, transition: Transition) -> tuple[str, str]:
        """Return the prompt and the response of a segment, whose only step [1, ...] is a whole episode."""
        return self.prompt_and_response(np.asarray(transition.obs)[0], np.asarray(transition.action)[0])

    def prompt_and_response(self, obs: np.ndarray, action: np.ndarray) -> tuple[str, str]:
        """Return the texts of an observation and of an action."""
        return self._decode_prompt(obs[: self.sizes.prompt]), self.decode(action)

    def _decode_prompt(self, tokens: np.ndarray) -> str:
        """Return the text of a prompt, in which templates may have put end tokens between messages."""
        ends = np.flatnonzero(np.asarray(tokens) == self.codec.end) + 1
        return "\n".join(filter(None, (self.decode(part) for part in np.split(np.asarray(tokens), ends))))

    def _told(self, obs: np.ndarray, action: np.ndarray) -> str:
        return "Prompt: {}\nResponse: {}".format(*self.prompt_and_response(obs, action))

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Draw prompt and response as text, the prompt in grey."""
        tokens = np.asarray(np.round(scene), np.int32)
        prompt, response = tokens[: self.sizes.prompt], tokens[self.sizes.prompt :]
        return draw_text(self._decode_prompt(prompt), self.decode(response), len(tokens))
