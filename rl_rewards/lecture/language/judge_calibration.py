"""Judges of texts against people: a very small language model, rating and comparing, and a linear model of words.

Slides: judges prefer a position, or long responses, so that they must be checked against people. The texts are
sentences of film reviews whose sentiment 15 or more people have rated (Hutto and Gilbert 2014, ICWSM). The trusted
order of two texts is that of their mean ratings; its ceiling is how often half of the people order them as the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from rl_rewards.command_line.compose import composed
from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Transition
from rl_rewards.data.rated.fit import HELD_OUT_EVERY
from rl_rewards.data.rated.texts import RatedTexts, read_rated_texts
from rl_rewards.labelers.ask_again import AskedAgain, ask_again
from rl_rewards.labelers.base import Labeling
from rl_rewards.labelers.calibration import calibrate
from rl_rewards.labelers.judge_statistics import differences
from rl_rewards.labelers.pairs import Pairs
from rl_rewards.lecture.language.numbered_texts import no_picture, numbered
from rl_rewards.loop.build import build_labeling
from rl_rewards.reporting.figures.drawing import ALARM, OTHER, TRUE, styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, at_most, in_words, less
from rl_rewards.studies.drawing import canvas, save

ENV = "env=text_prompts"
"""The environment whose labelers are composed."""
CHANCE = 0.5
FLIPS = 0.9
"""The share of pairs in which a judge must contradict itself to count as one that looks only at positions."""
CLOSE = 0.1
"""The largest distance from the ceiling that counts as close to it."""
ASKED = "Write a sentence of a film review."
SPEC = numbered("rated_texts")
"""Segments whose only action is the number of a text."""


@dataclass(frozen=True, kw_only=True)
class JudgeCalibration:
    """Asks judges about pairs of rated texts; keys: configs/experiment/lecture/language/judge_calibration.yaml."""

    judges: Mapping[str, Sequence[str]]  # name -> the overrides that choose its labeler
    rated_texts: str
    kind: str
    pairs: int
    folder: str

    def __post_init__(self) -> None:
        check_fields(self, "study")
        require(self.pairs >= 2, f"study.pairs={self.pairs} must be at least 2.")
        missing = [name for name in ("rating", "comparing", "words") if name not in self.judges]
        require(not missing, f"study.judges has no {', '.join(missing)}; the claims are about these judges.")

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del arms
        texts = read_rated_texts(Path(self.rated_texts).expanduser())
        asked = sampled(texts, self.kind, self.pairs, seeds[0])
        labelings = {name: build_labeling(composed([ENV, *one])) for name, one in self.judges.items()}
        asked_again = {name: self._ask(name, one, texts, asked) for name, one in labelings.items()}
        right = {name: _right(one.scores, asked.pairs.scores) for name, one in asked_again.items()}
        lengths = {"length": np.array([[len(texts.text[i].split()) for i in pair] for pair in asked.rows], float)}
        found = {
            name: asdict(calibrate(one.scores, asked.pairs.scores, lengths, one.probability, one.flip_rate))
            for name, one in asked_again.items()
        }
        details = {
            "right": {name: values.tolist() for name, values in right.items()},
            "people": asked.people.tolist(),
            "flips": {name: one.flip_rate for name, one in asked_again.items()},
            "judges": found,
            "differences": [one._asdict() for one in differences(right)],
        }
        return Findings(self.claims(details), details)

    def _ask(self, name: str, labeling: Labeling, texts: RatedTexts, asked: "SampledPairs") -> AskedAgain:
        def passage(segment: Transition) -> tuple[str, str]:
            return ASKED, texts.text[round(float(np.asarray(segment.action)[0, 0]))]

        folder = Path(self.folder).expanduser() / name
        return ask_again(labeling, asked.pairs, SPEC, no_picture, None, passage, folder)

    def claims(self, found: Mapping[str, Any]) -> list[Claim]:
        """Claim that the small model rates better than a coin and compares by position, and that words do better.

        Args:
            found: ``right`` (judge -> 1, 0, 0.5 for a tie, or NaN, of each pair), ``people`` (1 or 0, or 0.5 where one
                half has a tie, of each pair) and ``flips`` (judge -> share of pairs whose answer changes with the
                order).
        """
        right = {name: [x for x in values if x == x] for name, values in found["right"].items()}  # without NaN
        both = [
            (w, r) for w, r in zip(found["right"]["words"], found["right"]["rating"], strict=True) if w == w and r == r
        ]
        more = less([w for w, _ in both], [r for _, r in both])
        count = len(found["right"]["comparing"])
        flipped = round(found["flips"]["comparing"] * count)
        flips = [1.0] * flipped + [0.0] * (count - flipped)
        below = less([float(np.mean(found["people"]))] * len(right["words"]), right["words"])
        of_people = f"one half of the people orders {in_words(found['people'])} of the pairs as the other half does"
        claims = [
            at_least(
                f"SmolLM2-135M-Instruct, which rates one text at a time, orders two film reviews as people do more "
                f"often than a coin, by {PRACTICAL:g}.",
                f"in {in_words(right['rating'])} of the pairs; {of_people}.",
                "share of pairs", right["rating"], CHANCE + PRACTICAL, {"rating": right["rating"]},
            ),
            at_least(
                f"Asked which of two texts is better, it contradicts itself in {FLIPS:.0%} of the pairs when they are "
                "swapped.",
                f"in {in_words(flips)} of the pairs.",
                "share of pairs", flips, FLIPS, {"comparing": flips},
            ),
            at_least(
                f"A linear model of words, which learned from other texts, agrees with people more often than it, by "
                f"{PRACTICAL:g}.",
                f"in {in_words(right['words'])} of the pairs against {in_words(right['rating'])}.",
                "share of pairs more, paired", more, PRACTICAL, {"words": right["words"], "rating": right["rating"]},
            ),
            at_most(
                f"The linear model is within {CLOSE:g} of the ceiling.",
                f"{in_words(right['words'])}; {of_people}.",
                "share of pairs below the ceiling", below, CLOSE, {"words": right["words"], "people": found["people"]},
            ),
        ]  # fmt: skip
        return [Claim(one.claim, one.measured, one.evidence, one.per_seed, unit="pairs") for one in claims]

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        judges, people, flips = (findings.details[name] for name in ("judges", "people", "flips"))
        names = [f"{name}\n(contradicts itself in {flips[name] or 0:.0%})" for name in judges]
        with styled():
            figure = canvas(7.0, 0.9 + 0.45 * len(judges))
            axes = figure.subplots()
            for row, one in enumerate(judges.values()):
                mean, low, high = one["agreement"]
                axes.plot([low, high], [row, row], color=TRUE, linewidth=3.0, alpha=0.45, solid_capstyle="round")
                axes.plot(mean, row, "o", color=TRUE)
            axes.axvline(CHANCE, color=OTHER, linestyle=":", linewidth=1.0)
            axes.axvline(float(np.mean(people)), color=ALARM, linestyle="--", linewidth=1.2, label="half of the people")
            axes.set_yticks(range(len(judges)), names)
            axes.set(xlim=(0.0, 1.0), ylim=(len(judges) - 0.5, -0.5), xlabel="share of pairs in the people's order")
            axes.legend(frameon=False, fontsize=9, loc="center left")  # the only line is vertical
            save(figure, path)


@dataclass(frozen=True)
class SampledPairs:
    """Pairs of rated texts with the people's order."""

    rows: np.ndarray  # [N, 2] the numbers of the texts
    pairs: Pairs  # with the mean ratings as scores
    people: Float[np.ndarray, " N"]  # 1 where two halves of the people have the same order, 0 where not, else 0.5


