"""Refuses to train a language model on a reward model that may be no better than guessing.

On held-out answers a reward model of texts is often hardly better than chance, and RL finds its errors within a few
rounds. So the lower bound of its accuracy must lie above 1/2 before a policy learns from it.
"""

import jax
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.intervals import share_interval
from rl_rewards.loop.train import Parts
from rl_rewards.rewards.frozen import Frozen


def check_comparisons(parts: Parts) -> None:
    """Check that a frozen reward has comparisons to learn from, if the algorithm learns from them.

    Raises:
        ConfigError: if none of its queries has a decided answer.
    """
    source = parts.source
    if not parts.algorithm.requirements.needs_comparisons or not isinstance(source, Frozen):
        return
    found = source.comparisons(source.learned)
    assert found is not None, "compatibility.check ensures that the reward keeps comparisons"
    scores = np.where(np.asarray(found.known), np.asarray(found.scores), np.nan)
    decided = int(np.sum(np.nanmax(scores, axis=-1, initial=-np.inf) > np.nanmin(scores, axis=-1, initial=np.inf)))
    require(
        decided > 0,
        f"reward.run={source.run} has no answer that prefers one response to another, so that there is nothing to "
        "learn; let its run ask and get answers first.",
    )


def check_reward_accuracy(parts: Parts) -> None:
    """Check the accuracy of a frozen reward of texts on the answers that its run held out, over all seeds together.

    Algorithms that only measure it (``lm``, ``sampler``) or learn from the answers themselves (``dpo``) are not
    concerned, nor is a reward that holds no answers out.

    Raises:
        ConfigError: if the lower bound of its 95% interval (Clopper and Pearson 1934) is not above 1/2.
    """
    source, algorithm = parts.source, parts.algorithm
    concerned = parts.env.spec.text is not None and algorithm.requirements.follows_reward
    if not concerned or not isinstance(source, Frozen) or source.unsure == "allow":
        return
    counted = jax.vmap(source.heldout_agreement) if source.per_seed else source.heldout_agreement
    found = jax.jit(counted)(source.learned)
    if found is None:
        return
    right, known = (int(np.sum(np.floor(np.asarray(one)))) for one in found)
    low, high = share_interval(right, known) if known else (0.0, 1.0)
    accuracy = f"{right / known:.2f}" if known else "not known"
    require(
        low > 0.5,
        f"The accuracy of reward.run={source.run} on its {known} held-out answers is {accuracy} (95% interval "
        f"{low:.2f} to {high:.2f}), so that it may be no better than guessing; give its run "
        "more answers (reward.budget=N), or train on it nevertheless with reward.unsure=allow.",
    )
