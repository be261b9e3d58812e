"""Is a reward learned from demonstrations still right when the dynamics change?

On ``point``, actions are turned by a right angle after the reward has been learned. A reward of states, disentangled
from the old dynamics, should stay right (Fu et al. 2018, arXiv:1710.11248, section 7.2). A reward of states and actions
pays for what was right before, and a cloned policy goes on doing that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, enough_seeds, in_words, more_than
from rl_rewards.studies.drawing import REWARD_CURVE, SUCCESS_CURVE, draw_curves
from rl_rewards.studies.measures import SUCCESS, THRESHOLD, last_mean

TITLES = {
    "airl": "AIRL, where it was demonstrated",
    "gail": "GAIL, where it was demonstrated",
    "airl_newest": "AIRL on the newest steps alone, where it was demonstrated",
    "gail_newest": "GAIL on the newest steps alone, where it was demonstrated",
    "cloning": "cloning, where it was demonstrated",
    "airl_turned": "AIRL's reward, actions turned",
    "gail_turned": "GAIL's reward, actions turned",
    "airl_newest_turned": "AIRL's reward from the newest steps alone, actions turned",
    "gail_newest_turned": "GAIL's reward from the newest steps alone, actions turned",
    "cloning_turned": "cloning, actions turned",
    "true_turned": "the true reward, actions turned",
}
FORGETFUL = "one learned against the newest steps alone"
BRINGS_MORE = (  # arms, and the claim
    ("airl_turned", "gail_turned", "AIRL's reward of the state brings more success than GAIL's of state and action"),
    ("airl_turned", "cloning_turned", "AIRL's reward brings more success than cloning what was demonstrated before"),
    (
        "airl_turned",
        "airl_newest_turned",
        f"AIRL's reward brings more success than {FORGETFUL}, which forgets what earlier policies tried",
    ),
    ("gail_turned", "gail_newest_turned", f"GAIL's reward brings more success than {FORGETFUL}"),
)
NEEDED = 0.8


@dataclass(frozen=True, kw_only=True)
class IrlTransfer:
    """Judges the arms of configs/experiment/lecture/demonstrations/irl_transfer.yaml."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        success = {name: last_mean(run, SUCCESS) for name, run in arms.items()}
        return Findings(claims(success), {name: mean_interval(found) for name, found in success.items()})

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings
        draw_curves(arms, {name: TITLES[name] for name in arms}, [SUCCESS_CURVE], path, other_scale=REWARD_CURVE)


def claims(success: Mapping[str, list[float]]) -> list[Claim]:
    """Claim success of single arms, and that one arm has more than another."""
    found = [_succeeds(name, success[name]) for name in ("airl", "gail", "cloning", "airl_turned")]
    return found + [
        more_than(f"Once actions are turned, {claim}.", success, better, worse, "success")
        for better, worse, claim in BRINGS_MORE
    ]


def _succeeds(name: str, success: Sequence[float]) -> Claim:
    return enough_seeds(
        f"{TITLES[name][0].upper()}{TITLES[name][1:]}: success above {THRESHOLD} in {NEEDED:.0%} of seeds.",
        f"success {in_words(success)}.",
        [value > THRESHOLD for value in success],
        NEEDED,
        {"success": success},
    )
