"""Reading and writing of demonstrations; this folder's ``__init__.py`` describes the layout of their file."""

from pathlib import Path
from typing import Any

import numpy as np

from rl_rewards.core.errors import warn
from rl_rewards.core.types import Discrete, EnvSpec, Transition, box_bounds
from rl_rewards.data.arrays import read_arrays
from rl_rewards.data.demonstrations.checks import CHECKS, PER_STEP
from rl_rewards.data.demonstrations.fit import Demonstrations, fit_warnings, follows

MINARI = "minari:"
ROUNDING = 1e-5
"""The largest difference, absolute and relative, by rounding between two computations of the same observation."""


def save_demonstrations(path: Path, env: EnvSpec, demos: Demonstrations) -> None:
    """Write demonstrations to an ``.npz`` file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {"env": np.array(env.name), **demos}
    np.savez_compressed(path, **arrays)


def load_demonstrations(name: str, spec: EnvSpec) -> Demonstrations:
    """Return checked demonstrations of ``spec``'s environment; print warnings if they look wrong but are accepted.

    Args:
        name: a file's path, or ``minari:DATASET-ID``.

    Raises:
        ConfigError: if they cannot be read, or a check refuses them.
    """
    arrays = read_demonstrations(name)
    for check in CHECKS:
        check(name, arrays, spec)
    for doubt in fit_warnings(name, arrays, spec):
        warn(doubt)
    return {key: array for key, array in arrays.items() if key != "env"}


def read_demonstrations(name: str) -> dict[str, np.ndarray]:
    """Return the arrays of a file or of a Minari data set, unchecked.

    Args:
        name: a file's path, or ``minari:DATASET-ID``.
    """
    if name.startswith(MINARI):
        from rl_rewards.data.demonstrations.minari import read_minari

        return read_minari(name.removeprefix(MINARI))
    return read_arrays(Path(name), "demos", "python scripts/make_demos.py")


def first_episodes(transitions: Transition, spec: EnvSpec) -> Demonstrations:
    """Return the first episode of every environment in a recording [T, B, ...], in the layout of the file.

    The recording must begin with reset environments, and T must be at least the length of the longest episode. Later
    episodes are left out, because short ones would be too frequent among those that fit into T steps. Actions are
    clipped to the bounds, as the environment clips them.
    """
    done = np.asarray(transitions.terminated) | np.asarray(transitions.truncated)
    lengths = np.argmax(done, axis=0) + 1
    assert done.any(axis=0).all(), "T must be at least the length of the longest episode"
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
    """Make ``next_obs`` equal to the next row's ``obs``, because a compiled environment may round them differently."""
    rows = np.flatnonzero(follows(demos))
    after, before = demos["next_obs"][rows], demos["obs"][rows + 1]
    if np.issubdtype(after.dtype, np.floating):
        near = np.isclose(after, before, rtol=ROUNDING, atol=ROUNDING)
        demos["next_obs"][rows] = np.where(near, before, after)
