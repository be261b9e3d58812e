"""``env=text_prompts``: a user's own prompts, from a file of JSON lines, and a folder of text to pre-train on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.requirements import Requirements
from rl_rewards.data.rated.fit import RatedFit, fit_rated
from rl_rewards.data.rated.texts import FOLDER, read_rated_texts
from rl_rewards.envs.base import Episodes
from rl_rewards.envs.text.base import Corpus, Judged, ResponsePairs, Sizes, TextEnv
from rl_rewards.envs.text.folder import Cut, read_folder, windows
from rl_rewards.envs.text.heldout import only_evaluated
from rl_rewards.envs.text.rated_gold import RatedParts, rated_parts
from rl_rewards.envs.text.rows import RESPONSES, Content, Row, read_rows, texts_of
from rl_rewards.envs.text.subwords import SubwordTokenizer, load_tokenizer, train_bpe
from rl_rewards.envs.text.vocabulary import ended, left_padded

CORPUS = "corpus"
"""The kind of the texts in the folder; those of the file are called by the keys of its lines."""
LEAST_WINDOWS = 20
"""The least number of windows of a corpus; one in twenty is held out."""
EXAMPLES = Path(__file__).with_name("example_prompts.jsonl")
"""A small file in the layout of a user's own, which is used if none is named."""
SHIPPED = {"reviews": Path(__file__).with_name("review_prompts.jsonl")}
"""Names of other files of this package: 200 requests for a review in one sentence."""
RATED = tuple(field.name for field in fields(RatedParts) if field.name != "gold")
"""The parts of the rated gold that are in info as ``gold_NAME``."""


