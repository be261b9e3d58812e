"""``labeler=own_judge``: a language model of our own judges responses by principles, in its own language.

It is asked for a critique of each response alone. The score of a response is the log-odds that the critique finds no
fault, so that the position of a response cannot matter. Of a response and its revision, the revision is better
(``pairs=revision``); of two samples, the one with the higher score (``pairs=multiple_choice``, as Bai et al. 2022,
arXiv:2212.08073, section 4.1, where the model chooses between the letters of two options).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.queries import Query
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.text_spec import CritiqueSpec, TextSpec
from rl_rewards.core.types import REVISED_BY
from rl_rewards.labelers.at_once import AtOnce
from rl_rewards.labelers.base import Assignment, Labeling
from rl_rewards.labelers.stored_answers import StoredAnswers
from rl_rewards.models.transformer.critique import critique_prompts, fine_log_odds

ALL = "all"
TOGETHER = 256
"""The largest number of responses that the model reads at once."""


@dataclass(frozen=True, kw_only=True)
class OwnJudge(Labeling):
    """Keys and units: configs/labeler/own_judge.yaml."""

    run: str | None
    seed: int | Literal["each"]
    pairs: Literal["multiple_choice", "revision"]
    principles: Literal["one", "all"]
    equal: float

    def __post_init__(self) -> None:
        check_fields(self, "labeler")
        told = "labeler=own_judge asks a language model of yours; name its run with labeler.run=RUN_DIR."
        require(self.pairs == "revision" or self.run is not None, told)
        require(self.equal >= 0, f"labeler.equal={self.equal} must be 0 (off) or positive.")

    @property
    def requirements(self) -> Requirements:
        if self.pairs == "revision":
            return Requirements(reads=("obs", "action"), revisions=True)
        assert self.run is not None
        seed = None if self.seed == "each" else self.seed
        return Requirements(reads=("obs", "action"), asks_model=(self.run, seed))

    def make(self, assignment: Assignment) -> StoredAnswers:
        """Return the judge of one seed.

        Raises:
            ConfigError: when there are no words for critiques, or no pairs are asked about.
        """
        text, name = assignment.spec.text, assignment.spec.name
        if text is None or text.critique is None:
            raise ConfigError(f"labeler=own_judge needs principles, and {name} has none; choose env=constitutional.")
        require(
            assignment.question != "success" and assignment.clips > 1,
            "labeler=own_judge compares responses; choose reward=text_preferences with reward.clips=2.",
        )
        names = [*text.critique.principles, ALL]
        judge = RevisionsAreBetter(assignment)
        if self.pairs == "multiple_choice":
            judge = Critic(self, assignment, text, text.critique)
        return StoredAnswers(assignment, judge, lambda number: f"principle {names[number]}", "judge")


class RevisionsAreBetter(AtOnce):
    """Of a response and its revision, the revision is better. Two responses of one kind get no answer."""

    def answers(self, query: Query, rows: np.ndarray) -> Iterable[tuple[Float[np.ndarray, " K"], int]]:
        """Yield 1 for a revision and 0 for a response, with the number of the revision's principle."""
        by = np.asarray(query.segments.behaviour[REVISED_BY])[rows, :, -1]
        for principles in by:
            revised = (principles >= 0).astype(np.float64)
            same = np.all(revised == revised[0])
            yield np.full(len(revised), np.nan) if same else revised, max(0, int(principles.max()))


class Critic(AtOnce):
    """The model's judgements for one seed."""

    def __init__(self, judge: OwnJudge, assignment: Assignment, text: TextSpec, words: CritiqueSpec) -> None:
        super().__init__(assignment)
        self._judge, self._text, self._words = judge, text, words
        self._tokens = self._asked = 0
        self._likely: dict[int, float] = {}

    def answers(self, query: Query, rows: np.ndarray) -> Iterable[tuple[Float[np.ndarray, " K"], int]]:
        """Return the log-odds that each response has no fault, and the number of the principle (or of all)."""
        ids, n = np.asarray(query.id)[rows], len(self._words.principles)
        tokens = [np.asarray(x)[rows, :, 0].astype(np.int32) for x in (query.segments.obs, query.segments.action)]
        prompts, responses = tokens[0][..., : self._text.prompt_tokens], tokens[1]
        if self._judge.principles == ALL:
            scores = np.sum([self._scores(prompts, responses, np.full(len(rows), one)) for one in range(n)], axis=0)
            chosen = np.full(len(rows), n)
        else:
            seed = self.assignment.seed
            chosen = np.array([np.random.default_rng([seed, int(one)]).integers(n) for one in ids], int)
            scores = self._scores(prompts, responses, chosen)
        if scores.shape[1:] == (2,):
            odds = scores[:, 0] - scores[:, 1]
            self._likely |= {int(i): float(1.0 / (1.0 + np.exp(-odd))) for i, odd in zip(ids, odds, strict=True)}
        return list(zip(self._with_ties(scores), chosen.tolist(), strict=True))

    def _scores(
        self, prompts: Int[np.ndarray, "Q K P"], responses: Int[np.ndarray, "Q K L"], principle: Int[np.ndarray, " Q"]
    ) -> Float[np.ndarray, "Q K"]:
        """Return the log-odds of each response by the principle of its query."""
        shape = prompts.shape[:2]
        flat = [x.reshape(-1, x.shape[-1]) for x in (prompts, responses)]
        by, found = np.repeat(principle, shape[1]), []
        for start in range(0, len(by), TOGETHER):
            part = np.minimum(np.arange(start, start + TOGETHER), len(by) - 1)  # of one size, which compiles once
            prompt, response, principles = (jnp.asarray(x[part]) for x in (*flat, by))
            asked = critique_prompts(self._text, self._words, prompt, response, principles)
            odds = fine_log_odds(self._log_prob, self._text, self._words, asked)
            found.append(np.asarray(odds)[: len(by) - start])
            self._tokens += int(np.sum(np.asarray(asked)[: len(by) - start] != self._text.pad))
        self._asked += len(by)
        self._tokens += len(by) * (len(self._words.fine) + 1)
        return np.concatenate(found).reshape(shape).astype(np.float64)

    def _log_prob(self, prompts: Array, answers: Array) -> Array:
        assert self.assignment.model is not None, "the run gives the model that asks_model names"
        return jnp.asarray(self.assignment.model(np.asarray(prompts), np.asarray(answers)))

    def _with_ties(self, scores: Float[np.ndarray, "Q K"]) -> Float[np.ndarray, "Q K"]:
        """Return scores, equal ones for a query whose scores all lie within ``equal`` of each other."""
        close = np.ptp(scores, axis=1) <= self._judge.equal
        return np.where(close[:, None], 0.0, scores)

    def save(self) -> bytes:
        return json.dumps([self._asked, self._tokens]).encode()

    def load(self, saved: bytes) -> None:
        self._asked, self._tokens = json.loads(saved)

    def metrics(self) -> dict[str, float]:
        return {"labeler/calls": float(self._asked), "labeler/tokens": float(self._tokens)}

    def probabilities(self) -> dict[int, float]:
        return dict(self._likely)
