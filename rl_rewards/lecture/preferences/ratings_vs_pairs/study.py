"""Ratings against pairs: which answers are more consistent, and which teach more, as raters differ more? No RL is run.

The lecture (notes-reward-learning.txt): of absolute scores, "is this a 6 or a 7?" is hard, and different people score
differently; "relative preferences are easier to provide". Here both come from what a person sees in a segment: its mean
true reward, and noise. A rating adds the rater's own offset and is rounded to a level; the two segments of a pair are
compared by one rater, so that the offset is in neither answer. All learn with the same network and as many segments in
a batch, and are judged after the number of gradient steps, of those up to one limit, that suits each best.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rl_rewards.core.checks import check_fields, require
from rl_rewards.labelers.oracle import Teacher
from rl_rewards.lecture.preferences.answers import Asked, Drawn, MakeReward, accuracy, draw, learn_accuracy, source_for
from rl_rewards.lecture.preferences.ratings_vs_pairs import outcome
from rl_rewards.lecture.preferences.segments import Segments
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.working import counted

Rows = list[list[float]]


class Ratings(NamedTuple):
    levels: Float[np.ndarray, " N"]  # 1 .. levels
    rater: Int[np.ndarray, " N"]


@dataclass(frozen=True, kw_only=True)
class RatingsVsPairs:
    """Keys and units: configs/experiment/lecture/preferences/ratings_vs_pairs.yaml."""

    segments: Segments
    reward: MakeReward
    teacher: Teacher
    offsets: tuple[float, ...]
    judged_offset: float
    noise: float
    levels: int
    span: float
    judgments: tuple[int, ...]
    judged_at: int
    asked_twice: int
    heldout: int
    rounds: int
    batch_segments: int

    def __post_init__(self) -> None:
        check_fields(self, "study")
        require(
            self.judged_offset in self.offsets and 0.0 in self.offsets,
            f"study.offsets={list(self.offsets)} must have 0 and study.judged_offset={self.judged_offset} among them.",
        )
        require(
            self.judged_at in self.judgments,
            f"study.judged_at={self.judged_at} must be one of study.judgments={list(self.judgments)}.",
        )
        require(self.levels > 1, f"study.levels={self.levels} must be at least 2.")
        require(self.teacher.raters > 1, f"study.teacher.raters={self.teacher.raters} must be at least 2, to differ.")

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del arms
        drawn = draw(self.segments, seeds, 2 * max(*self.judgments, self.asked_twice), self.heldout)
        found = {
            "offsets": list(self.offsets),
            "judged_offset": self.judged_offset,
            "judgments": list(self.judgments),
            "judged_at": self.judged_at,
            "raters": self.teacher.raters,
            "noise": self.noise,
            "levels": self.levels,
            "consistency": self.consistency(drawn, seeds),
            "accuracy": self.learned(drawn, seeds),
        }
        return Findings(outcome.claims(found), found)

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        outcome.draw(findings.details, path)

    def asked(self, drawn: Drawn, i: int, seed: int, offset: float) -> Asked:
        """Return raters of one seed whose offsets have ``offset`` times the segments' standard deviation."""
        spread = float(_means(drawn, i).std())
        teacher = replace(self.teacher, rater_offset=offset * spread, rating_noise=self.noise * spread)
        return Asked(teacher, seed, self.segments, drawn.seed(i))

    def rate(self, asked: Asked, index: Int[np.ndarray, " N"], drawn: Drawn, i: int) -> Ratings:
        """Return whole levels, even over ``span`` deviations around the mean segment; the outer ones are open."""
        labels, means = asked.answer(index[:, None]), _means(drawn, i)
        place = (labels.scores[:, 0] - means.mean()) / (self.span * means.std()) + 0.5
        return Ratings(np.clip(np.floor(self.levels * place), 0, self.levels - 1) + 1.0, labels.rater)

    def compare(self, asked: Asked, pairs: Int[np.ndarray, "Q 2"]) -> Float[np.ndarray, "Q 2"]:
        """Return one rater's view of both segments; their order is the answer.

        Args:
            asked: raters without offset, since an offset would change both alike.
        """
        return np.asarray(asked.answer(pairs.reshape(-1, 1)).scores).reshape(-1, 2)

    def consistency(self, drawn: Drawn, seeds: Sequence[int]) -> dict[str, Any]:
        """Return shares [offsets, S] of ratings and [S] of pairs: answered differently by another rater, and wrong."""
        found: dict[str, Any] = {"pairs_disagree": [], "pairs_wrong": [], "ratings_differ": [], "ratings_wrong": []}
        pairs = np.arange(2 * self.asked_twice).reshape(-1, 2)
        for i, seed in enumerate(counted(seeds, "seed")):
            asked, returns = self.asked(drawn, i, seed, 0.0), drawn.returns[i][pairs]
            one, other = self.compare(asked, pairs), self.compare(asked, pairs)
            found["pairs_disagree"].append(float(np.mean((one[:, 0] > one[:, 1]) != (other[:, 0] > other[:, 1]))))
            found["pairs_wrong"].append(1.0 - float(accuracy(one, returns).mean()))
        for offset in self.offsets:
            rows = [self._ratings_twice(drawn, i, seed, offset, pairs) for i, seed in enumerate(seeds)]
            found["ratings_differ"].append([row[0] for row in rows])
            found["ratings_wrong"].append([row[1] for row in rows])
        return found

    def _ratings_twice(self, drawn: Drawn, i: int, seed: int, offset: float, pairs: np.ndarray) -> tuple[float, float]:
        """Return how often two raters of one segment differ, and how often two of two segments order them wrongly."""
        asked = self.asked(drawn, i, seed, offset)
        one, other = (self.rate(asked, pairs.ravel(), drawn, i) for _ in range(2))
        apart = one.rater != other.rater
        differ = float(np.mean(one.levels[apart] != other.levels[apart]))
        levels, rater = (part.reshape(-1, 2) for part in one)
        two = rater[:, 0] != rater[:, 1]
        return differ, 1.0 - float(accuracy(levels[two], drawn.returns[i][pairs][two]).mean())

    def learned(self, drawn: Drawn, seeds: Sequence[int]) -> dict[str, Any]:
        """Return held-out accuracy of ratings, raw and centred by rater, [offsets, judgments, S], and of pairs.

        ``pairs`` [judgments, S] are as many as the ratings; ``pairs_of_the_segments`` are half as many, and show as
        many segments.
        """
        most = max(self.judgments)
        ratings, pairs = [], []
        for i, seed in enumerate(counted(seeds, "seed")):
            ratings.append(np.concatenate([self._rating_sets(drawn, i, seed, offset) for offset in self.offsets]))
            seen = self.compare(self.asked(drawn, i, seed, 0.0), np.arange(2 * most).reshape(-1, 2))
            pairs.append([_first(seen, n) for n in (*self.judgments, *(n // 2 for n in self.judgments))])
        rated = self._accuracy(drawn, seeds, np.arange(most)[:, None], np.array(ratings)[..., None])
        raw, centred = np.moveaxis(rated.T.reshape(len(self.offsets), 2, len(self.judgments), -1), 1, 0)
        paired = self._accuracy(drawn, seeds, np.arange(2 * most).reshape(-1, 2), np.array(pairs)).T
        return {
            "ratings": raw.round(5).tolist(),
            "ratings_centred": centred.round(5).tolist(),
            "pairs": paired[: len(self.judgments)].round(5).tolist(),
            "pairs_of_the_segments": paired[len(self.judgments) :].round(5).tolist(),
        }

    def _rating_sets(self, drawn: Drawn, i: int, seed: int, offset: float) -> Float[np.ndarray, "W N"]:
        """Return the first ratings in deviations of the segments, NaN beyond: raw ones, then centred by rater."""
        told = self.rate(self.asked(drawn, i, seed, offset), np.arange(max(self.judgments)), drawn, i)
        values = (told.levels - 0.5 * (self.levels + 1)) * self.span / self.levels
        sets = [(_first(values, n), told.rater) for n in self.judgments]
        return np.array([one for one, _ in sets] + [_without_means(one, rater) for one, rater in sets])

    def _accuracy(
        self, drawn: Drawn, seeds: Sequence[int], index: Int[np.ndarray, "D K"], scores: Float[np.ndarray, "S W D K"]
    ) -> Float[np.ndarray, "S W"]:
        """Return accuracy on held-out segments after learning from each of W sets of answers."""
        queries, clips = index.shape
        source = source_for(self.reward, self.segments, queries, clips, self.batch_segments)
        where = np.broadcast_to(index, scores.shape)
        return learn_accuracy(source, self.segments, drawn, seeds, where, scores, self.rounds)[0]


def _means(drawn: Drawn, i: int) -> Float[np.ndarray, " N"]:
    """Return the mean true reward per step of a seed's segments."""
    return np.asarray(drawn.asked.env_reward[i]).mean(axis=-1)


def _first(values: Float[np.ndarray, " N *rest"], n: int) -> Float[np.ndarray, " N *rest"]:
    """Return ``values`` with NaN from the n-th on."""
    kept = np.array(values, float)
    kept[n:] = np.nan
    return kept


def _without_means(values: Float[np.ndarray, " N"], rater: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Subtract each rater's mean from that rater's values."""
    found = values.copy()
    for one in np.unique(rater[np.isfinite(values)]):
        found[rater == one] -= np.nanmean(values[rater == one])
    return found