@dataclass(frozen=True, kw_only=True)
class PromptFile(TextEnv):
    """``text_prompts``: the prompts of a file, each equally often, in subwords.

    Without a file but with a folder of text, the only prompt is empty. There is no true reward, or with ``gold=rated``
    that of :mod:`~rl_rewards.envs.text.rated_gold`, in (-4, 4). With ``heldout_every`` some prompts are only for
    evaluation; the comparisons have all prompts, because those who learn from them hold the same ones out.
    """

    path: str | None
    tokenizer: str | None
    vocabulary: int
    pad: str
    end: str
    message: str
    turn: str
    prompt_tokens: int | None
    response_tokens: int | None
    gold: Literal["rated"] | None = None
    rated_texts: str = str(FOLDER)
    corpus: str | None = None
    corpus_cut: Cut = "files"
    heldout_every: int | None = None
    split: Literal["train", "held_out"] = "train"

    name = "text_prompts"

    def __post_init__(self) -> None:
        check_fields(self, "env")
        require(self.message.count("{content}") == 1, f"env.message={self.message!r} must hold {{content}} once.")
        for key in ("prompt_tokens", "response_tokens"):
            value = getattr(self, key)
            require(value is None or value >= 1, f"env.{key}={value} must be at least 1 token.")
        every = self.heldout_every
        require(every is None or every >= 2, f"env.heldout_every={every} must be at least 2, or null.")
        told = "env.split=held_out chooses the prompts that are held out; set env.heldout_every=N too."
        require(every is not None or self.split == "train", told)

    @property
    def requirements(self) -> Requirements:
        notes = ["The prompts of a file have no true reward, so that no true return is reported."]
        if self.gold is not None:
            told = ", ".join(f"{kind} {found:.2f}" for kind, found in self._rated.correlation.items())
            notes = [f"env.gold=rated agrees with people's ratings of held-out texts at these correlations: {told}."]
        if self.heldout_every is None:
            return Requirements(notes=tuple(notes))
        held, whole = np.sum(self._held_out), len(self._held_out)
        notes.append(f"Of {whole} prompts, {held} are used only for evaluation (env.heldout_every).")
        return Requirements(notes=tuple(notes), heldout_prompts=(self.heldout_every,))

    @property
    def episodes(self) -> Episodes:
        """Return those of all texts; evaluations use the prompts that are held out, if there are some."""
        return super().episodes if self.heldout_every is None else replace(super().episodes, evaluated=self._evaluated)

    @cached_property
    def _evaluated(self) -> "PromptFile":
        found = replace(self, split="held_out")
        names = ("_rows", "_corpus", "_codec", "_held_out", *(() if self.gold is None else ("_rated",)))
        vars(found).update({name: getattr(self, name) for name in names})  # so that nothing is read or learned twice
        return found

    @property
    def has_true_reward(self) -> bool:
        return self.gold is not None

    @property
    def info_keys(self) -> tuple[str, ...]:
        return () if self.gold is None else tuple(f"gold_{part}" for part in RATED)

    @cached_property
    def _rated(self) -> RatedFit:
        texts = read_rated_texts(Path(self.rated_texts).expanduser())
        return fit_rated(texts, self.codec.encode, self.codec.size)

    def judge(self, obs: Int[Array, "*batch tokens"], action: Int[Array, "*batch L"]) -> Judged:
        if self.gold is None:
            return super().judge(obs, action)
        model = jax.tree.map(jnp.asarray, self._rated.model)
        parts = vars(rated_parts(model, action, self.codec.end, self.codec.pad))
        return Judged(parts["gold"], {f"gold_{part}": parts[part] for part in RATED})

    @property
    def codec(self) -> SubwordTokenizer:
        return self._codec

    @cached_property
    def _codec(self) -> SubwordTokenizer:
        if self.tokenizer is not None:
            return load_tokenizer(Path(self.tokenizer).expanduser(), self.pad, self.end)
        return train_bpe(self._all_texts(), self.vocabulary)

    def _all_texts(self) -> Iterator[str]:
        yield from texts_of(self._rows)
        yield from self._corpus

    @cached_property
    def _rows(self) -> list[Row]:
        if self.path is None:
            return read_rows(EXAMPLES) if self.corpus is None else []
        return read_rows(SHIPPED.get(self.path) or Path(self.path).expanduser())

    @cached_property
    def _corpus(self) -> list[str]:
        return [] if self.corpus is None else read_folder(Path(self.corpus).expanduser(), self.corpus_cut)

    @cached_property
    def _prompts(self) -> list[list[int]]:
        return [self._asked(row.prompt) for row in self._rows] or [[]]

    @property
    def sizes(self) -> Sizes:
        return self._sizes

    @cached_property
    def _sizes(self) -> Sizes:
        """Return P and L, after a check that the file's texts fit."""
        prompts = [len(tokens) for tokens in self._prompts]
        most = self.prompt_tokens or max(1, *prompts)
        for row, found in zip(self._rows, prompts, strict=False):  # without rows, there is one empty prompt
            told = f"{row.where}: the prompt has {found} tokens, more than env.prompt_tokens={most}; raise that key."
            require(found <= most, told)
        responses = [1 + len(self.codec.encode(text)) for row in self._rows for text in row.responses.values()]
        told = "There are no responses to measure; set env.response_tokens, in tokens (for env.corpus: of a window)."
        require(len(responses) > 0 or self.response_tokens is not None, told)
        longest = self.response_tokens or max(responses)
        for row in self._rows:
            for key, text in row.responses.items():
                found = 1 + len(self.codec.encode(text))
                told = f"{row.where}: {key} has {found} tokens with its end, more than env.response_tokens={longest}"
                require(found <= longest, f"{told}; raise that key.")
        return Sizes(most, longest)

    @property
    def prompts(self) -> tuple[Int[np.ndarray, "M P"], Float[np.ndarray, " M"]]:
        chosen = self._all_prompts[self._in_split]
        return chosen, np.full(len(chosen), 1.0 / len(chosen))

    @cached_property
    def _all_prompts(self) -> Int[np.ndarray, "n P"]:
        return np.stack([left_padded(tokens, self.sizes.prompt, self.codec.pad) for tokens in self._prompts])

    @cached_property
    def _held_out(self) -> Bool[np.ndarray, " n"]:
        return only_evaluated(self._all_prompts, self.heldout_every)

    @property
    def _in_split(self) -> Bool[np.ndarray, " n"]:
        return self._held_out if self.split == "held_out" else ~self._held_out

    def _asked(self, prompt: Content) -> list[int]:
        """Return the tokens of a prompt: a text as it is, messages in the template."""
        codec = self.codec
        if isinstance(prompt, str):
            return codec.encode(prompt)
        before, after = self.message.split("{content}")
        pieces = [
            [
                *codec.encode_template(before.replace("{role}", role)),
                *codec.encode(content),
                *codec.encode_template(after.replace("{role}", role)),
            ]
            for role, content in prompt
        ]
        return [token for piece in pieces for token in piece] + codec.encode_template(self.turn)

    def demonstrate(self, rng: np.random.Generator, n: int, quality: str) -> Corpus:
        """Return ``n`` of the texts of a kind (see :meth:`texts`), drawn with replacement.

        Raises:
            ConfigError: if there is no such key, or no row has it.
        """
        found = self.texts(quality)
        rows = rng.integers(len(found.obs), size=n)
        return Corpus(found.obs[rows], found.action[rows])

    def texts(self, kind: str) -> Corpus:
        """Return the file's rows with their ``response``, ``chosen`` or ``rejected``, or the windows of the ``corpus``,
        whose prompts are empty.

        Raises:
            ConfigError: if there is no such kind, no row has it, or the corpus is too small.
        """
        kinds = (*RESPONSES, CORPUS)
        require(kind in kinds, f"'{kind}' is not a kind of texts; choose {', '.join(kinds)}.")
        if kind != CORPUS:
            rows = self._with(kind)
            rows = rows[self._in_split[rows]]
            told = f"No line with {kind} has a prompt of env.split={self.split}; choose another env.heldout_every."
            require(len(rows) > 0, told)
            return Corpus(self._obs(rows), self._responses(rows, kind))
        require(self.corpus is not None, "There is no corpus; name a folder of .txt files with env.corpus=FOLDER.")
        length = self.sizes.response
        found = windows(map(self.codec.encode, self._corpus), length, self.codec.end, self.codec.pad)
        require(
            len(found) >= LEAST_WINDOWS,
            f"env.corpus={self.corpus} has only {np.sum(found != self.codec.pad)} tokens, which are {len(found)} "
            f"windows of env.response_tokens={length}; at least {LEAST_WINDOWS} are needed, so add text or choose "
            "smaller windows.",
        )
        return Corpus(np.full((len(found), sum(self.sizes)), self.codec.pad, np.int32), found)

    @property
    def comparison_count(self) -> int:
        return sum("chosen" in row.responses for row in self._rows)

    def comparisons(self) -> ResponsePairs:
        """Return all rows with ``chosen`` and ``rejected``.

        Raises:
            ConfigError: if no row has them, or the tokenizer makes both of a row equal or empty.
        """
        rows = self._with("chosen")
        pairs = ResponsePairs(self._obs(rows), self._responses(rows, "chosen"), self._responses(rows, "rejected"))
        self._check_different(rows, pairs)
        return pairs

    def _check_different(self, rows: Int[np.ndarray, " n"], pairs: ResponsePairs) -> None:
        """Check what only the tokens show: that both responses of a row have some, and not the same ones."""
        same = np.flatnonzero(np.all(pairs.chosen == pairs.rejected, axis=1))
        if len(same):
            told = "have the same tokens, so that nothing can be learned from this comparison; leave the line out"
            raise ConfigError(
                f"{self._rows[rows[same[0]]].where}: chosen and rejected {told}, or change env.tokenizer."
            )
        for key, tokens in (("chosen", pairs.chosen), ("rejected", pairs.rejected)):
            empty = np.flatnonzero(tokens[:, 0] == self.codec.end)
            if len(empty):
                where = self._rows[rows[empty[0]]].where
                raise ConfigError(f"{where}: {key} has no tokens; leave the line out, or change env.tokenizer.")

    def _with(self, key: str) -> Int[np.ndarray, " n"]:
        rows = np.flatnonzero([key in row.responses for row in self._rows])
        require(len(rows) > 0, f"No line of {self.path or EXAMPLES.name} has the key {key}.")
        return rows

    def _obs(self, rows: Int[np.ndarray, " n"]) -> Int[np.ndarray, "n tokens"]:
        prompts = self._all_prompts[rows]
        pads = np.full((len(rows), self.sizes.response), self.codec.pad, np.int32)
        return np.concatenate([prompts, pads], axis=1)

    def _responses(self, rows: Sequence[int] | np.ndarray, key: str) -> Int[np.ndarray, "n L"]:
        texts = [self.codec.encode(self._rows[row].responses[key]) for row in rows]
        return np.stack([ended(text, self.sizes.response, self.codec.end, self.codec.pad) for text in texts])
