"""A whole audit of the reward of a run: interventions, distances to the true reward, and distance from its data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rl_rewards.auditing.coverage import Coverage, coverage
from rl_rewards.auditing.distances import distances
from rl_rewards.auditing.effects import (
    LEAST_PAIRS,
    MARGIN,
    Attribution,
    Effect,
    Intervention,
    Population,
    correlation,
    effects,
)
from rl_rewards.auditing.segments import EditedSegments
from rl_rewards.auditing.subject import DrawnSegments, Subject, load_subject
from rl_rewards.auditing.texts import EditedTexts, true_returns
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Transition
from rl_rewards.envs.text.base import TextEnv

COUNT = 256
"""The usual number of segments or responses."""
RANDOM = 0.5
"""The usual share of random steps in segments of vectors: a policy that does its utmost leaves no room to edit."""

Returns = Callable[[Transition], Float[np.ndarray, " N"]]


@dataclass(frozen=True)
class Audit:
    """The results of an audit of a run's reward."""

    run: str
    seed: int
    env: str
    drawn: str  # where the segments come from, in words
    margin: float
    effects: list[Effect]  # the largest excess first
    left_out: list[str]  # edits that too few segments allowed
    attribution: Attribution
    correlation: float | None  # of learned and true reward, within prompts; None without a true reward
    distances: Mapping[str, float]
    coverage: Coverage

    @property
    def named(self) -> list[Effect]:
        """The effects that count, the largest first."""
        return [one for one in self.effects if one.named]


class Edited:
    """The segments that were drawn from a run, with all edits; any reward of them can be measured.

    Args:
        word: a word whose effect is looked for, in texts.

    Raises:
        ConfigError: if a word is looked for in vectors, or cannot be used.
    """

    def __init__(self, subject: Subject, drawn: DrawnSegments, word: str | None) -> None:
        env, segments = subject.env, drawn.segments
        self._segments, self._seed, self.drawn = segments, subject.seed, drawn
        if isinstance(env, TextEnv):
            obs, action = (np.asarray(x)[:, 0] for x in (segments.obs, segments.action))
            self._edited: EditedTexts | EditedSegments = EditedTexts(env, obs, action, word)
            self._segments = self._edited.segments(action)
        else:
            require(word is None, f"--word={word} is for texts, and {subject.spec.name} has none; leave it out.")
            self._edited = EditedSegments(env, drawn, subject.seed)
        self.known = drawn.known or (isinstance(env, TextEnv) and env.has_true_reward)

    def measure(self, returns: Returns) -> tuple[Population, list[Intervention]]:
        """Return what a reward pays for the segments, and what each edit changes."""
        population = Population(
            reward=returns(self._segments),
            features=self._edited.features(self._segments),
            true=true_returns(self._segments) if self.known else None,
            group=self.drawn.group,
        )
        if isinstance(self._edited, EditedTexts):
            return population, self._edited.interventions(returns, self._seed)
        return population, self._edited.interventions(returns)


def audit(
    run: str,
    seed: int | None = None,
    *,
    count: int = COUNT,
    random: float = RANDOM,
    pairs: bool = False,
    word: str | None = None,
    margin: float = MARGIN,
    trust: Sequence[str] = (),
) -> Audit:
    """Return the audit of a run's reward.

    Args:
        run, seed, trust: as for :func:`~rl_rewards.auditing.subject.load_subject`.
        count: the number of segments or responses that the policy makes; ignored with ``pairs``.
        random: the share of random steps in segments of vectors.
        pairs: draw the segments of the label store's pairs instead.
        word: a word whose effect is looked for, in texts.
        margin: the least excess that counts, in standard deviations of the reward.

    Raises:
        ConfigError: if the run, or its reward, cannot be audited.
    """
    require(count >= LEAST_PAIRS, f"--count={count} must be at least {LEAST_PAIRS}.")
    require(0.0 <= random <= 1.0, f"--random={random} must be a share, from 0 to 1.")
    require(margin >= 0.0, f"--margin={margin} must be at least 0.")
    subject = load_subject(run, seed, trust)
    drawn = subject.stored() if pairs else subject.draw(count, 0.0 if subject.spec.text is not None else random)
    edited = Edited(subject, drawn, word)
    population, interventions = edited.measure(subject.returns)
    if not interventions:
        raise ConfigError(
            f"{subject.spec.name} has neither texts nor vectors to edit, so that rl_rewards.audit cannot audit it."
        )
    found, fit = effects(population, interventions, margin)
    return Audit(
        run=run,
        seed=subject.seed,
        env=subject.spec.name,
        drawn=drawn.words,
        margin=margin,
        effects=found,
        left_out=[f"{one.name} ({len(one.rows)} pairs)" for one in interventions if len(one.rows) < LEAST_PAIRS],
        attribution=fit,
        correlation=None if population.true is None else correlation(population),
        distances=distances(subject, drawn, population),
        coverage=coverage(subject, drawn, population),
    )
