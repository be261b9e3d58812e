"""Written rewards: candidates of a language model over two iterations, beside hand-designed and random expressions.

Eureka (arXiv:2310.12931) trains a policy with each candidate, keeps the fittest by the task's own measure, and lets the
model improve it. Here the candidates are a tape of a language model's replies, so that the study can be run again. For
point and Pendulum it wrote the second iteration after the numbers of the first one's fittest on a development seed,
for Walker2d without any numbers. The fittest is chosen on the first seeds of each arm, and judged on the others.
Score: 0 is an untrained policy, 1 the hand-designed reward.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rl_rewards.auditing.lint.whole import lint
from rl_rewards.core.checks import check_fields, require
from rl_rewards.lecture.classifiers.walker_hack import kind_of
from rl_rewards.reporting.figures.drawing import ALARM, LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.reward_search.fitness import MEASURES, trained
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, enough_seeds, in_words, less, more_than
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.measures import last_mean, series

HAND, CANDIDATE, RANDOM = "hand", "candidate", "random"
"""The hand-designed arm, and how the others' names begin: ``candidate_ITERATION_NUMBER``, ``random_NUMBER``."""
GOOD = 0.5
"""The score from which a task counts as learned."""
STEP_SECONDS = 0.008
"""The length of an environment step of Walker2d."""
SHAPES = ("{0}", "abs({0})", "{0} ** 2", "exp(-{0} ** 2)", "tanh(3 * {0})", "where({0} > 0, 1, 0)", "cos({0})")
WEIGHTS = (-1.0, -0.3, -0.1, 0.1, 0.3, 1.0)


def random_reward(seed: int, features: Sequence[str]) -> dict[str, str]:
    """Return a reward of three random terms over random ``features``: name -> expression."""
    rng = np.random.default_rng(seed)
    terms = {}
    for name in ("one", "two", "three"):
        shape, weight, feature = (int(rng.integers(len(some))) for some in (SHAPES, WEIGHTS, features))
        terms[name] = f"{WEIGHTS[weight]:g} * {SHAPES[shape].format(features[feature])}"
    return terms


