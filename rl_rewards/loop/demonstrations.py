"""Demonstrations: whole episodes of someone who can do the task, from a file or a Minari dataset.

The file is an ``.npz`` of plain arrays; n steps of E episodes one after the other: ``obs`` [n, *obs], ``action``
[n, *action] in the env's units and within its bounds, ``next_obs`` [n, *obs] the true successors, ``terminated`` and
``truncated`` [n] (exactly every episode's last step is one of them), ``episode_start`` [E] the row each begins at,
``episode_return`` [E] the true return, ``env`` the environment's name; optionally ``env_reward`` [n].
"""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Discrete, EnvSpec, Examples, Transition, box_bounds
from rl_rewards.loop.arrays import check_array, check_dtype, read_arrays

Demonstrations = dict[str, np.ndarray]
"""The arrays of the file, checked."""

MINARI = "minari:"
PER_STEP = ("obs", "action", "next_obs", "terminated", "truncated", "env_reward")
PER_EPISODE = ("episode_start", "episode_return")
OPTIONAL = ("env_reward",)
AT_THE_BOUND = 1e-5
"""How far beyond a bound, in units of the range, rounding may take an action; it is clipped."""


def save_demonstrations(path: Path, env: EnvSpec, demos: Demonstrations) -> None:
    """Write the documented layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, env=np.array(env.name), **demos)


def load_demonstrations(name: str, spec: EnvSpec) -> Demonstrations:
    """Read and validate demonstrations of ``spec``'s environment.

    Args:
        name: a file's path, or ``minari:DATASET-ID``.

    Raises:
        ConfigError: with one sentence for each way in which they can be wrong.
    """
    arrays = read_demonstrations(name)
    recorded_on = str(arrays.pop("env", np.array(spec.name)))
    if recorded_on != spec.name:
        raise ConfigError(f"{name} was recorded on the environment '{recorded_on}', but this run uses '{spec.name}'.")
    _check_layout(name, arrays)
    discrete = isinstance(spec.action, Discrete)
    check_array(name, arrays, "obs", spec.obs.shape, required=True)
    check_array(name, arrays, "next_obs", spec.obs.shape, required=True)
    check_array(name, arrays, "action", () if discrete else spec.action.shape, required=True)
    for key in ("obs", "next_obs"):
        check_dtype(name, arrays[key], key, spec.obs.dtype)
        arrays[key] = arrays[key].astype(spec.obs.dtype)
    arrays["action"] = _within_bounds(name, arrays["action"], spec)
    return arrays


def read_demonstrations(name: str) -> dict[str, np.ndarray]:
    """The arrays of a file or of a Minari dataset, as they are."""
    if name.startswith(MINARI):
        from rl_rewards.loop.minari import read_minari

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
    return {**arrays, "episode_start": starts, "episode_return": np.add.reduceat(arrays["env_reward"], starts)}


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


def last_states(demos: Demonstrations, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The states reached in the last ``steps`` steps of every episode, with the actions that led there: the success
    examples of MEDAL++ (Sharma et al. 2023, arXiv:2303.01488)."""
    rows = np.concatenate([np.arange(max(start, end - steps), end) for start, end in _spans(demos)])
    return demos["next_obs"][rows], demos["action"][rows]


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


def _check_layout(name: str, arrays: dict[str, np.ndarray]) -> None:
    known = (*PER_STEP, *PER_EPISODE)
    unknown = sorted(set(arrays) - set(known))
    require(not unknown, f"{name} has the unknown key '{(unknown or [''])[0]}'; known are {', '.join(known)} and env.")
    for key in known:
        if key not in OPTIONAL or key in arrays:
            require(key in arrays, f"{name} lacks the key '{key}'; it has {', '.join(sorted(arrays)) or 'none'}.")
            require(arrays[key].ndim > 0, f"{name}: {key} is a single value; an array is needed.")
    rows, episodes = len(arrays["obs"]), len(arrays["episode_start"])
    require(rows > 0 and episodes > 0, f"{name} holds no episode; at least one is needed.")
    for key in PER_STEP:
        if key in arrays:
            found = len(arrays[key])
            require(found == rows, f"{name} has {rows} rows in obs but {found} in {key}; they must match.")
    for key in ("env_reward", "episode_return", "episode_start"):
        check_array(name, arrays, key, (), required=key not in OPTIONAL)
    found = len(arrays["episode_return"])
    told = f"{name} has {episodes} rows in episode_start but {found} in episode_return; they must match."
    require(found == episodes, told)
    for key in ("terminated", "truncated"):
        right = arrays[key].shape == (rows,) and arrays[key].dtype == bool
        require(right, f"{name}: {key} must be true or false for every step.")
    starts = arrays["episode_start"]
    ascending = np.issubdtype(starts.dtype, np.integer) and starts[0] == 0 and np.all(np.diff(starts) > 0)
    require(bool(ascending), f"{name}: episode_start must be rows in ascending order, the first 0.")
    require(int(starts[-1]) < rows, f"{name}: an episode starts at row {starts[-1]}, but there are {rows} rows.")
    last = np.zeros(rows, bool)
    last[np.append(starts[1:], rows) - 1] = True
    wrong = np.flatnonzero((arrays["terminated"] | arrays["truncated"]) != last)
    if len(wrong):
        should = "ends there" if last[wrong[0]] else "goes on"
        told = "neither terminated nor truncated" if last[wrong[0]] else "terminated or truncated"
        raise ConfigError(f"{name}: the step in row {wrong[0]} is {told}, but by episode_start its episode {should}.")
    for key, dtype in (("env_reward", np.float32), ("episode_return", np.float32)):
        if key in arrays:
            arrays[key] = arrays[key].astype(dtype)


def _within_bounds(name: str, action: np.ndarray, spec: EnvSpec) -> np.ndarray:
    if isinstance(spec.action, Discrete):
        wrong = np.flatnonzero((action < 0) | (action >= spec.action.n) | (action != np.round(action)))
        if len(wrong):
            told = f"{name}: the action in row {wrong[0]} is {action[wrong[0]]}"
            raise ConfigError(f"{told}; {spec.name} has the actions 0 to {spec.action.n - 1}.")
        return action.astype(np.int32)
    low, high = box_bounds(spec.action)
    spare = AT_THE_BOUND * np.where(np.isfinite(high - low), high - low, 0.0)
    outside = np.argwhere((action < low - spare) | (action > high + spare))
    if len(outside):
        row, entry = outside[0][0], tuple(outside[0][1:])
        raise ConfigError(
            f"{name}: an action in row {row} is {action[row][entry]:.6g}, outside the bounds {low[entry]:.6g} to "
            f"{high[entry]:.6g} of {spec.name}."
        )
    return np.clip(action, low, high).astype(np.float32)
