"""Constitutional AI: a model criticises and revises its own responses, and its own judgements train a preference model.

Slides: critique, revise, fine-tune on the revisions, then learn from pairs (revised better than original). In the paper
the pairs are two samples, between which a model chooses by a principle (Bai et al. 2022, arXiv:2212.08073, section 4).
Both are compared here, on requests whose harm is known exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.lecture.language.measures import BETTER, GOLD, at_the_end
from rl_rewards.lecture.preferences.ai_feedback.study import answers
from rl_rewards.reporting.figures.drawing import LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, at_most, in_words, less
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.measures import LAST, last_mean

BEFORE, SL, BY_REVISION, BY_CHOICE = "helpful_responses", "sl_cai", "rl_revision", "rl_choice"
POLICIES = {BEFORE: "helpful only", SL: "SL", BY_REVISION: "SL, RL on revisions", BY_CHOICE: "SL, RL on choices"}
ONCE = {BEFORE, SL}
"""Arms whose last evaluation alone counts: the others of SL were before it had learned."""
PAIRS = {"revision": "pairs_revision", "choice": "pairs_choice"}
WORDS = ("seen", "new")
LESS_ACCURATE = 0.1
"""The least loss of accuracy on new words that counts: one critique in ten."""


@dataclass(frozen=True, kw_only=True)
class ConstitutionalAI:
    """Compares the stages by harmlessness of harmful requests and helpfulness of the others, as gold counts both."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        found = {name: values_of(arms[name], 1 if name in ONCE else LAST) for name in POLICIES}
        critic, editor = (failures(arms[name], 1) for name in ("helpful", "helpful_revisions"))
        critic = {words: [1.0 - share for share in shares] for words, shares in critic.items()}
        details = {
            "policies": found,
            "critic": critic,
            "editor": {words: [1.0 - share for share in shares] for words, shares in editor.items()},
            "complied": {name: failures(arms[name], 1 if name in ONCE else LAST) for name in POLICIES},
            "right_pairs": {kind: [right_share(arms[arm].path, seed) for seed in arms[arm].seeds]
                            for kind, arm in PAIRS.items()},
            "revised": at_the_end(arms["revised"], "agent/revised"),
        }  # fmt: skip
        return Findings(self.claims(found, critic), details)

    def claims(self, found: Mapping[str, Mapping[str, list[float]]], critic: Mapping[str, list[float]]) -> list[Claim]:
        """Claim what each stage changes, and what the critic knows of words that no critique had shown it.

        Args:
            found: policy -> what :func:`values_of` returns.
            critic: seen and new -> share of right critiques of responses that help with harm, of each seed.
        """
        harmless, helpful, gold = (
            {name: one[key] for name, one in found.items()} for key in ("harmless", "helpful", GOLD)
        )
        safer, rest = less(harmless[SL], harmless[BEFORE]), less(harmless[BY_CHOICE], harmless[SL])
        cost, of_pairs = less(helpful[BEFORE], helpful[BY_CHOICE]), less(gold[BY_CHOICE], gold[BY_REVISION])
        worse = less(critic["seen"], critic["new"])
        return [
            at_least(
                f"Fine-tuning on its own revisions makes the model at least {BETTER:g} more harmless.",
                f"{in_words(harmless[SL])} against {in_words(harmless[BEFORE])}, gold for a harmful request.",
                "harmlessness gained, paired by seed", safer, BETTER, {name: harmless[name] for name in (BEFORE, SL)},
            ),
            at_least(
                f"RL on the model's own choices makes it at least {BETTER:g} more harmless than fine-tuning alone.",
                f"{in_words(harmless[BY_CHOICE])} against {in_words(harmless[SL])}.",
                "harmlessness gained, paired by seed", rest, BETTER, {name: harmless[name] for name in (SL, BY_CHOICE)},
            ),
            at_most(
                f"All of this costs at most {BETTER:g} of helpfulness on other prompts.",
                f"{in_words(helpful[BY_CHOICE])} against {in_words(helpful[BEFORE])}, gold for a prompt.",
                "helpfulness lost, paired by seed", cost, BETTER, {name: helpful[name] for name in (BEFORE, BY_CHOICE)},
            ),
            at_least(
                f"Pairs of two samples, as in the paper, bring at least {BETTER:g} more gold than pairs of a response "
                "and its revision, as in the lecture.",
                f"{in_words(gold[BY_CHOICE])} against {in_words(gold[BY_REVISION])}.",
                "gold gained, paired by seed", of_pairs, BETTER, {one: gold[one] for one in (BY_REVISION, BY_CHOICE)},
            ),
            at_least(
                f"Critiques of help with new words are right {LESS_ACCURATE:g} less often than with seen ones.",
                f"{in_words(critic['new'])} against {in_words(critic['seen'])}.",
                "share of right critiques lost, paired by seed", worse, LESS_ACCURATE, dict(critic),
            ),
        ]  # fmt: skip

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        found, critic, complied = (findings.details[key] for key in ("policies", "critic", "complied"))
        with styled():
            figure = canvas(9.5, 3.8)
            left, right = figure.subplots(1, 2, width_ratios=[1.4, 1.0])
            for name, colour in zip(POLICIES, (OTHER, "black", LEARNED, TRUE), strict=True):
                points = found[name]
                left.plot(points["helpful"], points["harmless"], ".", color=colour, alpha=0.4)
                means = np.mean(points["helpful"]), np.mean(points["harmless"])
                left.plot(*means, "o", color=colour, label=POLICIES[name])
            left.set(xlabel="helpful, gold of other prompts", ylabel="harmless, gold of harmful requests")
            shown = [critic, *(complied[name] for name in POLICIES)]
            for place, words in enumerate(shown):
                for shift, kind, colour in ((-0.2, "seen", TRUE), (0.2, "new", LEARNED)):
                    values = words[kind]
                    right.bar(place + shift, np.mean(values), 0.38, color=colour, alpha=0.6,
                              label=f"{kind} words" if place == 0 else None)  # fmt: skip
                    right.plot(np.full(len(values), place + shift), values, ".", color=colour, markersize=3)
            right.set_xticks(range(len(shown)), ["right\ncritiques", "helpful", "SL", "RL rev.", "RL ch."], fontsize=8)
            right.set(ylabel="share", title="critiques; compliance of policies")
            left.legend(frameon=False, fontsize=9)  # points have no ends to be named at
            right.legend(frameon=False, fontsize=9)  # nor have bars
            save(figure, path)


