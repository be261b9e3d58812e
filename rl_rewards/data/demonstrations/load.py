"""Reading and writing of demonstrations; this folder's ``__init__.py`` describes the layout of their file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import warn
from rl_rewards.core.files import replaced
from rl_rewards.core.types import Discrete, EnvSpec, Transition, box_bounds, is_whole
from rl_rewards.data.arrays import array_sizes, check_size, name_in_files, read_arrays
from rl_rewards.data.demonstrations.checks import CHECKS, PER_STEP
from rl_rewards.data.demonstrations.fit import INFO, ROUNDING, Demonstrations, fit_warnings, follows, returns_of
from rl_rewards.data.demonstrations.join import join
from rl_rewards.data.demonstrations.layouts import OTHERS, in_our_layout, is_others
from rl_rewards.data.demonstrations.of_runs import RUN, of_seed, read_run

MINARI = "minari:"
Key = Literal["demos", "data"]
RECORDERS: Mapping[Key, str] = {"demos": "python scripts/make_demos.py", "data": "python -m rl_rewards.data make"}
"""The config keys of recorded steps, and the commands that record them."""


def save_demonstrations(path: Path, env: EnvSpec, demos: Demonstrations) -> None:
    """Write demonstrations to an ``.npz`` file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {"env": np.array(name_in_files(env)), **demos}
    with replaced(path, binary=True) as file:
        np.savez_compressed(file, **arrays)


def load_demonstrations(name: str, spec: EnvSpec, free: int | None = None, key: Key = "demos") -> Demonstrations:
    """Return checked demonstrations of ``spec``'s environment; print warnings if they look wrong but are accepted.

    Files in the layouts of D4RL and OGBench are translated (``layouts.py``). If the episodes' returns are not recorded,
    they are computed from the rewards, or NaN without rewards.

    Args:
        name, free, key: as for :func:`read_demonstrations`.

    Raises:
        ConfigError: if they cannot be read, are too large, or a check refuses them.
    """
    arrays, _, doubts = in_our_layout(name, read_demonstrations(name, free, key))
    for check in CHECKS:
        check(name, arrays, spec)
    for doubt in (*doubts, *fit_warnings(name, arrays, spec)):
        warn(doubt)
    arrays["episode_return"] = returns_of(arrays)
    return {key: array for key, array in arrays.items() if key != "env"}


class RecordedForSeeds(NamedTuple):
    """Recorded episodes, and the rows of them that each seed uses; None means all."""

    arrays: Demonstrations
    rows: list[np.ndarray | None]


def read_recorded(
    names: Sequence[str], spec: EnvSpec, seeds: Sequence[int], free: int | None = None
) -> RecordedForSeeds:
    """Return the checked episodes of all ``names``, one set after another; an array that only some have is left out.

    All seeds use all of them, except that each takes only its own recording of a run that has one for every seed.

    Args:
        names: at least one, as for :func:`read_demonstrations`.
        free: the bytes of memory that the arrays of each may take; None if they are unknown.

    Raises:
        ConfigError: if one of them cannot be read or is refused.
    """
    require(len(names) > 0, "No recorded data is named; name a file, minari:DATASET-ID or run:RUN_DIR.")
    used = [[of_seed(name, seed) for name in names] for seed in seeds]
    distinct = dict.fromkeys(name for one in used for name in one)
    found = {name: load_demonstrations(name, spec, free, "data") for name in distinct}
    joined = next(iter(found.values())) if len(found) == 1 else join(list(found.items()))
    ends = np.cumsum([len(arrays["obs"]) for arrays in found.values()])
    rows = {
        name: np.arange(end - len(arrays["obs"]), end) for (name, arrays), end in zip(found.items(), ends, strict=True)
    }
    chosen = [np.sort(np.concatenate([rows[name] for name in dict.fromkeys(one)])) for one in used]
    return RecordedForSeeds(joined, [None if len(one) == ends[-1] else one for one in chosen])


