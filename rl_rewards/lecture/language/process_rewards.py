"""Process against outcome reward models, from equally many labels: which finds the step at which a solution goes wrong?

A label is one judgement by a person, of one step or of one whole response. The literature claims that labels of steps
find errors and pick solutions better (Lightman et al. 2023, arXiv:2305.20050), that they leave fewer right answers by
wrong steps (Uesato et al. 2022, arXiv:2211.14275), and that completions replace them (Math-Shepherd, Wang et al. 2023,
arXiv:2312.08935). All models have the same network; an outcome is the label of all steps of its response.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from rl_rewards.lecture.language.best_of_n import CHOICES, DrawnResponses, best_mean
from rl_rewards.lecture.language.chains import IN_STEPS, DrawnChains, DrawsChains, auc, credit_auc
from rl_rewards.lecture.language.measures import at_the_end
from rl_rewards.loop.sources import restore_from_run
from rl_rewards.reporting.figures.drawing import ALARM, LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, at_most, in_words, less, more_than
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.measures import last_mean

MODELS = {"process": "process_model", "outcome": "outcome_model", "completions": "completion_model"}
"""Reward models by what their labels are about, and their arms."""
POLICIES = {"verifier": "rl_verifier", **{name: f"rl_{name}" for name in MODELS}}
"""Policies by the reward that they learn from, and their arms."""
SOUND, ANSWER = "eval/chain_sound", "eval/chain_answer_right"
MARGIN = 0.1
"""The least difference of an AUC that counts."""
CLOSE = 0.05
"""The largest difference of an AUC that does not count."""
COLOURS = {"process": TRUE, "outcome": ALARM, "completions": LEARNED, "verifier": OTHER}


@dataclass(frozen=True, kw_only=True)
class ProcessRewards(DrawsChains):
    """Compares reward models on the fine-tuned policy's responses, and the policies that learn from them."""

    least_responses = CHOICES[-1]

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        drawn = self.draw_from(arms["sft_chains"], seeds)
        each: dict[str, list[dict[str, Any]]] = {"verifier": [verified(one) for one in drawn]}
        for name, arm in MODELS.items():
            models = [restore_from_run(arms[arm].path, seed) for seed in seeds]
            source: Any = models[0].source
            score, fold = jax.jit(source.step_scores), jax.jit(source.text_rewards)
            each[name] = [measured(one, score, fold, model.state) for one, model in zip(drawn, models, strict=True)]
        names = ("credit", "told_apart")
        found = {what: {name: [one[what] for one in each[name]] for name in MODELS} for what in names}
        best = {
            what: {name: {n: [one[what][n] for one in values] for n in CHOICES} for name, values in each.items()}
            for what in ("best_sound", "best_answer")
        }
        rl = {what: {name: last_mean(arms[arm], key) for name, arm in POLICIES.items()}
              for what, key in (("sound", SOUND), ("answer", ANSWER))}  # fmt: skip
        details = found | {
            what: {name: {str(n): values for n, values in by.items()} for name, by in of.items()}
            for what, of in best.items()
        }
        details |= {"rl": rl, "tokens": at_the_end(arms["completion_model"], "reward/completion_tokens")}
        details["by_kind"] = {
            kind: {name: [one["by_kind"][kind] for one in each[name]] for name in MODELS} for kind in IN_STEPS
        }
        most = {what: {name: by[CHOICES[-1]] for name, by in best[what].items()} for what in best}
        claims = self.claims(found["credit"], found["told_apart"], most["best_sound"], most["best_answer"], rl["sound"])
        return Findings(claims, details)

    def claims(
        self,
        credit: Mapping[str, list[float]],
        told_apart: Mapping[str, list[float]],
        best_sound: Mapping[str, list[float]],
        best_answer: Mapping[str, list[float]],
        rl_sound: Mapping[str, list[float]],
    ) -> list[Claim]:
        """Claim that labels of steps find errors and pick better solutions than as many labels of outcomes.

        Args:
            credit: model -> AUC of its step scores, right steps against first wrong ones, of each seed.
            told_apart: model -> AUC of its rewards among right answers, sound against right by wrong steps.
            best_sound: reward -> share of sound responses among the best of 64 by it.
            best_answer: reward -> share of right answers among them.
            rl_sound: reward -> share of sound responses of the policy that learned from it.
        """
        last = CHOICES[-1]
        return [
            _auc_more("Labels of steps find the first wrong step better than as many labels of outcomes", credit),
            _auc_more(
                "Among right answers, a model of steps tells those with wrong steps apart better than one of outcomes",
                told_apart,
            ),
            more_than(
                f"The best of {last} by the process model is sound more often than by the outcome model.",
                best_sound, "process", "outcome", "share of sound responses",
            ),
            more_than(
                f"The best of {last} by the process model has a right answer more often than by the outcome model.",
                best_answer, "process", "outcome", "share of right answers",
            ),
            more_than(
                "RL on the process model ends with more sound responses than RL on the outcome model.",
                rl_sound, "process", "outcome", "share of sound responses",
            ),
            at_most(
                f"Labels of completions, for which nobody is asked, find the first wrong step as well as people's "
                f"labels of as many steps, within {CLOSE:g}.",
                f"{in_words(credit['completions'])} against {in_words(credit['process'])}.",
                "AUC less, paired by seed", less(credit["process"], credit["completions"]), CLOSE,
                {name: credit[name] for name in ("process", "completions")},
            ),
        ]  # fmt: skip

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        found = findings.details
        with styled():
            figure = canvas(10.0, 3.6)
            aucs, best, rl = figure.subplots(1, 3, width_ratios=[1.0, 1.0, 1.2])
            for place, what in enumerate(("credit", "told_apart")):
                for shift, name in enumerate(MODELS):
                    values, at = found[what][name], place + 0.25 * (shift - 1)
                    aucs.bar(at, np.mean(values), width=0.22, color=COLOURS[name], alpha=0.6)
                    aucs.plot(np.full(len(values), at), values, ".", color=COLOURS[name], markersize=4)
            aucs.set_xticks([0, 1], ["first wrong step", "right by wrong steps"], fontsize=8)
            aucs.set(ylim=(0.4, 1.0), ylabel="AUC", title="what the models find")
            for name, by in found["best_sound"].items():
                mean = [np.mean(by[str(n)]) for n in CHOICES]
                best.plot(CHOICES, mean, color=COLOURS[name], marker=".", label=name)
            best.set_xscale("log", base=2)
            best.set_xticks(CHOICES, [str(n) for n in CHOICES])
            best.set(xlabel="n", ylabel="share of sound responses", title="the best of n")
            for place, (name, values) in enumerate(found["rl"]["sound"].items()):
                rl.bar(place, np.mean(values), color=COLOURS[name], alpha=0.6)
                rl.plot(np.full(len(values), place), values, ".", color=COLOURS[name], markersize=4)
            rl.set_xticks(range(len(POLICIES)), list(POLICIES), fontsize=8)
            rl.set(ylabel="share of sound responses", title="policies after RL")
            label_lines(best)
            save(figure, path)


