"""Inverse RL: a reward that explains demonstrations, and how good a policy it leads to.

On ``grid``, computed here for each seed: maximum-entropy IRL with a known model, see ``irl_grid``. The lecture
(guide-reward-learning.txt) has demonstrations as one of four sources of rewards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rl_rewards.lecture.demonstrations.irl_grid import outcome as irl_grid_outcome
from rl_rewards.lecture.demonstrations.irl_grid.study import IrlOnGrid
from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.drawing import canvas, save


@dataclass(frozen=True, kw_only=True)
class Irl:
    """Keys and units: configs/experiment/lecture/demonstrations/irl.yaml."""

    grid: IrlOnGrid

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del arms
        on_grid = self.grid.find(seeds)
        return Findings(irl_grid_outcome.claims(on_grid), {"grid": on_grid})

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        with styled():
            figure = canvas(9.6, 6.6)
            irl_grid_outcome.draw(figure, findings.details["grid"])
            save(figure, path)