def sampled(texts: RatedTexts, kind: str, count: int, seed: int) -> SampledPairs:
    """Return ``count`` pairs of different held-out texts of a kind, none of which is twice in a pair with the same one.

    Only texts are used that ``labeler=rated`` has not learned from, and only pairs whose mean ratings differ.

    Raises:
        ConfigError: if there are too few such texts.
    """
    own = np.array([i for i, one in enumerate(texts.kind) if one == kind and i % HELD_OUT_EVERY == HELD_OUT_EVERY - 1])
    require(
        len(own) >= 2 * count,
        f"study.pairs={count} needs {2 * count} held-out texts of the kind {kind}, and there are {len(own)}; choose "
        "fewer pairs.",
    )
    rng = np.random.default_rng(seed)
    rows = rng.permutation(own)[: 2 * count].reshape(count, 2)
    rows = rows[texts.mean[rows[:, 0]] != texts.mean[rows[:, 1]]]
    halves = np.array([[_halves(rng, texts.ratings[i]) for i in pair] for pair in rows])  # [N, 2, halves]
    order = np.sign(halves[:, 0] - halves[:, 1])
    people = 0.5 * (1.0 + order[:, 0] * order[:, 1])
    segments = rows[:, :, None, None].astype(np.float32)
    means = texts.mean[rows].astype(np.float64)
    return SampledPairs(rows, Pairs(segments, segments, {}, means, ("people",), np.full(len(rows), seed)), people)


def _halves(rng: np.random.Generator, ratings: Sequence[float]) -> tuple[float, float]:
    """Return the mean ratings of two random halves of the people."""
    mixed = rng.permutation(np.asarray(ratings, float))
    middle = len(mixed) // 2
    return float(mixed[:middle].mean()), float(mixed[middle:].mean())


def _right(tested: Float[np.ndarray, "N 2"], trusted: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, " N"]:
    """Return 1 where the order is the people's, 0 where it is not, 0.5 for a tie and NaN where there is no answer."""
    answer, truth = (np.sign(scores[:, 0] - scores[:, 1]) for scores in (tested, trusted))
    return 0.5 * (1.0 + answer * truth)
