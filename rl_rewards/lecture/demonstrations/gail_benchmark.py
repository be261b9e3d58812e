"""One row of GAIL's own table: how few demonstrations suffice, for GAIL and for behaviour cloning.

Beside them are controls that should learn nothing: demonstrations that are random actions, and rewards that know
nothing. Where these reach the target too, the episode's length was learned, not the task. A score is 0 for the better
of an untrained policy's mode and a constant action, and 1 for the demonstrator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.lecture.demonstrations.constant_action import constant_action_return
from rl_rewards.reporting.figures.drawing import LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, at_most, in_words, less
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.measures import last_mean, series

RETURN = "eval/true_return_deterministic"
"""The true return of the policy's mode, as in the paper. Arms, demonstrator and score 0 are all measured so."""
PAPER: Mapping[str, Mapping[str, Mapping[int, float]]] = {
    "cartpole": {"gail": {1: 200, 4: 200, 7: 200, 10: 200}, "bc": {1: 72.0, 4: 169.2, 7: 188.6, 10: 177.2}},
    "acrobot": {
        "gail": {1: -77.3, 4: -83.1, 7: -82.6, 10: -78.9},
        "bc": {1: -130.6, 4: -93.2, 7: -96.9, 10: -95.1},
    },
    "mountaincar": {
        "gail": {1: -101.6, 4: -101.4, 7: -99.9, 10: -100.8},
        "bc": {1: -136.8, 4: -133.3, 7: -127.3, 10: -123.1},
    },
    "reacher": {"gail": {4: -32.4, 11: -6.61, 18: -5.66}, "bc": {4: -10.97, 11: -6.23, 18: -4.76}},
    "hopper": {"gail": {4: 3614, 11: 3615, 18: 3601, 25: 3561}, "bc": {4: 51, 11: 1026, 18: 1949, 25: 3384}},
    "halfcheetah": {"gail": {4: 4516, 11: 4281, 18: 4749, 25: 4840}, "bc": {4: -494, 11: 638, 18: 2705, 25: 3719}},
    "walker2d": {"gail": {4: 4878, 11: 6850, 18: 6965, 25: 6832}, "bc": {4: 32, 11: 5947, 18: 1264, 25: 1599}},
}
"""Mean returns of Ho and Ermon 2016 (arXiv:1606.03476), on the environments of that time."""
NULLS = {
    "dummy": "GAIL, random demonstrations",
    "zero": "zero reward",
    "constant": "constant reward",
    "random": "random reward",
}


@dataclass(frozen=True, kw_only=True)
class Anchors:
    """True returns between which scores are counted."""

    untrained_mode: float
    constant_action: float
    demonstrator: float

    @property
    def zero(self) -> float:
        """The return whose score is 0."""
        return max(self.untrained_mode, self.constant_action)

    def scores(self, returns: Sequence[float]) -> list[float]:
        return [(value - self.zero) / (self.demonstrator - self.zero) for value in returns]


