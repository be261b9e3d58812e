"""The classifier's logit f as a reward in four ways: D = sigmoid(f), f itself, log D, -log(1 - D).

The lecture warns of unbounded rewards; the adversarial literature uses all four (VICE and AIRL f, MEDAL++ log D, GAIL
-log(1 - D)).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, enough_seeds, exact, in_words, less
from rl_rewards.studies.drawing import SUCCESS_CURVE, draw_curves
from rl_rewards.studies.measures import LAST, SUCCESS, THRESHOLD, last_mean

ANY = float("inf")
BOUNDS = {"prob": (0.0, 1.0), "logit": (-ANY, ANY), "log_prob": (-ANY, 0.0), "neg_log_one_minus": (0.0, ANY)}
TITLES = {"prob": "D", "logit": "f, the logit", "log_prob": "log D", "neg_log_one_minus": "-log(1 - D)"}
NEEDED = 0.8
LEAVES = 1e-6
"""The least distance beyond 0 or 1 at which a reward counts as outside."""


@dataclass(frozen=True, kw_only=True)
class RewardMaps:
    """Judges the arms of configs/experiment/lecture/demonstrations/reward_maps.yaml."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        ranges = {name: _range(run) for name, run in arms.items()}
        success = {name: last_mean(run, SUCCESS) for name, run in arms.items()}
        claims = [bounded(ranges), *(succeeds(name, found) for name, found in success.items())]
        claims += [against_prob(name, less(success["prob"], success[name])) for name in arms if name != "prob"]
        return Findings(claims, {"ranges": ranges})

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        ranges = findings.details["ranges"]
        titles = {name: f"{TITLES[name]}: rewards {ranges[name][0]:.2f} to {ranges[name][1]:.2f}" for name in arms}
        draw_curves(arms, titles, [SUCCESS_CURVE], path)


def _range(run: RunFiles) -> tuple[float, float]:
    """Return the least and the greatest learned reward in the stored evaluations and on the plane of all states."""
    found = [one.learned_reward[one.valid] for one in run.evaluations]
    found += [one.arrays["plane_reward"].ravel() for one in run.evaluations if "plane_reward" in one.arrays]
    return float(min(x.min() for x in found)), float(max(x.max() for x in found))


def bounded(ranges: Mapping[str, Sequence[float]]) -> Claim:
    low, high = ranges["logit"]
    text = "; ".join(f"{TITLES[name]} {low:.2f} to {high:.2f}" for name, (low, high) in ranges.items())
    parts = {f"range of {TITLES[name]}": (ranges[name], BOUNDS[name]) for name in ranges if name != "logit"}
    return exact(
        "D stays in [0, 1], log D at or below 0 and -log(1 - D) at or above 0, while the logit leaves [0, 1].",
        f"{text}.",
        {**parts, "how far the logit is outside of [0, 1]": ([max(-low, high - 1.0)], (LEAVES, ANY))},
        {f"{name}, least and greatest": both for name, both in ranges.items()},
    )


def succeeds(name: str, success: Sequence[float]) -> Claim:
    claim = f"{TITLES[name]}: success over the last {LAST} evaluations is above {THRESHOLD} in {NEEDED:.0%} of seeds."
    above = [value > THRESHOLD for value in success]
    return enough_seeds(claim, f"success {in_words(success)}.", above, NEEDED, {name: success})


def against_prob(name: str, more: Sequence[float]) -> Claim:
    """Claim that D ends with more success than another map, by ``more``, paired by seed."""
    return at_least(
        f"D ends with more success than {TITLES[name]}.",
        f"{in_words(more)} more.",
        "success more than with the other, paired by seed",
        more,
        PRACTICAL,
        {"difference": more},
    )
