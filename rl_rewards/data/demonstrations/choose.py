"""The choice of the demonstrations that a seed uses, as rows of arrays that all seeds share."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.types import Transition, make_record
from rl_rewards.data.dataset import Dataset
from rl_rewards.data.demonstrations.fit import INFO, Demonstrations, follows, info_keys


class Chosen(NamedTuple):
    """The demonstrations that a seed uses."""

    episodes: np.ndarray  # [e] ascending
    rows: np.ndarray  # [n] ascending: the steps of these episodes that the seed uses


def choose(name: str, demos: Demonstrations, episodes: int | None, every: int, seed: int) -> Chosen:
    """Draw ``episodes`` episodes at random (None: all), and keep every ``every``-th step from a random offset in each.

    Terminations are always kept, because they are rare and show what the demonstrator tried to reach or to avoid.
    Among the kept steps, they are therefore up to ``every`` times as frequent as in the demonstrations.

    Raises:
        ConfigError: if there are fewer episodes than that, or ``every`` is below 1.
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


def as_dataset(
    demos: Demonstrations,
    given: Sequence[np.ndarray | None],
    info: Sequence[str] = (),
    is_demo: bool = True,
    name: str = "the data",
) -> Dataset:
    """Return recorded steps as a data set for every seed.

    Args:
        given: for each seed, the rows that it uses (see :class:`Chosen`); None means all.
        info: the keys of info that a reward or a labeler reads; only these are kept.
        is_demo: False if the steps are an offline algorithm's data, and not demonstrations to imitate.
        name: the file or the data set, for the message.

    Raises:
        ConfigError: if a key of info is not recorded.
    """
    n, there = len(demos["obs"]), info_keys(demos)
    for key in info:
        has = f"of info it has {', '.join(there)}" if there else "it has no info"
        require(key in there, f"{name} lacks the array {INFO}{key}, which the reward or the labeler reads; {has}.")
    steps = make_record(
        Transition,
        obs=demos["obs"],
        action=demos["action"],
        next_obs=demos["next_obs"],
        env_reward=demos.get("env_reward", np.zeros(n, np.float32)),
        terminated=demos["terminated"],
        truncated=demos["truncated"],
        valid=np.ones(n, bool),
        is_demo=np.full(n, is_demo),
        behaviour={},
        info={key: demos[INFO + key] for key in info},
    )
    return Dataset.of(steps, follows(demos), given, "env_reward" in demos)


class LastStates(NamedTuple):
    """The states at the ends of demonstrations."""

    obs: np.ndarray  # [n, *obs]
    action: np.ndarray  # [n, *action] the action that led to each state
    episode: np.ndarray  # [n] the state's episode, as its index among the chosen ones


def last_states(demos: Demonstrations, episodes: np.ndarray, steps: int) -> LastStates:
    """Return the states reached in the last ``steps`` steps of each of ``episodes`` [e].

    They are the success examples of MEDAL++ (Sharma et al. 2023, arXiv:2303.01488).
    """
    kept = [np.arange(max(start, end - steps), end) for start, end in _spans(demos, episodes)]
    rows, episode = np.concatenate(kept), np.repeat(np.arange(len(kept)), [len(one) for one in kept])
    return LastStates(demos["next_obs"][rows], demos["action"][rows], episode)


def _spans(demos: Demonstrations, episodes: np.ndarray) -> list[tuple[int, int]]:
    """Return the first row of each of ``episodes`` [e], and the row after its last one."""
    starts = demos["episode_start"]
    ends = np.append(starts[1:], len(demos["obs"]))
    return list(zip(starts[episodes], ends[episodes], strict=True))
