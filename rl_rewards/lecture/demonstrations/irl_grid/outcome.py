"""Claims and figure of maximum-entropy IRL on ``grid``, from the errors that ``study`` measured; no training."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.figures.drawing import LEARNED, OTHER, TRUE
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.studies.claims import Claim, at_most
from rl_rewards.studies.drawing import draw_seeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (LEARNED, TRUE)


def claims(found: Mapping[str, Any]) -> list[Claim]:
    """Claim of each kind of features that the errors are small with the most demonstrations.

    Value is counted from that of a random policy, so that a constant added to the reward changes no share.
    """
    learned = f"Maximum-entropy IRL from {found['episodes'][-1]} episodes of {found['steps_of_an_episode']} steps"
    value, visits = found["value_tolerance"], found["visits_tolerance"]
    judged = []
    for name in found["errors"]:
        by = f"{learned}, a weight for each {name}"
        claim = f"{by}: the policy optimal for it loses less than {value:.0%} of the best's gain over a random one."
        judged.append(_below(found, name, "value", claim, value))
        claim = f"{by}: less than {visits:.0%} of the expected visits are elsewhere than the demonstrator's."
        judged.append(_below(found, name, "visits", claim, visits))
    return judged


def _below(found: Mapping[str, Any], name: str, error: str, claim: str, tolerance: float) -> Claim:
    episodes, errors = found["episodes"], np.array(found["errors"][name][error])
    by_count = {n: mean_interval(errors[:, i].tolist()) for i, n in enumerate(episodes)}
    mean, low, high = by_count[episodes[-1]]
    listed = ", ".join(f"{middle:.1%} from {n}" for n, (middle, _, _) in by_count.items())
    enough = [n for n, (_, _, upper) in by_count.items() if upper < tolerance]
    told = f"below {tolerance:.0%} first with {enough[0]}" if enough else f"never below {tolerance:.0%}"
    worst = errors[:, -1].max()
    return at_most(
        claim,
        f"{mean:.2%} [{low:.2%}, {high:.2%}], worst seed {worst:.2%}; {listed} episodes, {told}.",
        "value lost, of best minus random" if error == "value" else "share of expected visits",
        errors[:, -1].tolist(),
        tolerance,
        {f"{n} episodes": errors[:, i].tolist() for i, n in enumerate(episodes)},
    )


def draw(figure: "Figure", found: Mapping[str, Any]) -> None:
    """Draw the first seed's true and learned reward, and both errors against the number of demonstrations."""
    true = np.array(found["true_reward"][0])
    rewards = {"True reward, first seed": true}
    for name, learned in found["learned_reward"].items():  # a constant moves no policy: shown with the true mean
        rewards[f"Learned, by {name}"] = np.array(learned[0]) - np.mean(learned[0]) + true.mean()
    low, high = (float(pick([pick(reward) for reward in rewards.values()])) for pick in (np.min, np.max))
    parts: Any = figure.subfigures(2, 1)  # Matplotlib declares one figure, and returns an array
    above, below = parts
    maps = np.atleast_1d(above.subplots(1, len(rewards)))
    size, image = found["size"], None
    for axes, (title, reward) in zip(maps, rewards.items(), strict=True):
        square = reward.reshape(size, size)
        image = axes.imshow(square, origin="lower", cmap="cividis", extent=(0, size, 0, size), vmin=low, vmax=high)
        axes.set(title=title, xlabel="column of the grid")
        axes.grid(False)
    maps[0].set_ylabel("row of the grid")
    assert image is not None
    above.colorbar(image, ax=list(maps), shrink=0.8, label="reward of reaching a cell")
    value, visits = below.subplots(1, 2)
    _draw_errors(value, found, "value", found["value_tolerance"])
    value.set(ylabel="share of best minus random", title="Value lost; thin lines are seeds")
    _draw_errors(visits, found, "visits", found["visits_tolerance"])
    visits.set(ylabel="share of expected visits", title="Visits elsewhere")
    label_lines(visits, characters=12)


def _draw_errors(axes: "Axes", found: Mapping[str, Any], error: str, tolerance: float) -> None:
    episodes = found["episodes"]
    for colour, (name, errors) in zip(COLOURS, found["errors"].items(), strict=False):
        draw_seeds(axes, episodes, np.maximum(np.array(errors[error]), 1e-5).T, colour, f"by {name}")
    axes.axhline(tolerance, color=OTHER, linestyle="--", label="what is claimed")
    axes.set(xlabel="demonstrated episodes", xscale="log", yscale="log")