@dataclass(frozen=True, kw_only=True)
class GailBenchmark:
    """Judges the arms of one file in configs/experiment/lecture/demonstrations/gail_benchmark/."""

    row: str
    target: float  # that counts as solved
    normalised: bool = False  # the target is a score, not a true return

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        returns = {name: last_mean(run, RETURN) for name, run in arms.items()}
        shown = arms[next(name for name in arms if name.startswith("gail_"))]
        config = arms["zero"].config
        anchors = Anchors(
            untrained_mode=float(series(arms["zero"], RETURN)[0].mean()),
            constant_action=constant_action_return(config, config["evaluation"]["episodes"] * len(seeds), seeds[0]),
            demonstrator=float(series(shown, "eval/demo_return")[-1].mean()),
        )
        return Findings(self.claims(returns, anchors), self.details(returns, anchors))

    def claims(self, returns: Mapping[str, list[float]], anchors: Anchors) -> list[Claim]:
        """Claim that GAIL solves the task and beats cloning, and that the controls do not solve it.

        Args:
            returns: true return of every arm and seed.
        """
        scores = {name: anchors.scores(found) for name, found in returns.items()}
        judged = scores if self.normalised else returns
        counts = sorted(int(name.removeprefix("gail_")) for name in returns if name.startswith("gail_"))
        claims = [self._solved(judged[f"gail_{counts[0]}"], counts[0])]
        claims += [self._beats_bc(returns, scores, n) for n in counts]
        return claims + [self._learns_nothing(judged[name], name) for name in NULLS if name in returns]

    @property
    def _unit(self) -> str:
        return "normalised true return" if self.normalised else "true return"

    def _solved(self, found: list[float], n: int) -> Claim:
        paper = "" if self.normalised else f"; the paper's: {PAPER[self.row]['gail'][n]:g}"
        return at_least(
            f"{self.row}: GAIL from {_demonstrations(n)} has a {self._unit} of at least {self.target:g}.",
            f"{in_words(found)}{paper}.",
            f"mean {self._unit}",
            found,
            self.target,
            {"gail": found},
        )

    def _beats_bc(self, returns: Mapping[str, list[float]], scores: Mapping[str, list[float]], n: int) -> Claim:
        gail, bc = f"gail_{n}", f"bc_{n}"
        paper = PAPER[self.row]
        return at_least(
            f"{self.row}: GAIL from {_demonstrations(n)} has more true return than behaviour cloning from the same.",
            f"{in_words(returns[gail])} against {in_words(returns[bc])}; the paper's: {paper['gail'][n]:g} against "
            f"{paper['bc'][n]:g}.",
            "normalised true return more than behaviour cloning, paired by seed",
            less(scores[gail], scores[bc]),
            PRACTICAL,
            {"gail": returns[gail], "bc": returns[bc]},
        )

    def _learns_nothing(self, found: list[float], name: str) -> Claim:
        words = "demonstrations of random actions do" if name == "dummy" else f"a {name} reward does"
        return at_most(
            f"{self.row}: {words} not reach {self.target:g}.",
            f"{self._unit} {in_words(found)}.",
            f"mean {self._unit}",
            found,
            self.target,
            {name: found},
        )

    def details(self, returns: Mapping[str, list[float]], anchors: Anchors) -> dict:
        """Return the arms' returns, as they are and normalised."""
        normalised = {name: anchors.scores(found) for name, found in returns.items()}
        table = {
            name: {"return": mean_interval(returns[name]), "normalised": mean_interval(found)}
            for name, found in normalised.items()
        }
        known = {**asdict(anchors), "zero": anchors.zero, "paper": PAPER[self.row]}
        return {**known, "arms": table, "returns": dict(returns), "normalised": normalised}

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        details, found = findings.details, findings.details["arms"]
        with styled():
            figure = canvas(7.6, 4.2)
            axes = figure.subplots()
            for method, colour in (("gail", TRUE), ("bc", LEARNED)):
                names = [name for name in found if name.startswith(f"{method}_")]
                counts = [int(name.rpartition("_")[2]) for name in names]
                middle, low, high = np.array([found[name]["return"] for name in names]).T
                spread, words = [middle - low, high - middle], method.upper()
                axes.errorbar(counts, middle, spread, fmt="o-", color=colour, label=f"{words}, here", zorder=3.0)
                paper = details["paper"][method]
                counts = [int(count) for count in paper]
                axes.plot(counts, list(paper.values()), "x:", color=colour, alpha=0.8, label=f"{words}, its paper")
            axes.axhline(details["demonstrator"], color="#555555", linewidth=1.0, label="demonstrator")
            for (name, label), style in zip(NULLS.items(), ("-.", "--", ":", (0, (1, 3))), strict=True):
                if name in found:
                    value = found[name]["return"][0]
                    axes.axhline(value, color=OTHER, linestyle=style, linewidth=1.0, label=label)
            axes.set(xlabel="demonstrations", ylabel="true return, mean and 95% interval", title=self.row)
            label_lines(axes)
            save(figure, path)


def _demonstrations(n: int) -> str:
    return f"{n} demonstration{'s' if n > 1 else ''}"
