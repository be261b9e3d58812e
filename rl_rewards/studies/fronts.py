"""Studies of two objectives: one policy that is told weights against specialists, each for weights of its own.

All arms have ``env=weighted``, so that an evaluation's file has the weights of every episode. A point is the mean of
both objectives over the episodes with the same weights, of one seed.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from rl_rewards.core.objectives import WEIGHTS
from rl_rewards.core.pareto import hypervolume
from rl_rewards.reporting.figures.drawing import LEARNED, OTHER, TRUE
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.claims import Claim, at_least, in_words, less
from rl_rewards.studies.evidence import Evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOLD = "told"
"""The arm of the policy that is told weights."""
SPECIALISTS = {f"specialist_{percent}": percent / 100 for percent in (0, 25, 50, 75, 100)}
"""Arm -> its weight of the first objective; that of the second one is the rest."""
CLOSE = 0.95
"""The share of the specialists' hypervolume that is enough."""
ORDERED = 0.8
"""The least correlation of what a head claims with the truth, over the policies of a seed."""

Points = Float[np.ndarray, "W S 2"]
"""Both objectives for each weight of the first one, ascending, and of each seed."""


class Front(NamedTuple):
    """The points of the specialists and of the policy that is told weights."""

    specialists: Points
    told: Points


def read_front(arms: Mapping[str, RunFiles], names: tuple[str, str]) -> Front:
    """Return the points at the end of training.

    Args:
        names: of the arrays [N] with the two objectives of every episode in an evaluation's file.
    """
    each = [points_by_weight(arms[name], names) for name in SPECIALISTS]
    told = points_by_weight(arms[TOLD], names)
    assert list(told) == sorted(SPECIALISTS.values()), "env.weight_steps of the arm gives these weights"
    return Front(np.array([found[SPECIALISTS[name]] for name, found in zip(SPECIALISTS, each, strict=True)]),
                 np.array(list(told.values())))  # fmt: skip


def points_by_weight(run: RunFiles, names: tuple[str, str]) -> dict[float, Float[np.ndarray, "S 2"]]:
    """Return the points of the last evaluation: weight of the first objective, ascending -> both, of each seed."""
    evaluations = [run.evaluations[-1].of_seed(i).arrays for i in range(run.num_seeds)]
    weights = sorted({round(float(one), 6) for one in evaluations[0][f"info_{WEIGHTS}"][:, 0]})

    def mean(arrays: Mapping[str, np.ndarray], name: str, weight: float) -> float:
        return float(arrays[name][np.isclose(arrays[f"info_{WEIGHTS}"][:, 0], weight)].mean())

    return {w: np.array([[mean(arrays, name, w) for name in names] for arrays in evaluations]) for w in weights}


def areas(points: Points, reference: tuple[float, float]) -> list[float]:
    """Return the hypervolume of each seed's points."""
    return [hypervolume(points[:, seed], reference) for seed in range(points.shape[1])]


def correlations(front: Front, claimed: Front, objective: int) -> list[float]:
    """Return the correlation of a head's claims with the truth, over all policies of each seed; 0 if one is constant.

    Args:
        objective: 0 for the first, 1 for the second.
    """
    true, said = (np.concatenate(one)[..., objective].T for one in (front, claimed))
    varied = [np.ptp(a) > 0 and np.ptp(b) > 0 for a, b in zip(true, said, strict=True)]
    return [float(np.corrcoef(a, b)[0, 1]) if ok else 0.0 for a, b, ok in zip(true, said, varied, strict=True)]


def front_claims(
    front: Front, claimed: Front, reference: tuple[float, float], margin: float, names: tuple[str, str]
) -> list[Claim]:
    """Claim that the objectives conflict, that weights steer one policy, and that it is as good as the specialists.

    Args:
        front: by the true objectives.
        claimed: by the heads, in their own units.
        margin: the least difference of an objective that counts.
        names: of the objectives, as nouns.
    """
    whole, one = areas(front.specialists, reference), areas(front.told, reference)
    beyond = less(one, [CLOSE * area for area in whole])
    orders = {name: correlations(front, claimed, i) for i, name in enumerate(names)}
    first, second = names
    return [
        _apart(f"A specialist in {first} alone has more of it and less {second} than one in {second} alone, by "
               f"{margin:g} or more.", front.specialists, margin, names),
        _apart(f"One policy that is told weights has more {first} and less {second} when {first} has all the weight "
               f"than when it has none, by {margin:g} or more.", front.told, margin, names),
        at_least(
            f"One policy that is told weights has at least {CLOSE:.0%} of the specialists' hypervolume.",
            f"{in_words(one)} against {in_words(whole)}, above ({reference[0]:g}, {reference[1]:g}).",
            f"area more than {CLOSE:.0%} of the specialists', paired by seed", beyond, 0.0,
            {TOLD: one, "specialists": whole},
        ),
        Claim(
            "The heads order the policies of a seed as the truth does: their correlation is at least "
            f"{ORDERED:g} in both objectives.",
            "; ".join(f"{name}: {in_words(found)}" for name, found in orders.items()) + ".",
            tuple(
                Evidence(of=f"correlation in {name}", values=found, claimed=(ORDERED, np.inf))
                for name, found in orders.items()
            ),
            orders,
        ),
    ]  # fmt: skip


def _apart(claim: str, points: Points, margin: float, names: tuple[str, str]) -> Claim:
    """Claim that all the weight on one objective makes a difference in both."""
    gained, lost = (points[-1] - points[0])[:, 0].tolist(), (points[0] - points[-1])[:, 1].tolist()
    parts = {f"{names[0]} more": gained, f"{names[1]} less": lost}
    evidence = tuple(Evidence(of=of, values=found, claimed=(margin, np.inf)) for of, found in parts.items())
    told = "; ".join(f"{in_words(found)} {of}" for of, found in parts.items())
    return Claim(claim, f"{told}.", evidence, parts)


def in_lists(front: Front) -> dict[str, list]:
    """Return the points as plain data, for verdict.json."""
    return {name: points.tolist() for name, points in front._asdict().items()}


def draw_front(axes: "Axes", front: Front, corners: Mapping[str, Sequence[float]]) -> None:
    """Draw the means over seeds with lines, in the order of the weights, the single seeds as dots, and the corners."""
    kinds = ((front.specialists, LEARNED, "s", "specialists"), (front.told, TRUE, "o", "one policy, told the weights"))
    for points, colour, marker, label in kinds:
        axes.plot(*points.reshape(-1, 2).T, linestyle="", marker=".", markersize=3, color=colour, alpha=0.35)
        axes.plot(*points.mean(axis=1).T, marker=marker, markersize=5, color=colour, linewidth=1.4, label=label)
    for name, place in corners.items():
        axes.plot(*place, marker="x", color=OTHER, markersize=6, linestyle="")
        axes.annotate(name, tuple(place), xytext=(5, 3), textcoords="offset points", fontsize=8, color=OTHER)
