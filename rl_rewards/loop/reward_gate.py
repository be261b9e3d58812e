"""Refuses to train a language model on a reward model that may be no better than guessing.

On held-out answers a reward model of texts is often hardly better than chance, and RL finds its errors within a few
rounds. So the lower bound of its accuracy must lie above 1/2 before a policy learns from it.
"""

import jax
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.intervals import share_interval
from rl_rewards.loop.state import Parts
from rl_rewards.rewards.frozen import Frozen
from rl_rewards.rewards.mixture import Mixture


def check_comparisons(parts: Parts) -> None:
    """Check that a frozen reward has comparisons to learn from, if the algorithm learns from them.

    Raises:
        ConfigError: if none of its queries has a decided answer.
    """
    source = parts.source
    if not parts.algorithm.requirements.needs_comparisons or not isinstance(source, Frozen):
        return
    found = source.comparisons(source.learned)
    if found is None:  # then the algorithm learns from the comparisons of the environment's file
        return
    scores = np.where(np.asarray(found.known), np.asarray(found.scores), np.nan)
    decided = int(np.sum(np.nanmax(scores, axis=-1, initial=-np.inf) > np.nanmin(scores, axis=-1, initial=np.inf)))
    require(
        decided > 0,
        f"reward.run={source.run} has no answer that prefers one response to another, so that there is nothing to "
        "learn; let its run ask and get answers first.",
    )


def check_reward_accuracy(parts: Parts) -> None:
    """Check the accuracy of frozen rewards of texts on the answers that their runs held out, for each seed.

    Algorithms that only measure it (``lm``, ``sampler``) or learn from the answers themselves (``dpo``) are not
    concerned, nor is a reward that holds no answers out.

    Raises:
        ConfigError: if the lower bound of a seed's 95% interval (Clopper and Pearson 1934) is not above 1/2.
    """
    if parts.env.spec.text is None or not parts.algorithm.requirements.follows_reward:
        return
    source = parts.source
    within = source.parts.values() if isinstance(source, Mixture) else [source]
    for one in within:
        if isinstance(one, Frozen) and one.unsure == "refuse":
            _check_accuracy(one)


def _check_accuracy(source: Frozen) -> None:
    counted = jax.vmap(source.heldout_agreement) if source.per_seed else source.heldout_agreement
    found = jax.jit(counted)(source.learned)
    if found is None:
        return
    right, known = (np.floor(np.atleast_1d(one)).astype(int).tolist() for one in found)
    bounds = [share_interval(*pair) if pair[1] else (0.0, 1.0) for pair in zip(right, known, strict=True)]
    unsure = [low <= 0.5 for low, _ in bounds]
    worst = min(range(len(bounds)), key=lambda seed: bounds[seed][0])
    low, high = bounds[worst]
    accuracy = f"{right[worst] / known[worst]:.2f}" if known[worst] else "not known"
    which = f" for {sum(unsure)} of its {len(unsure)} seeds" if source.per_seed else ""
    require(
        not any(unsure),
        f"The reward of reward.run={source.run} may be no better than guessing{which}: its accuracy on {known[worst]} "
        f"held-out answers is {accuracy} (95% interval {low:.2f} to {high:.2f}). Give its run more answers "
        "(reward.budget=N), or train on it nevertheless with reward.unsure=allow.",
    )
