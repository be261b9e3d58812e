"""RLHF: fine-tuning, a reward model from comparisons, then RL against it, with and without a KL penalty.

Slides: the reward model is only a proxy, and a policy that follows it too far exploits it; the penalty beta keeps the
policy near its start. The true reward (gold) of this small language is exact, so that over-optimisation is seen and not
guessed (Gao et al. 2023, arXiv:2210.10760).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.lecture.language.measures import (
    BETTER,
    FALL,
    GOLD,
    KL,
    PROXY,
    at_evaluations,
    at_the_end,
    best,
    draw_path,
    evaluated_rounds,
)
from rl_rewards.reporting.figures.drawing import LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, enough_seeds, in_words, less
from rl_rewards.studies.drawing import canvas, draw_seeds, save
from rl_rewards.studies.measures import LAST, last_mean, series

POLICIES = {"rlhf": "beta 0.1", "no_penalty": "beta 0"}
ACCURACY = {"network": "reward/heldout_accuracy", "bag of words": "reward/bag_of_words_accuracy"}


@dataclass(frozen=True, kw_only=True)
class RLHF:
    """Compares the stages by gold, on prompts that no stage has seen."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        gold = {name: last_mean(run, GOLD, 1 if name == "sft" else LAST) for name, run in arms.items()}
        curves = {name: {key: series(arms[name], key).tolist() for key in (GOLD, PROXY)} for name in POLICIES}
        own = {"sft": "reward_model", **{name: name for name in POLICIES}}
        accuracy = {stage: at_the_end(arms[name], "train/same_start_accuracy") for stage, name in own.items()}
        accuracy |= {name: at_the_end(arms["reward_model"], key) for name, key in ACCURACY.items()}
        distance = {name: at_evaluations(arms[name], KL).tolist() for name in POLICIES}
        details = {"gold": gold, "curves": curves, "kl": distance, "accuracy": accuracy}
        return Findings(self.claims(gold, curves, accuracy), details)

    def claims(
        self,
        gold: Mapping[str, list[float]],
        curves: Mapping[str, Mapping[str, list[list[float]]]],
        accuracy: Mapping[str, list[float]],
    ) -> list[Claim]:
        """Claim that RLHF works, and that without its penalty it over-optimises.

        Args:
            gold: arm -> mean gold at the end, of each seed.
            curves: policy -> metric -> values [evaluations, seeds].
            accuracy: of the reward model, of each seed: stage -> share of its responses' pairs that are ordered as by
                gold; "network" and "bag of words" -> share of held-out answers that are predicted.
        """
        gained = less(gold["rlhf"], gold["sft"])
        found, proxy = (np.array(curves["no_penalty"][key]) for key in (GOLD, PROXY))
        highest, end = best(found), found[-LAST:].mean(axis=0)
        control = best(np.array(curves["rlhf"][GOLD])) - np.array(gold["rlhf"])
        over = (highest - end >= FALL) & (proxy[-LAST:].mean(axis=0) > proxy[0])
        lost = less(accuracy["sft"], accuracy["no_penalty"])
        answers = {name: accuracy[name] for name in ACCURACY}
        beyond = less(answers["network"], answers["bag of words"])
        return [
            at_least(
                f"RL against the reward model raises gold by {BETTER:g} or more over fine-tuning (beta 0.1).",
                f"{in_words(gold['rlhf'])} against {in_words(gold['sft'])}; {in_words(gained)} more.",
                "gold more, paired by seed", gained, BETTER, {name: gold[name] for name in ("sft", "rlhf")},
            ),
            enough_seeds(
                f"Without a penalty the proxy rises while gold ends {FALL:g} or more below its best, in at least 90% "
                "of seeds.",
                f"gold at its best {in_words(highest.tolist())}, at the end {in_words(end.tolist())}; with a penalty "
                f"it ends {in_words(control.tolist())} below its best.",
                over.tolist(), 0.9, {"best": highest.tolist(), "end": end.tolist(), "control": control.tolist()},
            ),
            at_least(
                "On the responses of the policy without a penalty the reward model is less accurate than on those of "
                "the fine-tuned policy, by 0.1 or more.",
                f"{in_words(accuracy['sft'])} against {in_words(accuracy['no_penalty'])}; {in_words(lost)} less.",
                "accuracy lost, paired by seed", lost, 0.1,
                {name: accuracy[name] for name in ("sft", "no_penalty")},
            ),
            at_least(
                "The reward model predicts at least 0.03 more of the held-out answers than a bag of words.",
                f"{in_words(answers['network'])} against {in_words(answers['bag of words'])}; {in_words(beyond)} more.",
                "accuracy more, paired by seed", beyond, 0.03, answers,
            ),
        ]  # fmt: skip

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        curves = findings.details["curves"]
        colours = dict(zip(POLICIES, (TRUE, LEARNED), strict=True))
        with styled():
            figure = canvas(10.0, 3.6)
            gold, proxy, plane = figure.subplots(1, 3)
            for name, words in POLICIES.items():
                rounds = evaluated_rounds(arms[name])
                for axes, key in ((gold, GOLD), (proxy, PROXY)):
                    draw_seeds(axes, rounds, np.array(curves[name][key]), colours[name], words)
                draw_path(plane, arms[name], colours[name], words)
            value = float(np.mean(findings.details["gold"]["sft"]))
            gold.axhline(value, color=OTHER, linestyle=":", linewidth=1.0)
            gold.annotate("fine-tuned", (0.99, value), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                          fontsize=9)  # fmt: skip
            gold.set(xlabel="rounds of RL", ylabel="gold", title="true reward (gold)")
            proxy.set(xlabel="rounds of RL", ylabel="reward model", title="learned reward (proxy)")
            plane.set(xlabel="distance from fine-tuning, √KL", ylabel="gold", title="gold against distance")
            label_lines(plane)
            save(figure, path)
