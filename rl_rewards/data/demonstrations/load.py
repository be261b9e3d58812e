"""Reading and writing of demonstrations; this folder's ``__init__.py`` describes the layout of their file."""

from pathlib import Path
from typing import Any

import numpy as np

from rl_rewards.core.errors import warn
from rl_rewards.core.types import Discrete, EnvSpec, Transition, box_bounds
from rl_rewards.data.arrays import array_sizes, check_size, read_arrays
from rl_rewards.data.demonstrations.checks import CHECKS, PER_STEP
from rl_rewards.data.demonstrations.fit import INFO, ROUNDING, Demonstrations, fit_warnings, follows, returns_of
from rl_rewards.data.demonstrations.layouts import OTHERS, in_our_layout, is_others

MINARI = "minari:"


def save_demonstrations(path: Path, env: EnvSpec, demos: Demonstrations) -> None:
    """Write demonstrations to an ``.npz`` file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {"env": np.array(env.name), **demos}
    np.savez_compressed(path, **arrays)


def load_demonstrations(name: str, spec: EnvSpec, free: int | None = None) -> Demonstrations:
    """Return checked demonstrations of ``spec``'s environment; print warnings if they look wrong but are accepted.

    Files in the layouts of D4RL and OGBench are translated (``layouts.py``). If the episodes' returns are not recorded,
    they are computed from the rewards, or NaN without rewards.

    Args:
        name: a file's path, or ``minari:DATASET-ID``.
        free: the bytes of memory that the file's arrays may take; None if they are unknown.

    Raises:
        ConfigError: if they cannot be read, are too large, or a check refuses them.
    """
    arrays, _, doubts = in_our_layout(name, read_demonstrations(name, free))
    for check in CHECKS:
        check(name, arrays, spec)
    for doubt in (*doubts, *fit_warnings(name, arrays, spec)):
        warn(doubt)
    arrays["episode_return"] = returns_of(arrays)
    return {key: array for key, array in arrays.items() if key != "env"}


def read_demonstrations(name: str, free: int | None = None) -> dict[str, np.ndarray]:
    """Return the arrays of a file or of a Minari data set, unchecked, in the layout in which they are stored.

    Args:
        name: a file's path, or ``minari:DATASET-ID``.
        free: the bytes of memory that the file's arrays may take; None if they are unknown.

    Raises:
        ConfigError: if they cannot be read, or are too large.
    """
    if name.startswith(MINARI):
        from rl_rewards.data.demonstrations.minari import read_minari

        return read_minari(name.removeprefix(MINARI))
    where = (Path(name), "demos", "python scripts/make_demos.py")
    sizes = array_sizes(*where)
    if is_others(set(sizes)):  # such files hold many more arrays
        sizes = {key: size for key, size in sizes.items() if key in (*OTHERS, "env") or key.startswith(INFO)}
    check_size(name, sizes, free)
    return read_arrays(*where, sizes.__contains__)


def first_episodes(transitions: Transition, spec: EnvSpec) -> Demonstrations:
    """Return the first episode of every environment in a recording [T, B, ...] with its info, in the file's layout.

    The recording must begin with reset environments, and T must be at least the length of the longest episode. Later
    episodes are left out, because short ones would be too frequent among those that fit into T steps. Actions are
    clipped to the bounds, as the environment clips them.
    """
    done = np.asarray(transitions.terminated) | np.asarray(transitions.truncated)
    lengths = np.argmax(done, axis=0) + 1
    assert done.any(axis=0).all(), "T must be at least the length of the longest episode"
    found = {key: np.asarray(getattr(transitions, key)) for key in PER_STEP}
    found |= {f"{INFO}{key}": np.asarray(array) for key, array in transitions.info.items()}
    arrays = {key: np.concatenate([array[:n, copy] for copy, n in enumerate(lengths)]) for key, array in found.items()}
    if not isinstance(spec.action, Discrete):
        arrays["action"] = np.clip(arrays["action"], *box_bounds(spec.action))
    starts = np.cumsum([0, *lengths[:-1]])
    arrays |= {"episode_start": starts, "episode_return": np.add.reduceat(arrays["env_reward"], starts)}
    _align(arrays)
    return arrays


def _align(demos: Demonstrations) -> None:
    """Make ``next_obs`` equal to the next row's ``obs``, because a compiled environment may round them differently."""
    rows = np.flatnonzero(follows(demos))
    after, before = demos["next_obs"][rows], demos["obs"][rows + 1]
    if np.issubdtype(after.dtype, np.floating):
        near = np.isclose(after, before, rtol=ROUNDING, atol=ROUNDING)
        demos["next_obs"][rows] = np.where(near, before, after)
