"""RLHF: fine-tuning, a reward model from comparisons, then RL against it, with and without a KL penalty.

Slides: the reward model is only a proxy, and a policy that follows it too far exploits it; the penalty beta keeps the
policy near its start. The true reward (gold) of this small language is exact, so that over-optimisation is seen and not
guessed (Gao et al. 2023, arXiv:2210.10760). DPO learns from the same comparisons without a reward model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rl_rewards.reporting.figures.drawing import LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, at_most, enough_seeds, in_words, less
from rl_rewards.studies.drawing import canvas
from rl_rewards.studies.measures import LAST, last_mean, over_rounds, series

GOLD, PROXY = "eval/true_return", "eval/learned_return"
FALL = 0.5
"""The least fall of gold from its best evaluation that counts as over-optimisation; gold lies between -4 and 4."""
BETTER = 0.3
"""The least difference of gold that counts."""
ROUNDS = 5
"""Rounds at the end of a stage over which accuracy is averaged."""
POLICIES = {"rlhf": "beta 0.1", "no_penalty": "beta 0"}


@dataclass(frozen=True, kw_only=True)
class RLHF:
    """Compares the stages by gold, on prompts that no stage has seen."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        gold = {name: last_mean(run, GOLD, 1 if name == "sft" else LAST) for name, run in arms.items()}
        curves = {name: {key: series(arms[name], key).tolist() for key in (GOLD, PROXY)} for name in POLICIES}
        distance = {name: over_rounds(arms[name], "agent/reference_kl").tolist() for name in POLICIES}
        own = {"sft": "reward_model", **{name: name for name in POLICIES}}
        accuracy = {stage: _own_accuracy(arms[name]) for stage, name in own.items()}
        details = {"gold": gold, "curves": curves, "kl": distance, "accuracy": accuracy}
        return Findings(self.claims(gold, curves, details["accuracy"]), details)

    def claims(
        self,
        gold: Mapping[str, list[float]],
        curves: Mapping[str, Mapping[str, list[list[float]]]],
        accuracy: Mapping[str, list[float]],
    ) -> list[Claim]:
        """Claim that RLHF works, that without its penalty it over-optimises, and that DPO does as well.

        Args:
            gold: arm -> mean gold at the end, of each seed.
            curves: policy -> metric -> values [evaluations, seeds].
            accuracy: stage -> share of pairs that the reward model orders as gold does, of each seed.
        """
        gained = less(gold["rlhf"], gold["sft"])
        found, proxy = (np.array(curves["no_penalty"][key]) for key in (GOLD, PROXY))
        best, end = _best(found), found[-LAST:].mean(axis=0)
        control = _best(np.array(curves["rlhf"][GOLD])) - np.array(gold["rlhf"])
        over = (best - end >= FALL) & (proxy[-LAST:].mean(axis=0) > proxy[0])
        lost = less(accuracy["sft"], accuracy["no_penalty"])
        apart = less(gold["dpo"], gold["rlhf"])
        return [
            at_least(
                f"RL against the reward model raises gold by {BETTER:g} or more over fine-tuning (beta 0.1).",
                f"{in_words(gold['rlhf'])} against {in_words(gold['sft'])}; {in_words(gained)} more.",
                "gold more, paired by seed", gained, BETTER, {name: gold[name] for name in ("sft", "rlhf")},
            ),
            enough_seeds(
                f"Without a penalty the proxy rises while gold ends {FALL:g} or more below its best, in at least 90% "
                "of seeds.",
                f"gold at its best {in_words(best.tolist())}, at the end {in_words(end.tolist())}; with a penalty it "
                f"ends {in_words(control.tolist())} below its best.",
                over.tolist(), 0.9, {"best": best.tolist(), "end": end.tolist(), "control": control.tolist()},
            ),
            at_least(
                "On the responses of the policy without a penalty the reward model is less accurate than on those of "
                "the fine-tuned policy, by 0.1 or more.",
                f"{in_words(accuracy['sft'])} against {in_words(accuracy['no_penalty'])}; {in_words(lost)} less.",
                "accuracy lost, paired by seed", lost, 0.1,
                {name: accuracy[name] for name in ("sft", "no_penalty")},
            ),
            at_most(
                f"DPO on the same comparisons gets as far as RL, within {BETTER:g} of gold.",
                f"{in_words(gold['dpo'])} against {in_words(gold['rlhf'])}; {in_words(apart)} more.",
                "gold less, paired by seed", less(gold["rlhf"], gold["dpo"]), BETTER,
                {name: gold[name] for name in ("dpo", "rlhf")},
            ),
        ]  # fmt: skip

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        curves, distance = findings.details["curves"], findings.details["kl"]
        colours = dict(zip(POLICIES, (TRUE, LEARNED), strict=True))
        with styled():
            figure = canvas(11.0, 3.6)
            gold, proxy, plane = figure.subplots(1, 3)
            for name, words in POLICIES.items():
                rounds = [int(row["round"] or 0) + 1 for row in arms[name].evaluation_rows]
                for axes, key in ((gold, GOLD), (proxy, PROXY)):
                    each = np.array(curves[name][key])
                    axes.plot(rounds, each, color=colours[name], linewidth=0.6, alpha=0.35)
                    axes.plot(rounds, each.mean(axis=1), color=colours[name], linewidth=2.0, label=words)
                far = _at(np.array(distance[name]), rounds)
                plane.plot(np.sqrt(np.maximum(far, 0.0)).mean(axis=1), np.array(curves[name][GOLD]).mean(axis=1),
                           color=colours[name], marker=".", linewidth=1.6)  # fmt: skip
            for name, style in (("sft", ":"), ("dpo", "--")):
                value = float(np.mean(findings.details["gold"][name]))
                gold.axhline(value, color=OTHER, linestyle=style, linewidth=1.0)
                gold.annotate(name.upper(), (0.99, value), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                              fontsize=8)  # fmt: skip
            gold.set(xlabel="rounds of RL", ylabel="gold", title="true reward (gold)")
            proxy.set(xlabel="rounds of RL", ylabel="reward model", title="learned reward (proxy)")
            plane.set(xlabel="distance from fine-tuning, √KL", ylabel="gold", title="gold against distance")
            gold.legend(frameon=False, fontsize=8)
            figure.savefig(path, dpi=110)


def _best(found: Float[np.ndarray, "evaluations seeds"]) -> Float[np.ndarray, " seeds"]:
    """Return the best mean of two evaluations in a row, of each seed: a single lucky one does not count."""
    return np.max((found[1:] + found[:-1]) / 2, axis=0)


def _own_accuracy(run: RunFiles) -> list[float]:
    """Return the reward model's accuracy on the policy's responses of the last ``ROUNDS`` rounds, of each seed."""
    return np.nanmean(over_rounds(run, "train/same_start_accuracy")[-ROUNDS:], axis=0).tolist()


def _at(found: Float[np.ndarray, "rounds seeds"], rounds: Sequence[int]) -> Float[np.ndarray, "evaluations seeds"]:
    """Return the values of the rounds after which there was an evaluation."""
    return found[np.asarray(rounds) - 1]