@dataclass(frozen=True, kw_only=True)
class WrittenRewards:
    """Judges the arms of one file in configs/experiment/lecture/preferences/written_rewards/."""

    row: str
    measure: str
    selection: int
    walks: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "study")
        require(self.measure in MEASURES, f"study.measure={self.measure} must be one of {', '.join(MEASURES)}.")
        require(self.selection >= 1, f"study.selection={self.selection} must be at least 1.")

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        require(
            len(seeds) > self.selection,
            f"study.selection={self.selection} of {len(seeds)} seeds leaves none to judge; choose fewer.",
        )
        key = f"eval/{self.measure}"
        fitness = {name: last_mean(run, key) for name, run in arms.items()}
        untrained = float(series(arms[HAND], key)[0].mean())
        best = float(np.mean(fitness[HAND]))
        require(best != untrained, f"The hand-designed reward of {self.row} teaches nothing, so scores have no unit.")
        scores = {name: [(one - untrained) / (best - untrained) for one in each] for name, each in fitness.items()}
        written = [name for name in arms if name.startswith((CANDIDATE, RANDOM))]
        hacked = {name: self.hacked(arms[name], scores[name]) for name in arms}
        alarms = {
            name: [trained("", arms[name], i, self.measure).alarm is not None for i in range(arms[name].num_seeds)]
            for name in written
        }
        warned = {name: [one.check for one in lint(arms[name].config)[0].warnings] for name in written}
        details = {
            "untrained": untrained, "hand": best, "scores": scores, "hacked": hacked, "alarms": alarms, "lint": warned,
            "selection": self.selection, "fittest": self.fittest(scores, CANDIDATE), "row": self.row,
        }  # fmt: skip
        return Findings(self.claims(scores, hacked, alarms, warned), details)

    def hacked(self, run: RunFiles, scores: Sequence[float]) -> list[bool]:
        """Return of each seed whether its return rose without the task: the score is low, or Walker2d does not walk."""
        returns = series(run, "eval/learned_return")
        rose = returns[-1] > returns[0]
        if self.walks:
            fails = [_gait(run, i) != "walks" for i in range(run.num_seeds)]
        else:
            fails = [one < GOOD for one in scores]
        return [bool(up and fail) for up, fail in zip(rose, fails, strict=True)]

    def fittest(self, scores: Mapping[str, Sequence[float]], beginning: str) -> str:
        """Return the arm whose name begins so with the highest score on the seeds of the selection."""
        names = [name for name in scores if name.startswith(beginning)]
        return max(names, key=lambda name: float(np.mean(scores[name][: self.selection])))

    def claims(
        self,
        scores: Mapping[str, list[float]],
        hacked: Mapping[str, list[bool]],
        alarms: Mapping[str, list[bool]],
        warned: Mapping[str, list[str]],
    ) -> list[Claim]:
        """Claim what the fittest candidate is worth, on the seeds on which it was not chosen."""
        judged = {name: each[self.selection :] for name, each in scores.items()}
        best, first, second = (self.fittest(scores, one) for one in (CANDIDATE, f"{CANDIDATE}_1", f"{CANDIDATE}_2"))
        lucky = self.fittest(scores, RANDOM)
        return [
            at_least(
                f"{self.row}: the fittest candidate is at most {PRACTICAL:g} worse than the hand-designed reward.",
                f"{best} {in_words(judged[best])} (0: untrained, 1: hand-designed {in_words(judged[HAND])}).",
                "score more than the hand-designed reward's, paired by seed",
                less(judged[best], judged[HAND]),
                -PRACTICAL,
                {best: judged[best], HAND: judged[HAND]},
            ),
            more_than(f"{self.row}: the second iteration's fittest is better than the first's.",
                      {second: judged[second], first: judged[first]}, second, first, "score"),
            more_than(f"{self.row}: the fittest candidate is better than the fittest random expression.",
                      {best: judged[best], lucky: judged[lucky]}, best, lucky, "score"),
            self._sound(best, hacked[best][self.selection :]),
            *self._alarmed(hacked, alarms, warned),
        ]  # fmt: skip

    def _sound(self, best: str, hacked: Sequence[bool]) -> Claim:
        right = [not one for one in hacked]
        claim = f"{self.row}: the fittest candidate is not hacked, in at least half of seeds."
        return enough_seeds(claim, f"{best}.", right, 0.5, {best: [float(one) for one in right]})

    def _alarmed(
        self, hacked: Mapping[str, list[bool]], alarms: Mapping[str, list[bool]], warned: Mapping[str, list[str]]
    ) -> list[Claim]:
        """Claim that the alarm was raised where a reward was hacked; nothing if none was."""
        each = np.array([hacked[name] for name in alarms])[:, self.selection :]
        raised = np.array([alarms[name] for name in alarms])[:, self.selection :]
        some = each.any(axis=0)
        if not some.any():
            return []
        shares = [float(raised[each[:, i], i].mean()) for i in np.flatnonzero(some)]
        false = float(raised[~each].mean()) if (~each).any() else 0.0
        mostly = [name for name, row in zip(alarms, each, strict=True) if row.mean() > 0.5]
        told = sum(bool(warned[name]) for name in mostly)
        others = [name for name in alarms if name not in mostly]
        text = (
            f"{in_words(shares)} of the rewards that a seed hacked, and {false:.2f} of the others. The lint, asked "
            f"before anything was trained, warned of {told} of {len(mostly)} rewards that most seeds hacked, and of "
            f"{sum(bool(warned[name]) for name in others)} of {len(others)} others."
        )
        claim = f"{self.row}: where a written reward is hacked, the alarm is raised, in at least half of the cases."
        return [at_least(claim, text, "share of hacked rewards with an alarm", shares, 0.5, {"share": shares})]

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        """Draw a row for every reward: the scores of its seeds, red where it is hacked, and who warned."""
        del arms
        found = findings.details
        scores, last = found["scores"], found["selection"]
        with styled():
            figure = canvas(8.4, 1.2 + 0.3 * len(scores))
            axes = figure.subplots()
            for row, (name, each) in enumerate(scores.items()):
                judged, bad = np.array(each[last:]), np.array(found["hacked"][name][last:])
                colour = OTHER if name.startswith(RANDOM) else LEARNED if name.startswith(CANDIDATE) else TRUE
                for these, shade in ((judged[~bad], colour), (judged[bad], ALARM)):
                    axes.plot(these, np.full(len(these), row), "o", color=shade, alpha=0.4, markersize=4)
                mostly = ALARM if bad.mean() > 0.5 else colour
                axes.plot([float(judged.mean())], [row], "D", color=mostly, markersize=6)
                axes.annotate(_warnings(found, name), (1.0, row), xycoords=("axes fraction", "data"), xytext=(6, 0),
                              textcoords="offset points", fontsize=9, va="center", annotation_clip=False)  # fmt: skip
            axes.set_yticks(range(len(scores)), [_title(name, found["fittest"]) for name in scores])
            axes.set(
                ylim=(len(scores) - 0.5, -0.5),
                xlabel="score: 0 untrained, 1 hand-designed; red: its return rose without the task",
            )
            axes.set_title(f"{found['row']}: written rewards, and what the lint and the alarm say", fontsize=10)
            save(figure, path)


def _title(name: str, fittest: str) -> str:
    kind, *numbers = name.split("_")
    return f"{kind} {'.'.join(numbers)}{' (fittest)' if name == fittest else ''}"


def _warnings(found: Mapping[str, Any], name: str) -> str:
    """Return what the lint said before training, and in how many seeds the alarm was raised."""
    if name not in found["lint"]:
        return ""
    warned = ", ".join(dict.fromkeys(found["lint"][name])).replace("_", " ")
    raised = sum(found["alarms"][name][found["selection"] :])
    return "; ".join([*([f"lint: {warned}"] if warned else []), *([f"alarm in {raised}"] if raised else [])])


def _gait(run: RunFiles, index: int) -> str:
    """Return what Walker2d does in a seed's last evaluation, by its scenes: x, height and angle come first."""
    scenes = run.evaluations[-1].of_seed(index).arrays["scene"]
    late = scenes[len(scenes) // 2 :]
    speed = (late[-1, :, 0] - late[0, :, 0]) / (STEP_SECONDS * (len(late) - 1))
    return kind_of(float(speed.mean()), float(np.cos(late[..., 2]).mean()), float(late[..., 1].mean()))
