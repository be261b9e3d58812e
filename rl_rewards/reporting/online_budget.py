"""The score that an offline learner reaches for a given number of online evaluations.

Offline learners are compared after their hyperparameters were chosen, and these can only be chosen by evaluations in
the true environment. A user can afford few of them. Here a bandit chooses among trained policies: it evaluates one
episode at a time, by the upper confidence bound (UCB1: Auer et al. 2002, doi:10.1023/A:1013689704352), and after every
episode names the policy that looks best. The curve is the true score of that policy, on average over random subsets of
policies and over episodes drawn from those that were recorded. (Jackson et al. 2025, arXiv:2504.11453, section 4.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from rl_rewards.core.checks import require

EXPLORATION = 2.0**0.5
"""The factor of UCB1's bonus, for scores in [0, 1]."""


@dataclass(frozen=True)
class BudgetCurve:
    """Scores after 1, 2, ... online episodes, in the units of the returns."""

    episodes: Int[np.ndarray, " budget"]
    mean: Float[np.ndarray, " budget"]  # of the policy that looks best, over the resamples
    low: Float[np.ndarray, " budget"]  # quantile 0.1
    high: Float[np.ndarray, " budget"]  # quantile 0.9
    best: float  # the mean true score of the best policy of each subset, which no budget exceeds
    random: float  # the mean true score of a policy drawn at random, which needs no episode


def online_budget(
    returns: Sequence[Sequence[float]],
    budget: int,
    policies: int | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> BudgetCurve:
    """Return the score of the policy that a bandit names after 1 .. ``budget`` online episodes.

    Args:
        returns: for each trained policy, the returns of its recorded episodes, at least one.
        policies: how many of them the user has trained, drawn at random for each resample; None means all.
        resamples: the number of repetitions.

    Raises:
        ConfigError: if there is no policy, a policy without episodes, or ``policies`` is more than there are.
    """
    count = len(returns)
    require(count > 0 and all(len(one) > 0 for one in returns), "Every policy needs at least one recorded episode.")
    require(budget > 0, f"The budget of {budget} online episodes must be at least 1.")
    wanted = count if policies is None else policies
    require(1 <= wanted <= count, f"{wanted} policies cannot be drawn from {count}; choose 1 to {count}.")
    rng = np.random.default_rng(seed)
    found = np.stack([_one_bandit(returns, rng.permutation(count)[:wanted], budget, rng) for _ in range(resamples)])
    scores, best, random = found[:, :-2], found[:, -2], found[:, -1]
    low, high = np.quantile(scores, [0.1, 0.9], axis=0)
    return BudgetCurve(
        episodes=np.arange(1, budget + 1),
        mean=scores.mean(axis=0),
        low=low,
        high=high,
        best=float(best.mean()),
        random=float(random.mean()),
    )


def _one_bandit(
    returns: Sequence[Sequence[float]], subset: Int[np.ndarray, " n"], budget: int, rng: np.random.Generator
) -> Float[np.ndarray, " budget+2"]:
    """Return the true scores of the named policies over one bandit's episodes; then the best and the mean score."""
    pools = [np.asarray(returns[i], float) for i in subset]
    true = np.array([pool.mean() for pool in pools])
    least, most = min(pool.min() for pool in pools), max(pool.max() for pool in pools)
    width = most - least if most > least else 1.0
    pulls, sums = np.zeros(len(pools)), np.zeros(len(pools))
    named = np.empty(budget)
    for t in range(budget):
        first = t < len(pools)  # each policy once, in the subset's order, which is random
        arm = t if first else int(np.argmax(sums / pulls + EXPLORATION * np.sqrt(np.log(t) / pulls)))
        pulls[arm] += 1
        sums[arm] += (rng.choice(pools[arm]) - least) / width
        estimates = np.where(pulls > 0, sums / np.maximum(pulls, 1), -np.inf)
        named[t] = true[int(np.argmax(estimates))]
    return np.append(named, [true.max(), true.mean()])
