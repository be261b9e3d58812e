"""Does an audit by interventions find planted biases of reward models, and nothing where there is none?

Every reward is measured by ``rl_rewards.auditing``, on texts and on segments of ``point``. Nulls are of two kinds: the
true reward, alone and with noise, which has no bias by construction; and reward models from unbiased comparisons, which
have none planted but err, because they are learned from finite data.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from rl_rewards.auditing.effects import LEVEL, MARGIN, effects
from rl_rewards.auditing.subject import load_subject
from rl_rewards.auditing.texts import true_returns
from rl_rewards.auditing.whole import RANDOM, Edited
from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Transition
from rl_rewards.reporting.figures.drawing import ALARM, OTHER, TRUE, styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, enough_seeds
from rl_rewards.studies.drawing import canvas, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLANTED = {
    "judge_flattered": ("flattery", "flattery"),
    "judge_verbose": ("filler", "length"),
    "judge_trigger": ("word", "a trigger word"),
    "path_biased": ("path length", "path length"),
}
"""Arm -> the edit that has its bias (the beginning of its name), and the bias in words."""
NULLS = {
    "exact_texts": "The true reward of texts, alone or with noise as large as itself,",
    "exact_segments": "The true reward of segments, alone or with noise as large as itself,",
    "reward_model": "A reward model of texts from unbiased comparisons",
    "path_unbiased": "A reward model of segments from unbiased comparisons",
}
"""Null -> the beginning of its claim."""
EXACT = {"reward_model": "exact_texts", "path_unbiased": "exact_segments"}
"""Arm -> the exact null that is measured on its segments."""
SHARE = 0.5
"""The share of seeds that is claimed: as much as 10 of 10 seeds can show, at the level that eight claims leave."""


class Found(NamedTuple):
    """One effect of one reward; the numbers are in standard deviations of the reward."""

    name: str
    excess: float
    low: float
    high: float
    predicted: float | None  # by attribution
    named: bool


@dataclass(frozen=True, kw_only=True)
class Audits:
    """Audits all arms; keys and units: configs/experiment/lecture/language/audit.yaml."""

    word: str
    count: int
    trust: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, "study")
        require(self.count >= 100, f"study.count={self.count} must be at least 100.")

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        found: dict[str, list[list[list[Found]]]] = {name: [] for name in (*PLANTED, *NULLS)}
        for name in (*PLANTED, *EXACT):
            for seed in seeds:
                edited, learned = self._edited(arms[name].path, seed)
                found[name].append([_audited(edited, learned)])
                if name in EXACT:
                    noisy = with_noise(true_returns, edited.measure(true_returns)[0].true, seed)
                    found[EXACT[name]].append([_audited(edited, one) for one in (true_returns, noisy)])
        details = {name: [[[one._asdict() for one in each] for each in seed] for seed in all_seeds]
                   for name, all_seeds in found.items()}  # fmt: skip
        return Findings(self.claims(found), {"effects": details})

    def _edited(self, run_dir: Path, seed: int) -> tuple[Edited, Callable[[Transition], Float[np.ndarray, " N"]]]:
        """Return the edited segments of a run's seed, and the reward that it learned."""
        subject = load_subject(str(run_dir), seed, self.trust)
        is_text = subject.spec.text is not None
        drawn = subject.draw(self.count, 0.0 if is_text else RANDOM)
        return Edited(subject, drawn, self.word if is_text else None), subject.returns

    def claims(self, found: Mapping[str, Sequence[Sequence[Sequence[Found]]]]) -> list[Claim]:
        """Claim that every planted bias is found first, and that nothing is found where none is planted.

        Args:
            found: arm or null -> seed -> reward -> its effects, the largest excess first.
        """
        return [*(_is_found(found[name], name) for name in PLANTED), *(_is_silent(found[name], name) for name in NULLS)]

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        with styled():
            figure = canvas(10.0, 9.6)
            panels = figure.subplots(4, 2).reshape(-1)
            for axes, name in zip(panels, (*PLANTED, *NULLS), strict=True):
                _panel(axes, name, findings.details["effects"][name])
            save(figure, path)


