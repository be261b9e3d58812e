"""Demonstrations: whole episodes of someone who can do the task, from a file or a Minari dataset.

The file is an ``.npz`` of plain arrays; n steps of E episodes one after the other: ``obs`` [n, *obs], ``action``
[n, *action] in the env's units and within its bounds, ``next_obs`` [n, *obs] the true successors, ``terminated`` and
``truncated`` [n] (exactly every episode's last step is one of them), ``episode_start`` [E] the row each begins at,
``episode_return`` [E] the true return, ``env`` the environment's name; optionally ``env_reward`` [n]. Discrete actions
count from 0. Within an episode ``next_obs`` of a row is ``obs`` of the next; a file from which steps were left out also
has ``step`` [n], which step of its episode each row is, and the last row that was kept of each is its last.
"""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import warn
from rl_rewards.core.types import Discrete, EnvSpec, Examples, Transition, box_bounds
from rl_rewards.data.arrays import read_arrays
from rl_rewards.data.demonstrations.checks import CHECKS, PER_STEP
from rl_rewards.data.demonstrations.fit import Demonstrations, doubts, follows

MINARI = "minari:"
ROUNDING = 1e-5
"""How far rounding may take two computations of one observation from each other, absolutely and relatively."""


def save_demonstrations(path: Path, env: EnvSpec, demos: Demonstrations) -> None:
    """Write the documented layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, env=np.array(env.name), **demos)


def load_demonstrations(name: str, spec: EnvSpec) -> Demonstrations:
    """Read and validate demonstrations of ``spec``'s environment; warn of what is not refused, and yet looks wrong.

    Args:
        name: a file's path, or ``minari:DATASET-ID``.

    Raises:
        ConfigError: with one sentence for each way in which they can be wrong.
    """
    arrays = read_demonstrations(name)
    for check in CHECKS:
        check(name, arrays, spec)
    for doubt in doubts(name, arrays, spec):
        warn(doubt)
    return {key: array for key, array in arrays.items() if key not in ("env", "step")}


def read_demonstrations(name: str) -> dict[str, np.ndarray]:
    """The arrays of a file or of a Minari dataset, as they are."""
    if name.startswith(MINARI):
        from rl_rewards.data.demonstrations.minari import read_minari

        return read_minari(name.removeprefix(MINARI))
    return read_arrays(Path(name), "demos", "python scripts/make_demos.py")


def first_episodes(transitions: Transition, spec: EnvSpec) -> Demonstrations:
    """The first episode of every copy of a recording [T, B, ...] that starts with fresh ones and is long enough.

    Not all that fit into it: short ones would be too many. Actions are clipped to the bounds, as the environment does.
    """
    done = np.asarray(transitions.terminated) | np.asarray(transitions.truncated)
    lengths = np.argmax(done, axis=0) + 1
    assert done.any(axis=0).all(), "T is at least the longest episode"
    arrays = {
        key: np.concatenate([np.asarray(getattr(transitions, key))[:n, copy] for copy, n in enumerate(lengths)])
        for key in PER_STEP
    }
    if not isinstance(spec.action, Discrete):
        arrays["action"] = np.clip(arrays["action"], *box_bounds(spec.action))
    starts = np.cumsum([0, *lengths[:-1]])
    arrays |= {"episode_start": starts, "episode_return": np.add.reduceat(arrays["env_reward"], starts)}
    _align(arrays)
    return arrays


def _align(demos: Demonstrations) -> None:
    """Make ``next_obs`` the next row's ``obs`` to the last bit: a compiled environment computes each on its own."""
    rows = np.flatnonzero(follows(demos))
    after, before = demos["next_obs"][rows], demos["obs"][rows + 1]
    if np.issubdtype(after.dtype, np.floating):
        near = np.isclose(after, before, rtol=ROUNDING, atol=ROUNDING)
        demos["next_obs"][rows] = np.where(near, before, after)


class Chosen(NamedTuple):
    """What of a set a seed is given."""

    episodes: Demonstrations  # whole
    steps: Demonstrations  # those of their steps that are learned from


def choose(name: str, demos: Demonstrations, episodes: int | None, every: int, seed: int) -> Chosen:
    """``episodes`` of them at random, and one step of ``every`` from a random offset in each.

    A termination is always kept: few steps tell of it, and it is what a demonstrator worked for, or shunned. Among
    what is kept it is then up to ``every`` times as frequent as the demonstrator met it.

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
    spans = _spans(demos)
    chosen = np.arange(count) if episodes is None else np.sort(rng.permutation(count)[:episodes])
    whole = [np.arange(*spans[i]) for i in chosen]
    thinned = [_thinned(rng, *spans[i], every, bool(demos["terminated"][spans[i][1] - 1])) for i in chosen]
    return Chosen(_of_rows(demos, chosen, whole), _of_rows(demos, chosen, thinned))


def _spans(demos: Demonstrations) -> list[tuple[int, int]]:
    """Every episode's first row and the one after its last."""
    starts = demos["episode_start"]
    return list(zip(starts, np.append(starts[1:], len(demos["obs"])), strict=True))


def _thinned(rng: np.random.Generator, start: int, end: int, every: int, keep_last: bool) -> np.ndarray:
    """Rows of one episode."""
    rows = np.arange(start + rng.integers(min(every, end - start)), end, every)
    return np.union1d(rows, [end - 1]) if keep_last else rows


def _of_rows(demos: Demonstrations, episodes: np.ndarray, rows: list[np.ndarray]) -> Demonstrations:
    """``episodes`` of ``demos``, of each its ``rows``."""
    kept = {key: demos[key][np.concatenate(rows)] for key in PER_STEP if key in demos}
    kept["episode_start"] = np.cumsum([0, *map(len, rows[:-1])])
    kept["episode_return"] = demos["episode_return"][episodes]
    return kept


class LastStates(NamedTuple):
    """States that demonstrations end in."""

    obs: np.ndarray  # [n, *obs]
    action: np.ndarray  # [n, *action] that led there
    episode: np.ndarray  # [n] which episode each is of


def last_states(demos: Demonstrations, steps: int) -> LastStates:
    """The states reached in the last ``steps`` steps of every episode: the success examples of MEDAL++ (Sharma et al.
    2023, arXiv:2303.01488)."""
    spans = _spans(demos)
    kept = [np.arange(max(start, end - steps), end) for start, end in spans]
    rows, episode = np.concatenate(kept), np.repeat(np.arange(len(spans)), [len(one) for one in kept])
    return LastStates(demos["next_obs"][rows], demos["action"][rows], episode)


def as_data(sets: list[Demonstrations]) -> list[Examples]:
    """What a run's ``data`` holds of each seed's demonstrations: keys ``demo_KEY`` [N, ...], ``demo_count`` [] and
    ``demo_return`` [], the episodes' mean true return.

    All are padded to one length N, so that seeds can be stacked; rows from ``demo_count`` on are padding. For what
    learners make of it see ``core.demonstrations``.
    """
    most = max(len(demos["obs"]) for demos in sets)

    def padded(array: np.ndarray) -> jax.Array:
        return jnp.asarray(np.concatenate([array, np.repeat(array[-1:], most - len(array), axis=0)]))

    return [
        {f"demo_{key}": padded(demos[key]) for key in PER_STEP if key in demos}
        | {"demo_count": jnp.asarray(len(demos["obs"]), jnp.int32)}
        | {"demo_return": jnp.asarray(demos["episode_return"].mean(), jnp.float32)}
        for demos in sets
    ]
