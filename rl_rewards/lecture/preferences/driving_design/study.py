"""The lecture's design challenge: a reward for a car, fix by fix, and how far any test is from a million miles.

The rungs are arms: rules; progress, because rules are kept best by standing still; a distance, because progress pays to
follow closely; lanes, because nobody said where to drive; the answers of a passenger who compares whole drives, jerks
included, which no term mentions; and limits, whose multipliers are learned. Every policy is then driven without
exploration, and its exploits are counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rl_rewards.core.checks import check_fields, require
from rl_rewards.lecture.preferences.driving_design.drives import measured
from rl_rewards.lecture.preferences.driving_design.outcome import Exploit, claims, drawn, table
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings

FINAL = "limits"


@dataclass(frozen=True, kw_only=True)
class DrivingDesign:
    """Judges the arms of configs/experiment/lecture/preferences/driving_design.yaml.

    Args:
        exploits: name -> the arm in which it is predicted, the arm that adds its fix, the least share of time that
            counts as found, and the largest that counts as closed.
        held: the largest share of time with too much jerk, or too close behind a car, that keeps the last arm's limits.
        episodes: of 40 s, that each seed's policy drives.
        final_episodes: the same of the last arm, whose collisions count.
        dollars_a_label: least and most price of an answer. An assumption, from the lecture.
    """

    exploits: Mapping[str, Mapping[str, str | float]]
    held: float
    episodes: int
    final_episodes: int
    dollars_a_label: tuple[float, ...]

    def __post_init__(self) -> None:
        check_fields(self, "study")
        for name in ("episodes", "final_episodes"):
            require(getattr(self, name) >= 1, f"study.{name}={getattr(self, name)} must be at least 1.")
        told = f"study.dollars_a_label={list(self.dollars_a_label)} must be two numbers, the least price and the most."
        require(len(self.dollars_a_label) == 2, told)

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        episodes = dict.fromkeys(arms, self.episodes) | {FINAL: self.final_episodes}
        drives = {name: measured(run.path, seeds, episodes[name]) for name, run in arms.items()}
        exploits = {name: Exploit(**one) for name, one in self.exploits.items()}  # pyright: ignore[reportArgumentType]
        low, high = self.dollars_a_label
        labels = max(run.rows[-1].get("reward/answers/labels") or 0 for run in _seeds_of(arms[FINAL]))
        details = {
            "table": table(drives),
            "labels": labels,
            "assumed_dollars": [low * labels, high * labels],
            "exploits": {name: one._asdict() for name, one in exploits.items()},
        }
        return Findings(claims(drives, exploits, self.held), details)

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        drawn(findings.details, path)


def _seeds_of(run: RunFiles) -> list[RunFiles]:
    return [run.of_seed(i) for i in range(run.num_seeds)]