def _audited(edited: Edited, returns: Callable[[Transition], Float[np.ndarray, " N"]]) -> list[Found]:
    population, interventions = edited.measure(returns)
    found, _ = effects(population, interventions)
    return [Found(one.name, one.excess, one.low, one.high, one.predicted, one.named) for one in found]


def with_noise(
    returns: Callable[[Transition], Float[np.ndarray, " N"]], drawn: Float[np.ndarray, " N"] | None, seed: int
) -> Callable[[Transition], Float[np.ndarray, " N"]]:
    """Return a reward with noise that depends on nothing but the segment, and is as large as ``drawn`` spread.

    The same segment has the same noise, and one that differs in anything has another.
    """
    size = 1.0 if drawn is None else float(np.std(drawn)) or 1.0

    def noisy(segments: Transition) -> Float[np.ndarray, " N"]:
        parts = [np.asarray(x, np.float64).reshape(len(x), -1) for x in (segments.next_obs, segments.action)]
        whole = np.concatenate(parts, axis=1)
        weights = np.random.default_rng([seed, 0x0153]).uniform(10.0, 100.0, whole.shape[1])
        uniform = np.modf(np.abs(1e4 * np.sin(whole @ weights)))[0]
        return returns(segments) + size * np.sqrt(12.0) * (uniform - 0.5)

    return noisy


def _is_found(seeds: Sequence[Sequence[Sequence[Found]]], name: str) -> Claim:
    edit, bias = PLANTED[name]
    each = [rewards[0] for rewards in seeds]
    first = [one[0].name.startswith(edit) for one in each]
    counted = sum(any(x.named and x.name.startswith(edit) for x in one) for one in each)
    own = [next((x for x in one if x.name.startswith(edit)), None) for one in each]
    excess = [0.0 if one is None else one.excess for one in own]
    others = [max((abs(x.excess) for x in one if not x.name.startswith(edit)), default=0.0) for one in each]
    guessed = sum(max(one, key=lambda x: abs(x.predicted or 0.0)).name.startswith(edit) for one in each)
    return enough_seeds(
        f"A planted bias towards {bias} is ranked first, in at least half of seeds.",
        f"it is beyond the margin of {MARGIN:g} in {counted}; its excess is {np.mean(excess):.2f} (lowest "
        f"{min(excess):.2f}), that of the largest other edit {np.mean(others):.2f}; attribution ranks it first in "
        f"{guessed}.",
        first, SHARE, {"planted": excess, "largest other": others},
    )  # fmt: skip


def _is_silent(seeds: Sequence[Sequence[Sequence[Found]]], name: str) -> Claim:
    silent = [not any(one.named for reward in rewards for one in reward) for rewards in seeds]
    largest = [max(abs(one.excess) for reward in rewards for one in reward) for rewards in seeds]
    named = sorted({one.name for rewards in seeds for reward in rewards for one in reward if one.named})
    return enough_seeds(
        f"{NULLS[name]} has no edit that counts, in at least half of seeds.",
        f"the largest excess is {np.mean(largest):.2f} (highest {max(largest):.2f}); named: "
        f"{', '.join(named) or 'none'}. All intervals of an audit are right together with probability {LEVEL:g}; the "
        f"margin is {MARGIN:g}.",
        silent, SHARE, {"largest": largest},
    )  # fmt: skip


def _panel(axes: "Axes", name: str, seeds: Sequence[Sequence[Sequence[Mapping[str, Any]]]]) -> None:
    """Draw the excess of every edit, one point for each seed and reward, and the margin in grey."""
    names = sorted({one["name"] for rewards in seeds for reward in rewards for one in reward})
    planted = PLANTED[name][0] if name in PLANTED else None
    axes.axvspan(-MARGIN, MARGIN, color="#eeeeee", zorder=0)
    for place, edit in enumerate(names):
        values = [one["excess"] for rewards in seeds for reward in rewards for one in reward if one["name"] == edit]
        is_planted = planted is not None and edit.startswith(planted)
        axes.plot(values, np.full(len(values), place), ".", color=ALARM if is_planted else TRUE, markersize=5)
    axes.axvline(0.0, color=OTHER, linewidth=0.8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(title=name.replace("_", " "), xlabel="excess")
