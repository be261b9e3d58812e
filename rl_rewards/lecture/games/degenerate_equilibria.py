"""What self-play can settle on instead of teaching: goals that Bob never reaches, since Alice leaves him no time.

Both share one clock. Paid plus and minus one, an Alice who may spend most of it wins by walking on and ending a few
cells away; her goal is one that she reached, and still Bob cannot. (The lecture: she cannot propose impossible goals.
Sukhbaatar et al. 2018, arXiv:1703.05407, section 2.1: times pay her nothing for it, since only what he needs beyond her
own moves counts.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval, share_interval
from rl_rewards.lecture.games.hall_paths import shortest_paths
from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings, Verdict
from rl_rewards.studies.drawing import canvas, draw_over_training
from rl_rewards.studies.measures import above_zero, in_words, last_third, less, over_rounds

PLAIN = "long_turn"
STYLES = {
    PLAIN: ("#D55E00", "plus and minus one, a long turn"),
    "past_opponents": ("#56B4E9", "past opponents"),
    "cloning": ("#009E73", "cloning Alice where Bob failed"),
    "short_turn": ("#CC79A7", "a shorter turn"),
    "times": ("#0072B2", "times for rewards"),
}


@dataclass(frozen=True, kw_only=True)
class DegenerateEquilibria:
    """Judges the arms of configs/experiment/lecture/degenerate_equilibria.yaml."""

    stuck: float
    trust: tuple[str, ...] = ()  # packages of which the arms may make classes

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        length = int(arms[PLAIN].config["env"]["length"])
        success = {name: last_third(over_rounds(run, "reward/bob_success")) for name, run in arms.items()}
        shares = {name: shortest_paths(run.path, seeds, length, self.trust) for name, run in arms.items()}
        fallen = [value < self.stuck for value in success[PLAIN]]
        interval = share_interval(sum(fallen), len(fallen))
        verdicts = [
            Verdict(
                "Paid plus and minus one and free to use up the clock, Alice ends at goals that Bob fails (success "
                f"below {self.stuck:g}) in at least every second seed.",
                f"{sum(fallen)} of {len(fallen)} seeds (95% interval of the share {interval[0]:.2f} to "
                f"{interval[1]:.2f}); Bob's success {in_words(success[PLAIN])}.",
                2 * sum(fallen) >= len(fallen),
                interval,
                "share of seeds",
                {PLAIN: success[PLAIN]},
            )
        ]
        for name in arms:
            if name != PLAIN:
                verdicts.append(
                    above_zero(
                        f"Prevented by {STYLES[name][1]}: Bob reaches more of Alice's goals.",
                        f"success gained (to {in_words(success[name])}; shortest paths {in_words(shares[name])})",
                        less(success[name], success[PLAIN]),
                        {name: success[name], PLAIN: success[PLAIN]},
                    )
                )
        games = {
            key: {name: mean_interval(last_third(over_rounds(run, f"reward/{key}"))) for name, run in arms.items()}
            for key in ("goal_distance", "t_alice", "t_bob")
        }
        return Findings(verdicts, {"bob_success": success, "shortest_paths": shares, "last_third_of_training": games})

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        with styled():
            figure = canvas(10.2, 3.4)
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
            handles, labels = success.get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
            figure.savefig(path, dpi=110)
