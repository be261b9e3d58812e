"""The lecture's design challenge: a reward for a car, fix by fix, and how far any test is from a million miles.

The rungs are arms: rules; progress, because rules pay nothing for driving; a distance, because progress pays to
follow closely; lanes, because nobody said where to drive; the answers of a passenger who minds jerk and closing in,
which no term mentions; and limits, whose multipliers are learned. A control has the limits and no answers.
Every policy is then driven without exploration, and its exploits are counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl_rewards.core.checks import check_fields, require
from rl_rewards.lecture.preferences.driving_design.drives import measured
from rl_rewards.lecture.preferences.driving_design.figure import drawn
from rl_rewards.lecture.preferences.driving_design.outcome import ARMS, IN_A_SENTENCE, Exploit, claims, table
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings

FINAL = "limits"


@dataclass(frozen=True, kw_only=True)
class DrivingDesign:
    """Judges the arms of configs/experiment/lecture/preferences/driving_design.yaml.

    Args:
        exploits: name -> the arm in which it is predicted, the arm that adds its fix, the least share of time that
            counts as found, and the largest that counts as closed.
        held: the largest share of time with too much jerk, or too close behind a car, that keeps the limits.
        episodes: of 40 s, that each seed's policy drives.
        final_episodes: the same of the arm ``limits``, whose collisions are counted.
        dollars_a_label: least and most price of an answer. An assumption, from the lecture.
    """

    exploits: Mapping[str, Mapping[str, Any]]
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
        for name, one in self.exploits.items():
            key, keys = f"study.exploits.{name}", ", ".join(Exploit._fields)
            require(name in IN_A_SENTENCE, f"{key} is not known; choose from {', '.join(IN_A_SENTENCE)}.")
            require({*one} == {*Exploit._fields}, f"{key} must have exactly the keys {keys}.")
            for part in ("arm", "fix"):
                known = f"choose from {', '.join(ARMS)}"
                require(one[part] in ARMS, f"{key}.{part}={one[part]} is not an arm of this study; {known}.")

    @property
    def predicted(self) -> dict[str, Exploit]:
        """The exploits by their names."""
        return {name: Exploit(**one) for name, one in self.exploits.items()}

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        episodes = dict.fromkeys(arms, self.episodes) | {FINAL: self.final_episodes}
        drives = {name: measured(run.path, seeds, episodes[name]) for name, run in arms.items()}
        low, high = self.dollars_a_label
        labels = int(max(arms[FINAL].of_seed(i).rows[-1]["reward/answers/labels"] for i in range(len(seeds))))
        spent = f"{labels:,} labels, {low * labels:,} to {high * labels:,} dollars if one costs {low} to {high}"
        details = {
            "table": table(drives),
            "labels": labels,
            "assumed_dollars": [low * labels, high * labels],
            "exploits": {name: one._asdict() for name, one in self.predicted.items()},
        }
        return Findings(claims(drives, self.predicted, self.held, spent), details)

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        drawn(findings.details, path)
