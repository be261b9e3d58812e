"""The worth of a ranking: how many comparisons do its C(k, 2) pairs take, and how much do they teach? No RL is run.

The lecture (guide-reward-learning.txt, chapter 7): ranking 15 trajectories gives 105 pairs from 14 operations, "7.5x
more training signal per human judgment". Here a teacher sorts by comparisons, which are counted; rewards learned from
its rankings are compared with rewards learned from separate pairs, as many as the lecture's operations, as real
comparisons, and as the ranking has pairs. Every learner has the same network and as many segments in a batch, and is
judged after the number of gradient steps, of those up to one limit, that suits it best.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.queries import pairs_of
from rl_rewards.labelers.oracle import Teacher
from rl_rewards.lecture.preferences.answers import Asked, Drawn, MakeReward, accuracy, draw, learn_accuracy, source_for
from rl_rewards.lecture.preferences.merge_sort import least_comparisons, sort_all
from rl_rewards.lecture.preferences.ranking_efficiency import outcome
from rl_rewards.lecture.preferences.segments import Segments
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings


@dataclass(frozen=True)
class TeacherAnswers:
    """One teacher's answers, for one seed, about the first R rankings and the first P pairs of segments."""

    ranks: Float[np.ndarray, "R k"]
    compared: Int[np.ndarray, " R"]  # comparisons that each ranking took
    asked: Int[np.ndarray, "C 2"]  # those comparisons, one ranking's after the other's
    answers: Float[np.ndarray, "C 2"]
    scores: Float[np.ndarray, "P 2"]  # of separate pairs