def read_demonstrations(name: str, free: int | None = None, key: Key = "demos") -> dict[str, np.ndarray]:
    """Return the arrays of a file, of a Minari data set or of a run, unchecked, in the layout in which they are stored.

    Args:
        name: a file's path, ``minari:DATASET-ID``, ``run:RUN_DIR``, or ``run:RUN_DIR@SEED`` for a run of several seeds.
        free: the bytes of memory that the arrays may take; None if they are unknown.
        key: the config key that names them, for the message.

    Raises:
        ConfigError: if they cannot be read, or are too large.
    """
    if name.startswith(MINARI):
        from rl_rewards.data.demonstrations.minari import read_minari

        return read_minari(name.removeprefix(MINARI), free)
    if name.startswith(RUN):
        return read_run(name, free)
    where = (Path(name), key, RECORDERS[key])
    sizes = array_sizes(*where)
    if is_others(set(sizes)):  # such files hold many more arrays
        sizes = {key: size for key, size in sizes.items() if key in (*OTHERS, "env") or key.startswith(INFO)}
    check_size(name, sizes, free)
    return read_arrays(*where, sizes.__contains__)


def first_episodes(transitions: Transition, spec: EnvSpec) -> Demonstrations:
    """Return the first episode of every environment in a recording [T, B, ...] with its info, in the file's layout.

    The recording must begin with reset environments, and T must be at least the length of the longest episode. Later
    episodes are left out, because short ones would be too frequent among those that fit into T steps.
    """
    done = np.asarray(transitions.terminated) | np.asarray(transitions.truncated)
    lengths = np.argmax(done, axis=0) + 1
    assert done.any(axis=0).all(), "T must be at least the length of the longest episode"

    def leaf(x: np.ndarray) -> np.ndarray:
        return np.concatenate([np.asarray(x)[:n, copy] for copy, n in enumerate(lengths)])

    return _in_layout(jax.tree.map(leaf, transitions.replace(behaviour={})), spec)


def all_episodes(streams: Transition, spec: EnvSpec) -> Demonstrations:
    """Return all steps [B, C, ...] of B streams, one stream after another, with the info, in the file's layout.

    The last episode of each stream is marked as truncated where the stream stops. If ``spec``'s environment cannot
    restore its state, so is an episode that was given up when a run was resumed.
    """
    terminated, truncated = np.asarray(streams.terminated), np.array(streams.truncated)
    truncated[:, -1] |= ~terminated[:, -1]
    if not spec.restores:
        after, before = np.asarray(streams.next_obs)[:, :-1], np.asarray(streams.obs)[:, 1:]
        goes_on = np.isclose(after, before, rtol=ROUNDING, atol=ROUNDING).all(axis=tuple(range(2, after.ndim)))
        truncated[:, :-1] |= ~(goes_on | terminated[:, :-1])

    def leaf(x: np.ndarray) -> np.ndarray:
        return np.asarray(x).reshape(-1, *x.shape[2:])

    return _in_layout(jax.tree.map(leaf, streams.replace(behaviour={}, truncated=truncated)), spec)


def _in_layout(steps: Transition, spec: EnvSpec) -> Demonstrations:
    """Return whole episodes [n, ...], one after another, in the layout of the file.

    Actions are clipped to the bounds, as the environment clips them.
    """
    arrays = {key: np.asarray(getattr(steps, key)) for key in PER_STEP}
    arrays["next_obs"] = np.array(arrays["next_obs"])  # a copy, because it may be changed
    if not isinstance(spec.action, Discrete):
        clipped = np.clip(arrays["action"], *box_bounds(spec.action))
        arrays["action"] = clipped.astype(spec.action.dtype) if is_whole(spec.action) else clipped
    for key, values in steps.info.items():
        arrays[f"{INFO}{key}"] = np.asarray(values, bool if key == "success" else np.float32)
    ends = arrays["terminated"] | arrays["truncated"]
    starts = np.flatnonzero(np.append(True, ends[:-1]))
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
