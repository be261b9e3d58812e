"""Which demonstrations a seed is given: rows of the arrays that all seeds share."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.types import Transition, make_record
from rl_rewards.data.dataset import Dataset
from rl_rewards.data.demonstrations.fit import Demonstrations, follows


class Chosen(NamedTuple):
    """The part of a set that a seed is given."""

    episodes: np.ndarray  # [e] ascending
    rows: np.ndarray  # [n] ascending: the steps of these episodes that are learned from


def choose(name: str, demos: Demonstrations, episodes: int | None, every: int, seed: int) -> Chosen:
    """Draw ``episodes`` of them at random, and one step of ``every`` from a random offset in each.

    A termination is always kept: few steps tell of it, and it is what a demonstrator worked for, or shunned. Among
    the kept steps it is then up to ``every`` times as frequent as the demonstrator met it.

    Raises:
        ConfigError: when there are not so many episodes.
    """
    count = len(demos["episode_start"])
    if episodes is not None:
        require(
            1 <= episodes <= count, f"demonstrations.episodes={episodes}, but {name} has {count}; ask for 1 to {count}."
        )
    require(every >= 1, f"demonstrations.every={every} must be at least 1.")
    rng = np.random.default_rng([seed, 0xDE305])
    chosen = np.arange(count) if episodes is None else np.sort(rng.permutation(count)[:episodes])
    rows = []
    for start, end in _spans(demos, chosen):
        kept = np.arange(start + rng.integers(min(every, end - start)), end, every)
        rows.append(np.union1d(kept, [end - 1]) if demos["terminated"][end - 1] else kept)
    return Chosen(chosen, np.concatenate(rows))


def as_dataset(demos: Demonstrations, given: Sequence[np.ndarray]) -> Dataset:
    """Returns ``demos`` as a data set of which every seed is given its own rows, see :class:`Chosen`."""
    n = len(demos["obs"])
    steps = make_record(
        Transition,
        obs=demos["obs"],
        action=demos["action"],
        next_obs=demos["next_obs"],
        env_reward=demos.get("env_reward", np.zeros(n, np.float32)),
        terminated=demos["terminated"],
        truncated=demos["truncated"],
        valid=np.ones(n, bool),
        is_demo=np.ones(n, bool),
        behaviour={},
        info={},
    )
    return Dataset.of(steps, follows(demos), given, "env_reward" in demos)


class LastStates(NamedTuple):
    """The states that demonstrations end in."""

    obs: np.ndarray  # [n, *obs]
    action: np.ndarray  # [n, *action] that led there
    episode: np.ndarray  # [n] the place among the chosen episodes of the one that it is of


def last_states(demos: Demonstrations, episodes: np.ndarray, steps: int) -> LastStates:
    """The states reached in the last ``steps`` steps of each of ``episodes`` [e]: the success examples of MEDAL++
    (Sharma et al. 2023, arXiv:2303.01488)."""
    kept = [np.arange(max(start, end - steps), end) for start, end in _spans(demos, episodes)]
    rows, episode = np.concatenate(kept), np.repeat(np.arange(len(kept)), [len(one) for one in kept])
    return LastStates(demos["next_obs"][rows], demos["action"][rows], episode)


def _spans(demos: Demonstrations, episodes: np.ndarray) -> list[tuple[int, int]]:
    """The first row of each of ``episodes`` [e], and the one after its last."""
    starts = demos["episode_start"]
    ends = np.append(starts[1:], len(demos["obs"]))
    return list(zip(starts[episodes], ends[episodes], strict=True))
