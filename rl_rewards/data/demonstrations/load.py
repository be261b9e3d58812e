"""Demonstrations: whole episodes of someone who can do the task, from a file or a Minari dataset.

The file is an ``.npz`` of plain arrays; n steps of E episodes one after the other: ``obs`` [n, *obs], ``action``
[n, *action] in the env's units and within its bounds, ``next_obs`` [n, *obs] the true successors, ``terminated`` and
``truncated`` [n] (exactly every episode's last step is one of them), ``episode_start`` [E] the row each begins at,
``episode_return`` [E] the true return, ``env`` the environment's name; optionally ``env_reward`` [n]. Discrete actions
count from 0. Within an episode ``next_obs`` of a row is ``obs`` of the next; a file from which steps were left out also
has ``step`` [n], which step of its episode each row is, and the last row that was kept of each is its last.
"""

from pathlib import Path

import numpy as np

from rl_rewards.core.errors import warn
from rl_rewards.core.types import Discrete, EnvSpec, Transition, box_bounds
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
    return {key: array for key, array in arrays.items() if key != "env"}


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
