"""Chooses the episodes of an evaluation whose texts are stored, for reports and for wandb."""

from typing import Any

import numpy as np

from rl_rewards.core.types import Transition
from rl_rewards.envs.text.base import TextEnv

FIRST = 4
"""Stored in every evaluation: the first prompts, which are the same over training."""
EXTREME = 3
"""Also stored: the texts whose learned reward exceeds the true one the most, and those where it falls short the most,
both standardised over the evaluation. Without a true reward they are those with the highest and the lowest learned
reward."""


def chosen_texts(env: TextEnv, rollout: Transition, learned: np.ndarray) -> list[dict[str, Any]]:
    """Return some episodes [1, N] of an evaluation as plain data: prompt, response, gold, proxy, and why it was chosen.

    Gold is None if there is no true reward.

    Args:
        learned: the learned reward of every episode, [1, N].
    """
    gold, proxy = (np.asarray(x, float)[0] for x in (rollout.env_reward, learned))
    known = env.spec.has_true_reward
    excess = _standard(proxy) - _standard(gold)  # without a true reward, gold is constant
    most, least = ("overrated", "underrated") if known else ("highest", "lowest")
    order = np.argsort(-excess, kind="stable")
    chosen = [("first", i) for i in range(min(FIRST, len(gold)))]
    if np.ptp(excess) > 0:
        chosen += [(most, int(i)) for i in order[:EXTREME]]
        chosen += [(least, int(i)) for i in order[::-1][:EXTREME]]
    obs, action = (np.asarray(x)[0] for x in (rollout.obs, rollout.action))
    found = []
    for why, i in chosen:
        prompt, response = env.prompt_and_response(obs[i], action[i])
        about = {"why": why, "episode": i, "gold": float(gold[i]) if known else None, "proxy": float(proxy[i])}
        found.append(about | {"prompt": prompt, "response": response})
    return found


def _standard(values: np.ndarray) -> np.ndarray:
    """Return values with mean 0 and standard deviation 1; 0 if they are all equal."""
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)