@dataclass(frozen=True, kw_only=True)
class RankingEfficiency:
    """Keys and units: configs/experiment/lecture/preferences/ranking_efficiency.yaml."""

    segments: Segments
    reward: MakeReward
    teacher: Teacher
    noisy_rationality: float
    k: int
    rankings: tuple[int, ...]
    judged_at: int
    counted: tuple[int, ...]
    sorts: int
    heldout: int
    rounds: int
    batch_segments: int
    margin: float

    def __post_init__(self) -> None:
        check_fields(self, "study")
        require(self.k > 2, f"study.k={self.k} must be at least 3, so that a ranking is more than a pair.")
        require(self.k in self.counted, f"study.counted={list(self.counted)} must have study.k={self.k} among them.")
        require(
            self.judged_at in self.rankings,
            f"study.judged_at={self.judged_at} must be one of study.rankings={list(self.rankings)}.",
        )

    @property
    def pairs(self) -> int:
        """Return the number of pairs in a ranking."""
        return len(pairs_of(self.k)[0])

    @property
    def ranked(self) -> Int[np.ndarray, "R k"]:
        """Return the indices of the segments of each ranking; the others, two by two, are the separate pairs."""
        return np.arange(max(self.rankings) * self.k).reshape(-1, self.k)

    @property
    def paired(self) -> Int[np.ndarray, "P 2"]:
        pairs = max(self.rankings) * self.pairs
        return self.ranked.size + np.arange(2 * pairs).reshape(pairs, 2)

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del arms
        drawn = draw(self.segments, seeds, self.ranked.size + self.paired.size, self.heldout)
        teachers = {"never wrong": None, "noisy": self.noisy_rationality}
        found = {
            "k": self.k,
            "rankings": list(self.rankings),
            "judged_at": self.judged_at,
            "noisy_rationality": self.noisy_rationality,
            "counts": {str(k): self.counts(k, drawn, seeds) for k in self.counted},
            "teachers": {name: self.find(rationality, drawn, seeds) for name, rationality in teachers.items()},
        }
        return Findings(outcome.claims(found, self.margin), found)

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        outcome.draw(findings.details, path)

    def counts(self, k: int, drawn: Drawn, seeds: Sequence[int]) -> dict[str, Any]:
        """Count the pairs in a ranking of ``k``, and the comparisons of merge sorts whose every answer is right."""

        def of_seed(seed: int, returns: np.ndarray) -> float:
            rng = np.random.default_rng([seed, k])
            items = np.array([rng.choice(len(returns), k, replace=False) for _ in range(self.sorts)])
            return float(sort_all(items, lambda pairs: returns[pairs[:, 0]] > returns[pairs[:, 1]])[1].mean())

        measured = [of_seed(*each) for each in zip(seeds, drawn.returns, strict=True)]
        return {"pairs": len(pairs_of(k)[0]), "least": least_comparisons(k), "comparisons": measured}

    def find(self, rationality: float | None, drawn: Drawn, seeds: Sequence[int]) -> dict[str, Any]:
        """Return held-out accuracy [S, rankings] for each kind of answers, with counts and mistakes, as plain data."""
        told = [self.ask(rationality, seed, drawn, i) for i, seed in enumerate(seeds)]
        rankings = np.tile(self.rankings, (len(seeds), 1))
        spent = np.array([np.cumsum(one.compared)[np.array(self.rankings) - 1] for one in told])
        separate, made = [(self.paired, one.scores) for one in told], [(one.asked, one.answers) for one in told]
        sets = {
            "pairs_as_operations": _first(separate, (self.k - 1) * rankings, len(self.paired)),
            "pairs_as_comparisons": _first(separate, spent, len(self.paired)),
            "pairs_as_pairs": _first(separate, self.pairs * rankings, len(self.paired)),
            "comparisons_made": _first(made, spent, len(self.paired)),
        }
        index, scores = (np.concatenate(parts, axis=1) for parts in zip(*sets.values(), strict=True))
        of_pairs = self._accuracy(drawn, seeds, index, scores)
        by_set = zip(*(np.split(part, len(sets), axis=-1) for part in of_pairs), strict=True)
        found = {"rankings": self._of_rankings(told, drawn, seeds), **dict(zip(sets, by_set, strict=True))}
        return {
            "accuracy": {name: values.round(5).tolist() for name, (values, _) in found.items()},
            "gradient_steps": {name: steps.tolist() for name, (_, steps) in found.items()},
            "comparisons": spent.tolist(),
            "wrong_in_rankings": [
                _wrong(self.ranked, one.ranks, returns) for one, returns in zip(told, drawn.returns, strict=True)
            ],
            "wrong_answers": [
                _wrong(self.paired, one.scores, returns) for one, returns in zip(told, drawn.returns, strict=True)
            ],
        }

    def ask(self, rationality: float | None, seed: int, drawn: Drawn, index: int) -> TeacherAnswers:
        """Return the teacher's rankings, each by a merge sort, and its answers to separate pairs."""
        asked = Asked(replace(self.teacher, rationality=rationality), seed, self.segments, drawn.seed(index))
        questions, answers = [], []

        def better(pairs: np.ndarray) -> np.ndarray:
            first = asked.first_is_better(pairs)
            questions.append(pairs)
            answers.append(np.stack([first, ~first], axis=-1).astype(float))
            return first

        ranks, compared = sort_all(self.ranked, better)
        made, told = np.concatenate(questions), np.concatenate(answers)
        by_ranking = np.argsort(made[:, 0] // self.k, kind="stable")
        return TeacherAnswers(
            ranks.astype(float), compared, made[by_ranking], told[by_ranking], asked.answer(self.paired).scores
        )

    def _of_rankings(
        self, told: Sequence[TeacherAnswers], drawn: Drawn, seeds: Sequence[int]
    ) -> tuple[Float[np.ndarray, "S W"], Int[np.ndarray, " W"]]:
        """Learn from the first rankings, for each number in ``rankings``."""
        used = np.arange(len(self.ranked))[:, None] < np.array(self.rankings)[:, None, None]  # [W, R, 1]
        scores = np.array([np.where(used, one.ranks, np.nan) for one in told])
        return self._accuracy(drawn, seeds, np.broadcast_to(self.ranked, scores.shape), scores)

    def _accuracy(
        self, drawn: Drawn, seeds: Sequence[int], index: Int[np.ndarray, "S W D K"], scores: np.ndarray
    ) -> tuple[Float[np.ndarray, "S W"], Int[np.ndarray, " W"]]:
        """Return accuracy on held-out segments, and gradient steps, after learning from each of W sets of answers."""
        queries, clips = index.shape[2:]
        source = source_for(self.reward, self.segments, queries, clips, self.batch_segments)
        return learn_accuracy(source, self.segments, drawn, seeds, index, scores, self.rounds)


def _first(
    told: Sequence[tuple[np.ndarray, np.ndarray]], numbers: Int[np.ndarray, "S W"], most: int
) -> tuple[Int[np.ndarray, "S W P 2"], Float[np.ndarray, "S W P 2"]]:
    """Return the first pairs of every seed and their answers, padded to ``most``."""
    shape = (*numbers.shape, most, 2)
    index, scores = np.zeros(shape, int), np.full(shape, np.nan)
    for i, (pairs, answers) in enumerate(told):
        for w, n in enumerate(numbers[i]):
            index[i, w, :n], scores[i, w, :n] = pairs[:n], answers[:n]
    return index, scores


def _wrong(index: np.ndarray, scores: np.ndarray, returns: np.ndarray) -> float:
    """Compute the share of the pairs that ``scores`` order against the true ``returns``."""
    return round(1.0 - float(np.mean(accuracy(scores, returns[index]))), 5)
