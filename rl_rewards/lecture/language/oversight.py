"""Scalable oversight in the small: can a weak judge tell right from wrong answers of a stronger model, with help?

The weak judge is a smaller network that learned from labels of a smaller policy. Alone, it judges whole responses. With
decomposition it judges every step by itself, and a response is as good as its worst step. In a debate, two copies of a
stronger model each point at one step of the other's response, the one that they hold to be most probably wrong, and the
weak judge looks at these two steps only (Irving et al. 2018, arXiv:1805.00899; decomposition: Christiano et al. 2018,
arXiv:1810.08575). The control of a debate points at a random step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float

from rl_rewards.lecture.language.chains import IN_STEPS, DrawnChains, DrawsChains, auc
from rl_rewards.loop.sources import restore_from_run
from rl_rewards.reporting.figures.drawing import ALARM, LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, in_words, more_than
from rl_rewards.studies.drawing import canvas, save

JUDGES = {"whole": "judge_narrow", "steps": "weak_steps", "strong": "process_model"}
"""Models by what they do here, and their arms: the weak judge of responses, that of steps, and the debaters."""
WAYS = {"alone": ALARM, "decomposition": TRUE, "debate": LEARNED, "random step": OTHER, "the debater itself": "0.6"}
"""Ways to judge a response, and their colours."""


@dataclass(frozen=True, kw_only=True)
class Oversight(DrawsChains):
    """Compares ways of judging by how often they prefer a right answer to a wrong one to the same problem."""

    least_responses = 2

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        each = self.draw_from(arms["sft_chains"], seeds)
        models = {name: [restore_from_run(arms[arm].path, seed) for seed in seeds] for name, arm in JUDGES.items()}
        sources: dict[str, Any] = {name: found[0].source for name, found in models.items()}
        score = {name: jax.jit(source.step_scores) for name, source in sources.items()}
        accuracy: dict[str, list[float]] = {way: [] for way in WAYS}
        for at, seed in enumerate(seeds):
            drawn = each[at].of(list(IN_STEPS.values()))
            flat = drawn.texts.reshape(-1, drawn.texts.shape[-1])
            found = {
                name: np.asarray(score[name](models[name][at].state, flat), float).reshape(drawn.right.shape)
                for name in JUDGES
            }
            for way, values in judged(drawn, found, np.random.default_rng(seed)).items():
                accuracy[way].append(prompt_accuracy(values, drawn.answer_right))
        return Findings(self.claims(accuracy), {"accuracy": accuracy})

    def claims(self, accuracy: Mapping[str, list[float]]) -> list[Claim]:
        """Claim that decomposition and debate help the weak judge, and that debate does because of who points.

        Args:
            accuracy: way -> share of pairs of a right and a wrong answer that are ordered rightly, of each seed.
        """
        what = "share of pairs ordered rightly"
        pairs = {
            "decomposition": ("A weak judge of single steps is right more often than one of whole responses", "alone"),
            "debate": ("A weak judge of the two steps that debaters point at is right more often than alone", "alone"),
        }
        found = [more_than(f"{text}.", accuracy, way, other, what) for way, (text, other) in pairs.items()]
        return [
            *found,
            more_than("It is right more often than where a random step is pointed at.", accuracy, "debate",
                      "random step", what),
            more_than("Debate is better than decomposition.", accuracy, "debate", "decomposition", what),
        ]  # fmt: skip

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        accuracy = findings.details["accuracy"]
        with styled():
            figure = canvas(8.4, 3.6)
            axes = figure.subplots()
            for place, (way, colour) in enumerate(WAYS.items()):
                axes.bar(place, np.mean(accuracy[way]), color=colour, alpha=0.6)
                axes.plot(np.full(len(accuracy[way]), place), accuracy[way], ".", color=colour, markersize=4)
            axes.axhline(0.5, color=OTHER, linestyle=":", linewidth=1.0)
            axes.set_xticks(range(len(WAYS)), [f"{way}\n{in_words(accuracy[way])}" for way in WAYS], fontsize=8)
            axes.set(ylim=(0.4, 1.0), ylabel="right against wrong answers", title="a weak judge, and its helpers")
            save(figure, path)


def judged(
    drawn: DrawnChains, scores: Mapping[str, Float[np.ndarray, "P N L"]], rng: np.random.Generator
) -> dict[str, Float[np.ndarray, "P N"]]:
    """Return way -> the value of each response.

    Args:
        scores: model -> P(right) at the last token of every step, 1 elsewhere; names as in ``JUDGES``.
    """
    is_step = drawn.right >= 0.0
    last = is_step.shape[-1] - 1 - np.argmax(is_step[..., ::-1], axis=-1)

    def at(values: np.ndarray, place: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, place[..., None], axis=-1)[..., 0]

    pointed = np.argmin(np.where(is_step, scores["strong"], np.inf), axis=-1)
    random = np.argmax(np.where(is_step, rng.random(is_step.shape), -1.0), axis=-1)
    return {
        "alone": at(scores["whole"], last),
        "decomposition": scores["steps"].min(axis=-1),
        "debate": at(scores["steps"], pointed),
        "random step": at(scores["steps"], random),
        "the debater itself": scores["strong"].min(axis=-1),
    }


def prompt_accuracy(values: Float[np.ndarray, "P N"], right: Bool[np.ndarray, "P N"]) -> float:
    """Return the share of pairs of a right and a wrong answer to one prompt that ``values`` order, ties half.

    It is the mean over the prompts that have both; NaN without any.
    """
    each = [auc(row[yes], row[~yes]) for row, yes in zip(values, right, strict=True) if yes.any() and not yes.all()]
    return float(np.mean(each)) if each else float("nan")
