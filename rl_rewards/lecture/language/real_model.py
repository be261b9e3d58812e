"""A real model: DPO on a few comparisons against the best of eight responses of SmolLM2-135M, by human-rated sentiment.

Slides: DPO learns from comparisons without a reward model; the best of n needs no learning, but n times the responses.
The true reward is the sentiment that people would give a response, with a guard of fluency (``env.gold=rated``); it
labels the comparisons, and chooses the best of the eight. All intervals are over prompts, the same for each policy,
which are held out from training (``env.heldout_every``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rl_rewards.core.errors import ConfigError
from rl_rewards.reporting.evaluation_files import read_evaluations
from rl_rewards.reporting.figures.drawing import LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, in_words, less
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.measures import over_rounds

BETTER = 0.3
"""The least difference of gold that counts; gold lies between -4 and 4."""
COLOURS = {"base": OTHER, "dpo": TRUE, "best_of_8": LEARNED}


@dataclass(frozen=True, kw_only=True)
class RealModel:
    """Compares policies by gold, on the same prompts; every evaluation of a fixed policy is one response to each.

    Args:
        responses: of each prompt, one of an evaluation.
    """

    responses: int

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # there is one, and the evidence is of prompts
        base, after = (gold_of(arms[name], self.responses) for name in ("base", "after"))
        gold = {
            "base": base.mean(axis=0).tolist(),
            "dpo": after.mean(axis=0).tolist(),
            f"best_of_{self.responses}": base.max(axis=0).tolist(),
        }
        dpo = arms["dpo"]
        told = {
            "heldout_accuracy": over_rounds(dpo, "agent/heldout_accuracy")[-1].tolist(),
            "comparisons": over_rounds(dpo, "agent/comparisons")[-1].tolist(),
        }
        return Findings(self.claims(gold), {"gold": gold, "dpo": told})

    def claims(self, gold: Mapping[str, list[float]]) -> list[Claim]:
        """Claim that DPO raises gold, and that the best of the responses is better still.

        Args:
            gold: policy -> mean gold of each prompt; ``best_of_N`` has the largest of its N responses.
        """
        best = f"best_of_{self.responses}"
        gained, more = less(gold["dpo"], gold["base"]), less(gold[best], gold["dpo"])
        return [
            at_least(
                f"DPO on a few comparisons raises gold by {BETTER:g} or more over the pretrained model.",
                f"{in_words(gold['dpo'])} against {in_words(gold['base'])}; {in_words(gained)} more (over prompts).",
                "gold more, paired by prompt", gained, BETTER, {name: gold[name] for name in ("base", "dpo")},
                unit="prompts",
            ),
            at_least(
                f"The best of {self.responses} responses of the pretrained model by the true reward has {BETTER:g} or "
                "more of it than DPO.",
                f"{in_words(gold[best])} against {in_words(gold['dpo'])}; {in_words(more)} more (over prompts).",
                "gold more, paired by prompt", more, BETTER, {name: gold[name] for name in (best, "dpo")},
                unit="prompts",
            ),
        ]  # fmt: skip

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        with styled():
            figure = canvas(6.4, 3.6)
            axes = figure.subplots()
            for (name, found), colour in zip(findings.details["gold"].items(), COLOURS.values(), strict=True):
                each = np.sort(found)
                axes.step(each, np.arange(1, len(each) + 1) / len(each), where="post", color=colour, linewidth=2.0,
                          label=f"{name.replace('_', ' ')}: {in_words(found)}")  # fmt: skip
            axes.set(xlabel="gold of a prompt (rated sentiment, guarded)", ylabel="share of prompts up to it")
            label_lines(axes)
            save(figure, path)


def gold_of(run: RunFiles, responses: int) -> Float[np.ndarray, "responses prompts"]:
    """Return the gold of the responses of a policy that does not change, one of each prompt in every evaluation.

    Raises:
        ConfigError: if the run has fewer evaluations.
    """
    rounds = {row["round"] for row in run.evaluation_rows}
    found = [one.of_seed(0).true_returns for one in read_evaluations(run.path / "evaluations", rounds, responses)]
    if len(found) < responses:
        raise ConfigError(f"{run.path} has {len(found)} evaluations, but the study needs {responses} of them.")
    return np.stack(found)
