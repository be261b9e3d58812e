"""The price of a nat: gold and KL divergence for five weights of the KL penalty, and rewards whose errors are known.

Slides: beta trades reward against staying near the fine-tuned policy. With errors of light tails some penalty is best;
with heavy tails a policy can gain reward without gold at any penalty (Kwa et al. 2024, arXiv:2407.14503).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.lecture.language.measures import BETTER, GOLD, KL, at_the_end, draw_path, evaluated_rounds
from rl_rewards.reporting.figures.drawing import LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, enough_seeds, in_words, less
from rl_rewards.studies.drawing import canvas, draw_seeds, save
from rl_rewards.studies.measures import LAST, last_mean, series

BETAS = {"no_penalty": 0.0, "rl_0_03": 0.03, "rlhf": 0.1, "rl_0_3": 0.3, "rl_1": 1.0}
"""Arms with their weight of the KL penalty, ascending."""
MIDDLE = "rlhf"
ERRORS = {"normal_error": "normal errors", "heavy_error": "errors with heavy tails"}


@dataclass(frozen=True, kw_only=True)
class KLFrontier:
    """Compares weights of the KL penalty by gold and distance."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds
        policies = [*BETAS, *ERRORS]
        gold = {name: last_mean(arms[name], GOLD, 1 if name == "sft" else LAST) for name in ("sft", *policies)}
        distance = {name: at_the_end(arms[name], KL) for name in policies}
        curves = {name: series(arms[name], GOLD).tolist() for name in policies}
        return Findings(self.claims(gold, distance), {"gold": gold, "kl": distance, "curves": curves, "betas": BETAS})

    def claims(self, gold: Mapping[str, list[float]], distance: Mapping[str, list[float]]) -> list[Claim]:
        """Claim that a middle penalty is best, and that heavy tails defeat it.

        Args:
            gold: arm -> mean gold at the end, of each seed.
            distance: arm -> KL divergence from the fine-tuned policy at the end, in nats, of each seed.
        """
        far = np.array([distance[name] for name in BETAS])
        nearer = np.all(far[1:] < far[:-1], axis=0)
        listed = ", ".join(f"{in_words(distance[name])} with {beta:g}" for name, beta in BETAS.items())
        price = f"a penalty of {BETAS[MIDDLE]:g}"
        return [
            _more(
                f"With {price} there is more gold than with none, by {BETTER:g} or more.", gold, MIDDLE, "no_penalty"
            ),
            _more(f"With {price} there is more gold than with 1, by {BETTER:g} or more.", gold, MIDDLE, "rl_1"),
            enough_seeds(
                "The larger the penalty, the nearer the policy stays, in at least 80% of seeds.",
                f"KL divergence at the end: {listed}.",
                nearer.tolist(),
                0.8,
                {name: distance[name] for name in BETAS},
            ),
            _more(
                f"Where errors are normal with deviation 1, RL with {price} raises gold by {BETTER:g} or more.",
                gold,
                "normal_error",
                "sft",
            ),
            _more(
                f"Where errors are Student's t with 2 degrees of freedom, RL with {price} gets less gold than where "
                f"they are normal, by {BETTER:g} or more.",
                gold,
                "normal_error",
                "heavy_error",
            ),
        ]

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        details = findings.details
        with styled():
            figure = canvas(10.0, 3.6)
            ends, paths, errors = figure.subplots(1, 3)
            shades = [str(0.75 - 0.17 * i) for i in range(len(BETAS))]
            for (name, beta), shade in zip(BETAS.items(), shades, strict=True):
                far, found = np.sqrt(np.maximum(details["kl"][name], 0.0)), details["gold"][name]
                ends.scatter(far, found, color=LEARNED, s=14, alpha=0.5)
                ends.annotate(f"{beta:g}", (np.mean(far), np.mean(found)), fontsize=9, weight="bold", ha="center")
                draw_path(paths, arms[name], shade, f"beta {beta:g}")
            ends.axhline(np.mean(details["gold"]["sft"]), color=OTHER, linestyle=":", linewidth=1.0)
            for (name, words), colour in zip(ERRORS.items(), (TRUE, LEARNED), strict=True):
                draw_seeds(errors, evaluated_rounds(arms[name]), np.array(details["curves"][name]), colour, words)
            ends.set(xlabel="√KL", ylabel="gold", title="seeds at the end, by beta (dotted: fine-tuned)")
            paths.set(xlabel="√KL", ylabel="gold", title="the way there, means")
            errors.set(xlabel="rounds of RL", ylabel="gold", title="gold plus an error, beta 0.1")
            label_lines(paths, errors)
            save(figure, path)


def _more(claim: str, gold: Mapping[str, list[float]], better: str, worse: str) -> Claim:
    more = less(gold[better], gold[worse])
    text = f"{in_words(gold[better])} against {in_words(gold[worse])}; {in_words(more)} more."
    return at_least(claim, text, "gold more, paired by seed", more, BETTER, {n: gold[n] for n in (better, worse)})
