"""Is a reward learned from demonstrations still right when the dynamics change?

On ``point``, whose actions are turned by a right angle after the reward has been learned. A reward of states, without
what shapes it to the old dynamics, should not mind (Fu et al. 2018, arXiv:1710.11248, section 7.2); one of states and
actions pays for what was right before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings, Verdict
from rl_rewards.studies.drawing import REWARD_CURVE, SUCCESS_CURVE, draw_curves
from rl_rewards.studies.measures import SUCCESS, THRESHOLD, enough_seeds, in_words, last_mean, less

TITLES = {
    "airl": "AIRL, where it was demonstrated",
    "gail": "GAIL, where it was demonstrated",
    "airl_newest": "AIRL on the newest steps alone, where it was demonstrated",
    "airl_turned": "AIRL's reward, actions turned",
    "gail_turned": "GAIL's reward, actions turned",
    "airl_newest_turned": "AIRL's reward from the newest steps alone, actions turned",
    "true_turned": "the true reward, actions turned",
}
WORSE = {
    "gail_turned": "GAIL's of state and action",
    "airl_newest_turned": "the same learned against the newest steps alone, which forgets what earlier policies tried",
}
NEEDED = 0.8


@dataclass(frozen=True, kw_only=True)
class IrlTransfer:
    """Judges the arms of configs/experiment/lecture/irl_transfer.yaml."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        success = {name: last_mean(run, SUCCESS) for name, run in arms.items()}
        verdicts = [self._succeeds(name, success[name]) for name in ("airl", "gail", "airl_turned")]
        verdicts += [_brings_more(success, other, words) for other, words in WORSE.items()]
        return Findings(verdicts, {name: mean_interval(found) for name, found in success.items()})

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings
        draw_curves(arms, {name: TITLES[name] for name in arms}, [SUCCESS_CURVE], path, other_scale=REWARD_CURVE)

    def _succeeds(self, name: str, success: Sequence[float]) -> Verdict:
        return enough_seeds(
            f"{TITLES[name][0].upper()}{TITLES[name][1:]}: success above {THRESHOLD} in {NEEDED:.0%} of seeds.",
            f"success {in_words(success)}.",
            [value > THRESHOLD for value in success],
            NEEDED,
            {"success": success},
        )


def _brings_more(success: Mapping[str, Sequence[float]], other: str, words: str) -> Verdict:
    both = {name: list(success[name]) for name in ("airl_turned", other)}
    gained = less(both["airl_turned"], both[other])
    _, low, high = mean_interval(gained)
    return Verdict(
        f"Once actions are turned, AIRL's reward of the state brings more success than {words}.",
        f"{in_words(both['airl_turned'])} against {in_words(both[other])}; {in_words(gained)} more.",
        low > 0.0,
        (low, high),
        "success more, paired by seed",
        both,
    )
