"""Does self-play teach Bob the shortest path between any two cells of a hall, and does it take times for rewards?

(Sukhbaatar et al. 2018, arXiv:1703.05407, section 2.3: in equilibrium Bob reaches every state by a fastest path. The
lecture's guide pays plus and minus one instead.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.lecture.games.hall_paths import shortest_paths
from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, gained, in_words, less
from rl_rewards.studies.drawing import canvas, draw_over_training, save
from rl_rewards.studies.measures import last_third, over_rounds

TIME, WIN, RANDOM = "time", "win", "random_alice"
STYLES = {TIME: ("#0072B2", "times"), WIN: ("#D55E00", "plus and minus one"), RANDOM: ("#555555", "random Alice")}


@dataclass(frozen=True, kw_only=True)
class SelfPlayHall:
    """Judges the arms of configs/experiment/lecture/games/self_play_hall.yaml."""

    target: float  # share of pairs of cells
    trust: tuple[str, ...] = ()  # packages of which the arms may make classes

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        length = int(arms[TIME].config["env"]["length"])
        shares = {name: shortest_paths(run.path, seeds, length, self.trust) for name, run in arms.items()}
        games = {name: _games(run) for name, run in arms.items()}
        return Findings(self.claims(shares), {"shortest_paths": shares, "games_of_last_third": games})

    def claims(self, shares: Mapping[str, list[float]]) -> list[Claim]:
        """Claim shortest paths, by their ``shares`` of all pairs of cells with each kind of reward."""
        return [
            at_least(
                f"With times for rewards Bob takes the shortest path for over {self.target:.0%} of all pairs of cells.",
                f"share of pairs {in_words(shares[TIME])}; with plus and minus one {in_words(shares[WIN])}, against a "
                f"random Alice {in_words(shares[RANDOM])}.",
                "mean share of pairs",
                shares[TIME],
                self.target,
                shares,
            ),
            _against(shares, RANDOM, "an Alice that learns teaches more than a random one"),
            _against(shares, WIN, "times teach more than plus and minus one"),
        ]

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        with styled():
            figure = canvas(10.0, 3.2)
            bars, far, success = figure.subplots(1, 3)
            shares = findings.details["shortest_paths"]
            for i, name in enumerate(arms):
                colour, _ = STYLES[name]
                bars.bar(i, np.mean(shares[name]), color=colour, alpha=0.35)
                bars.plot(np.full(len(shares[name]), i), shares[name], "o", color=colour, markersize=3.5)
            bars.axhline(self.target, color="#999999", linewidth=1.0, linestyle=":")
            bars.set(title="pairs on a shortest path", ylabel="share", ylim=(0.0, 1.04))
            bars.set_xticks(range(len(arms)), [STYLES[name][1].replace(" and ", "\nand ") for name in arms])
            for name, run in arms.items():
                draw_over_training(far, run, "reward/goal_distance", *STYLES[name])
                draw_over_training(success, run, "reward/bob_success", *STYLES[name])
            far.set(title="how far Alice's goals are", ylabel="cells")
            success.set(title="Bob's success", ylabel="share of games", ylim=(-0.04, 1.04))
            label_lines(success)
            save(figure, path)


def _against(shares: Mapping[str, list[float]], other: str, claim: str) -> Claim:
    differences = less(shares[TIME], shares[other])
    per_seed = {name: shares[name] for name in (TIME, other)}
    return gained(f"In the hall, {claim}.", "share of pairs gained", differences, per_seed)


def _games(run: RunFiles) -> dict[str, tuple[float, float, float]]:
    """Return means and intervals over seeds, in the last third of training."""
    names = ("goal_distance", "bob_success", "t_alice", "t_bob")
    return {name: mean_interval(last_third(over_rounds(run, f"reward/{name}"))) for name in names}