def values_of(run: RunFiles, evaluations: int) -> dict[str, list[float]]:
    """Return the harmlessness for a harmful request, the helpfulness for another prompt, and gold, of each seed."""
    read = {
        key: np.array(last_mean(run, key, evaluations))
        for key in (GOLD, "eval/gold_harmless", "eval/gold_helpful", "eval/harm_seen", "eval/harm_new")
    }
    harmful = read["eval/harm_seen"] + read["eval/harm_new"]
    return {
        "harmless": (read["eval/gold_harmless"] / harmful).tolist(),
        "helpful": (read["eval/gold_helpful"] / (1.0 - harmful)).tolist(),
        GOLD: read[GOLD].tolist(),
    }


def failures(run: RunFiles, evaluations: int) -> dict[str, list[float]]:
    """Return the share of failures among harmful requests with seen and with new words, of each seed."""
    return {
        words: (
            np.array(last_mean(run, f"eval/failed_{words}", evaluations))
            / np.array(last_mean(run, f"eval/harm_{words}", evaluations))
        ).tolist()
        for words in WORDS
    }


def right_share(run_dir: Path, seed: int) -> float:
    """Return the share of a seed's decided pairs that are answered as gold orders them; NaN without one."""
    pairs = answers(run_dir, seed)
    assert pairs.returns is not None, "a labeler of this study stores true rewards"
    told, true = (np.sign(x[:, 0] - x[:, 1]) for x in (pairs.scores, pairs.returns))
    decided = np.isfinite(told) & (told != 0) & (true != 0)
    return float(np.mean((told == true)[decided])) if decided.any() else float("nan")
