"""A degenerate equilibrium of self-play: goals that Bob never reaches, since Alice leaves him no time.

Both share one clock. If rewards are plus and minus one and Alice may use most of the time, she wins by walking on and
ending a few cells away: she has reached her goal, and Bob has no time left to. (The lecture: she cannot propose
impossible goals. Sukhbaatar et al. 2018, arXiv:1703.05407, section 2.1: times pay her nothing for this, since only the
moves that Bob needs beyond her own count.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.lecture.games.hall_paths import shortest_paths
from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, enough_seeds, gained, in_words, less
from rl_rewards.studies.drawing import canvas, draw_over_training, save
from rl_rewards.studies.measures import last_third, over_rounds

PLAIN = "long_turn"
EVERY_SECOND = 0.5
STYLES = {
    PLAIN: ("#D55E00", "plus and minus one, a long turn"),
    "past_opponents": ("#56B4E9", "past opponents"),
    "cloning": ("#009E73", "cloning Alice where Bob failed"),
    "short_turn": ("#CC79A7", "a shorter turn"),
    "times": ("#0072B2", "times for rewards"),
}


@dataclass(frozen=True, kw_only=True)
class DegenerateEquilibria:
    """Judges the arms of configs/experiment/lecture/games/degenerate_equilibria.yaml."""

    stuck: float
    trust: tuple[str, ...] = ()  # packages of which the arms may make classes

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        length = int(arms[PLAIN].config["env"]["length"])
        success = {name: last_third(over_rounds(run, "reward/bob_success")) for name, run in arms.items()}
        shares = {name: shortest_paths(run.path, seeds, length, self.trust) for name, run in arms.items()}
        claims = [self.fails(success[PLAIN])]
        claims += [prevented(name, success, shares[name]) for name in arms if name != PLAIN]
        games = {
            key: {name: mean_interval(last_third(over_rounds(run, f"reward/{key}"))) for name, run in arms.items()}
            for key in ("goal_distance", "t_alice", "t_bob")
        }
        return Findings(claims, {"bob_success": success, "shortest_paths": shares, "last_third_of_training": games})

    def fails(self, success: list[float]) -> Claim:
        return enough_seeds(
            "Paid plus and minus one and free to use up the clock, Alice ends at goals that Bob fails (success below "
            f"{self.stuck:g}) in at least every second seed.",
            f"Bob's success {in_words(success)}.",
            [value < self.stuck for value in success],
            EVERY_SECOND,
            {PLAIN: success},
        )

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        with styled():
            figure = canvas(10.0, 3.4)
            success, turn, bars = figure.subplots(1, 3)
            shares = findings.details["shortest_paths"]
            for i, (name, run) in enumerate(arms.items()):
                draw_over_training(success, run, "reward/bob_success", *STYLES[name])
                draw_over_training(turn, run, "reward/t_alice", *STYLES[name])
                colour = STYLES[name][0]
                bars.bar(i, np.mean(shares[name]), color=colour, alpha=0.35)
                bars.plot(np.full(len(shares[name]), i), shares[name], "o", color=colour, markersize=3.5)
            success.set(title="Bob's success", ylabel="share of games", ylim=(-0.04, 1.04))
            turn.set(title="Alice's turn", ylabel="moves")
            bars.set(title="pairs on a shortest path", ylabel="share", ylim=(0.0, 1.04))
            bars.set_xticks([])
            handles, labels = success.get_legend_handles_labels()  # for all panels: bars have no ends to be named at
            figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
            save(figure, path)


def prevented(name: str, success: Mapping[str, list[float]], shares: list[float]) -> Claim:
    """Claim that Bob reaches more goals with a remedy; ``shares`` of pairs are on shortest paths with it."""
    return gained(
        f"Prevented by {STYLES[name][1]}: Bob reaches more of Alice's goals.",
        f"success gained (to {in_words(success[name])}; shortest paths {in_words(shares)})",
        less(success[name], success[PLAIN]),
        {name: success[name], PLAIN: success[PLAIN]},
    )