def measured(drawn: DrawnChains, score: Any, fold: Any, state: Any) -> dict[str, Any]:
    """Return the measures of a model on drawn responses: its AUCs, and the best of n by it.

    Args:
        score: (state, texts [n, tokens]) -> scores of steps [n, L].
        fold: (scores, texts) -> rewards [n].
    """
    flat = drawn.texts.reshape(-1, drawn.texts.shape[-1])
    raw = score(state, flat)
    rewards = np.asarray(fold(raw, flat), float).reshape(drawn.sound.shape)
    scores = np.asarray(raw, float).reshape(drawn.right.shape)
    by_kind = {kind: drawn.kind[:, 0] == number for kind, number in IN_STEPS.items()}
    in_steps = np.any(list(by_kind.values()), axis=0)
    right, sound = drawn.answer_right & in_steps[:, None], drawn.sound
    return {
        "credit": credit_auc(scores[in_steps], drawn.right[in_steps]),
        "told_apart": auc(rewards[right & sound], rewards[right & ~sound]),
        "by_kind": {kind: credit_auc(scores[rows], drawn.right[rows]) for kind, rows in by_kind.items()},
        **_best(drawn, rewards),
    }


def verified(drawn: DrawnChains) -> dict[str, Any]:
    """Return the best of n by a verifier of the answer."""
    return _best(drawn, drawn.answer_right.astype(float))


def _best(drawn: DrawnChains, rewards: Float[np.ndarray, "P N"]) -> dict[str, dict[int, float]]:
    """Return n -> the share of sound responses, and of right answers, among the best of n by ``rewards``."""
    by = DrawnResponses(gold=rewards, proxy=rewards, log_prob=np.zeros_like(rewards))
    return {
        name: {n: best_mean(by, values.astype(float), n) for n in CHOICES}
        for name, values in (("best_sound", drawn.sound), ("best_answer", drawn.answer_right))
    }


def _auc_more(claim: str, found: Mapping[str, list[float]]) -> Claim:
    more = less(found["process"], found["outcome"])
    text = f"{in_words(found['process'])} against {in_words(found['outcome'])}; {in_words(more)} more."
    return at_least(f"{claim}, by {MARGIN:g} or more.", text, "AUC more, paired by seed", more, MARGIN,
                    {name: found[name] for name in ("process", "outcome")})  # fmt: skip
