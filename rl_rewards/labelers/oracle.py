"""Synthetic teachers that know the true reward but make human mistakes (B-Pref, Lee et al. 2021, arXiv:2111.03026).

A teacher values a segment at sum_t myopia^(L - 1 - t) r_t and prefers the first of two segments with probability
sigmoid(rationality * difference of values). In this order, it refuses a query in which no segment's return reaches the
skip threshold, calls segments equal if their returns differ by less than the equal threshold, and reverses its answer
with probability ``mistake``. r is the true reward, or with ``objective`` a number in the environment's info: a teacher
of one objective. Both thresholds apply to returns, sum_t r_t, whatever the teacher's values are. The
skip threshold counts returns from the lowest return seen, or from 0 if that is lower, so that negative rewards do not
cause more refusals. The answer to a query depends only on (seed, id) and the returns. A planted bias adds
``bias * mean |return| * standardised nuisance feature`` to a segment's value. With ``bias_towards=position`` the
teacher favours the segment that is shown first, as judges do (Zheng et al. 2023, arXiv:2306.05685, section 3.3).

Of a segment and its alternatives (corrections, descriptions) the teacher chooses the one that it values most; those
within the equal threshold of its return are equally good. With probability ``mistake`` it chooses another one at
random. A changed segment of a description has the return that the environment computes from its observations.

Where the question is whether the task is done in a state, the answer is the true success, reversed with probability
``mistake``.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.queries import Query
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec
from rl_rewards.labelers.at_once import AtOnce
from rl_rewards.labelers.base import Assignment, Labeling
from rl_rewards.labelers.nuisance import FEATURES, feature, names_of, read_for
from rl_rewards.labelers.stored_answers import StoredAnswers

POSITION = "position"
"""The feature of a segment that is shown first: not its own, but of the order in which it is shown."""
ABOUT_RETURNS = ("skip", "equal", "rater_offset", "rating_noise", "bias")
"""Settings that do not apply to yes-or-no questions; 0 is off."""
CHOICES = ("correction", "description")
"""Questions whose answer is the choice of one of the segments."""
CEILING = "labeler/agreement_with_true_return"
"""The metric: a reward that is the true one cannot predict more of the answers."""


@dataclass(frozen=True, kw_only=True)
class Teacher(Labeling):
    """Keys and units: configs/labeler/oracle.yaml."""

    rationality: float | None
    myopia: float
    mistake: float
    skip: float
    equal: float
    raters: int
    rater_offset: float
    rating_noise: float
    bias: float
    bias_towards: str
    store: bool
    objective: str | None = None

    def __post_init__(self) -> None:
        check_fields(self, "labeler")
        for name in ("mistake", "skip", "equal"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"labeler.{name}={value} must lie in [0, 1].")
        require(0 < self.myopia <= 1, f"labeler.myopia={self.myopia} must lie in (0, 1]; 1 is off.")
        require(
            self.rationality is None or self.rationality > 0,
            f"labeler.rationality={self.rationality} must be positive, or null for a teacher without noise.",
        )
        require(self.raters > 0, f"labeler.raters={self.raters} must be at least 1.")
        for name in ("rater_offset", "rating_noise"):
            value = getattr(self, name)
            require(value >= 0, f"labeler.{name}={value} must be 0 (off) or positive.")

    @property
    def requirements(self) -> Requirements:
        judged = () if self.objective is None else (f"info.{self.objective}",)
        if not self.store and not self.bias:
            return Requirements(reads=("env_reward", *judged), describes=True)
        feature_reads = read_for(self.bias_towards) if self.bias and self.bias_towards != POSITION else ()
        reads = tuple(dict.fromkeys(("env_reward", "obs", "action", *judged, *feature_reads)))
        return Requirements(reads=reads, describes=True)

    def make(self, assignment: Assignment) -> "Oracle | StoredAnswers":
        """Return the teacher of one seed.

        Raises:
            ConfigError: when the environment lacks the objective, the bias's feature, or the true success that is
                asked about.
        """
        if assignment.question == "success":
            self._check_success(assignment)
        if assignment.question == "description":
            self._check_description(assignment)
        self._check_objective(assignment.spec)
        self._check_feature(assignment.spec)
        oracle = Oracle(self, assignment)
        return StoredAnswers(assignment, oracle, lambda rater: f"teacher {rater}") if self.store else oracle

    def _check_description(self, assignment: Assignment) -> None:
        shape = assignment.spec.obs.shape
        blank = np.zeros((1, *shape), np.float32), np.zeros((1, *assignment.spec.action.shape), np.float32)
        require(
            assignment.reward_of is not None and assignment.reward_of(*blank, blank[0]) is not None,
            f"labeler=oracle cannot say which feature matters: the observations of {assignment.spec.name} do not tell "
            "its true reward (in env=pencil_case, those of env.observation=true_pose do); choose labeler=human, or "
            "reward.answers=comparisons.",
        )
        require(
            self.objective is None,
            f"labeler.objective={self.objective} is not known of a segment with a changed feature; choose "
            "labeler.objective=null, or reward.answers=comparisons.",
        )

    def _check_objective(self, spec: EnvSpec) -> None:
        numbers = [name for name, shape in spec.info.items() if shape == ()]
        require(
            self.objective is None or self.objective in numbers,
            f"labeler.objective={self.objective} is not a number in the info of {spec.name}; choose from "
            f"{', '.join(numbers) or 'none'}, or null for the true reward.",
        )

    def _check_feature(self, spec: EnvSpec) -> None:
        found = [*names_of(spec), POSITION]
        require(
            self.bias_towards in (found if self.bias else (*FEATURES, *found)),
            f"labeler.bias_towards={self.bias_towards} is not a feature of {spec.name}'s segments; choose from "
            f"{', '.join(found)}, or labeler.bias=0 with the default.",
        )

    def _check_success(self, assignment: Assignment) -> None:
        spec = assignment.spec
        require(
            spec.has_success,
            f"labeler=oracle cannot say whether the task is done: {spec.name} does not record true success; choose "
            "labeler=human, or reward.queries=0.",
        )
        about_returns = {"rationality": None, "myopia": 1.0, "objective": None, **dict.fromkeys(ABOUT_RETURNS, 0.0)}
        for name, off in about_returns.items():
            value = getattr(self, name)
            require(
                value == off,
                f"labeler.{name}={value} applies to returns, but this reward asks whether the task is done; leave it "
                "out, and set labeler.mistake=PROBABILITY if some answers should be wrong.",
            )


class Oracle(AtOnce):
    """The teacher of one seed."""

    def __init__(self, teacher: Teacher, assignment: Assignment) -> None:
        super().__init__(assignment)
        self._teacher, self._seed = teacher, assignment.seed
        self._returns = self._segments = 0.0  # sum of |undiscounted returns| seen; number of segments seen
        self._total = self._lowest = 0.0  # sum of the returns seen; the minimum of them and 0
        self._features = self._squares = 0.0  # sums of the bias feature and of its square
        self._ordered = self._decided = 0  # pairs answered as their true returns say; pairs that both of them decide

    def answers(self, query: Query, rows: np.ndarray) -> Iterable[tuple[Float[np.ndarray, " K"], int]]:
        ids, rewards = np.asarray(query.id)[rows], self._judged(query)[rows]  # [Q', K, L]
        returns = rewards.sum(axis=-1)
        self._returns += float(np.abs(returns).sum())
        self._total += float(returns.sum())
        self._lowest = min(self._lowest, float(returns.min(initial=0.0)))
        self._segments += float(returns.size)
        if self.assignment.question == "success":
            done = np.asarray(query.segments.info["success"])[rows, 0, -1].astype(bool)
            return [self._yes_or_no(int(i), bool(one)) for i, one in zip(ids, done, strict=True)]
        extra = self._extra(query, rows)
        answers = [self._answer(int(i), *one) for i, *one in zip(ids, rewards, extra, strict=True)]
        true_returns = self._true(query)[rows].sum(axis=-1)
        self._count(true_returns, np.array([scores for scores, _ in answers]).reshape(returns.shape))
        return answers

    def _judged(self, query: Query) -> Float[np.ndarray, "Q K L"]:
        """Return what the teacher judges every step by: the true reward, or its objective."""
        name = self._teacher.objective
        return self._true(query) if name is None else np.asarray(query.segments.info[name], np.float64)

    def _true(self, query: Query) -> Float[np.ndarray, "Q K L"]:
        """Return the true rewards, which an environment computes for segments of which a feature was changed."""
        segments = query.segments
        if self.assignment.question != "description":
            return np.asarray(segments.env_reward, np.float64)
        assert self.assignment.reward_of is not None, "make refuses environments that do not know it"
        return np.asarray(self.assignment.reward_of(segments.obs, segments.action, segments.next_obs), np.float64)

    def save(self) -> bytes:
        known = [self._returns, self._segments, self._features, self._squares, self._total, self._lowest]
        return json.dumps([*known, self._ordered, self._decided]).encode()

    def load(self, saved: bytes) -> None:
        self._returns, self._segments, self._features, self._squares, *later = json.loads(saved)
        # Earlier versions kept neither of the next two, or not the last two.
        self._total, self._lowest, *counts = later or (self._returns, 0.0)
        self._ordered, self._decided = counts or (0, 0)

    def metrics(self) -> dict[str, float]:
        if self.assignment.clips == 1:
            return {}
        return {CEILING: self._ordered / self._decided if self._decided else math.nan}

    def _count(self, returns: Float[np.ndarray, "Q K"], scores: Float[np.ndarray, "Q K"]) -> None:
        """Count the pairs of segments that are ordered by their true returns and by their scores."""
        first, second = np.triu_indices(returns.shape[1], 1)
        by_return, answered = (np.sign(x[:, first] - x[:, second]) for x in (returns, scores))
        decided = np.isfinite(answered) & (answered != 0) & (by_return != 0)
        self._ordered += int(np.sum(decided & (answered == by_return)))
        self._decided += int(np.sum(decided))

    @property
    def _typical(self) -> float:
        """Return the mean |return| of all segments seen so far."""
        return self._returns / max(self._segments, 1.0)

    def _extra(self, query: Query, rows: np.ndarray) -> Float[np.ndarray, "rows K"]:
        """Return the bias terms [rows, K] of the values of these ``rows``, in units of return; 0 without a bias.

        The feature is standardised by its mean and standard deviation over all segments seen so far.
        """
        teacher, shape = self._teacher, np.shape(query.segments.env_reward)[1:2]
        if teacher.bias == 0:
            return np.zeros((len(rows), *shape))
        if teacher.bias_towards == POSITION:
            found = np.tile(np.arange(*shape) == 0, (len(rows), 1)).astype(np.float64)
        else:
            found = feature(teacher.bias_towards, self.assignment.spec, query.segments)[rows]
        self._features += float(found.sum())
        self._squares += float(np.square(found).sum())
        mean = self._features / max(self._segments, 1.0)
        deviation = np.sqrt(max(self._squares / max(self._segments, 1.0) - mean**2, 1e-12))
        return teacher.bias * self._typical * (found - mean) / deviation

    def _answer(self, query: int, rewards: np.ndarray, extra: np.ndarray) -> tuple[np.ndarray, int]:
        """Return the scores [K] of a query's segments [K, L] and the rater; ``extra`` [K] is added to their values."""
        teacher, rng = self._teacher, np.random.default_rng([self._seed, query])
        rater = int(rng.integers(teacher.raters))
        if len(rewards) == 1:
            return self._rating(rewards[0], rater, rng) + extra / rewards.shape[1], rater
        weights = teacher.myopia ** np.arange(rewards.shape[1] - 1, -1, -1)
        values, returns = rewards @ weights + extra, rewards.sum(axis=-1)
        if self._skips(returns):
            return np.full(len(rewards), np.nan), rater
        if teacher.rationality is not None:
            # Gumbel noise on every value makes each pair's odds Bradley-Terry's (and a ranking's Plackett-Luce's).
            values = teacher.rationality * values + rng.gumbel(size=len(values))
        equal = teacher.equal * self._typical
        if self.assignment.question in CHOICES:
            return _chosen(values, returns, equal, teacher.mistake, rng), rater
        ranks = _ranks(values, returns, equal)
        if rng.uniform() < teacher.mistake:
            ranks = -ranks
        return ranks, rater

    def _skips(self, returns: np.ndarray) -> bool:
        """Return True if no return [K] reaches ``skip`` times the mean, both counted from the lowest return."""
        mean = self._total / max(self._segments, 1.0)
        reached, typical = returns.max() - self._lowest, mean - self._lowest
        return self._teacher.skip > 0 and bool(reached < self._teacher.skip * typical)

    def _yes_or_no(self, query: int, done: bool) -> tuple[Float[np.ndarray, "1"], int]:
        """Return 1 if the task is done, else 0, reversed with probability ``mistake``; and the rater."""
        rng = np.random.default_rng([self._seed, query])
        rater = int(rng.integers(self._teacher.raters))
        return np.array([done != (rng.uniform() < self._teacher.mistake)], float), rater

    def _rating(self, rewards: np.ndarray, rater: int, rng: np.random.Generator) -> np.ndarray:
        """Return the mean reward per step with this rater's own offset and noise."""
        teacher = self._teacher
        offset = teacher.rater_offset * np.random.default_rng([self._seed, 1 << 31, rater]).normal()
        return np.array([rewards.mean() + offset + teacher.rating_noise * rng.normal()])


def _chosen(
    values: np.ndarray, returns: np.ndarray, equal: float, mistake: float, rng: np.random.Generator
) -> Float[np.ndarray, " K"]:
    """Return 1 for the segment with the highest value, and for those as good as it; else 0. See the module's text."""
    best = int(np.argmax(values))
    chosen = (values == values[best]) | (np.abs(returns - returns[best]) < equal)
    if rng.uniform() < mistake:
        others = np.flatnonzero(~chosen) if not chosen.all() else np.arange(len(chosen))
        chosen = np.arange(len(chosen)) == rng.choice(others)
    return chosen.astype(np.float64)


def _ranks(values: np.ndarray, returns: np.ndarray, equal: float) -> np.ndarray:
    """Return the ranks of ``values``, 0 for the worst.

    Neighbours share a rank if their ``returns`` differ by less than ``equal`` or their values are equal.
    """
    order = np.argsort(values, kind="stable")
    steps = (np.diff(values[order]) > 0.0) & (np.abs(np.diff(returns[order])) >= equal)
    ranks = np.empty(len(values))
    ranks[order] = np.concatenate([[0], np.cumsum(steps)])
    return ranks
