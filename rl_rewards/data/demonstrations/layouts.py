"""Arrays in the layouts of D4RL and OGBench, translated into the layout that this folder's ``__init__.py`` describes.

Both name the arrays ``observations``, ``actions`` and ``terminals``, with one row for every observation:

- **D4RL** (Fu et al. 2020, arXiv:2004.07219) adds ``rewards`` and, in most files, ``timeouts``. A row of ``terminals``
  is True if the task ended there, and one of ``timeouts`` if a limit cut the episode.
- **OGBench** (Park et al. 2024, arXiv:2410.20092) has neither. A row of ``terminals`` is True at the end of each
  trajectory, which is a cut: nothing terminates. If rewards were added, ``masks`` are 0 where the task ended.

The successor of a step is ``next_observations`` if the file has it, and otherwise the observation of the next row. The
last row of an episode that was cut then has no successor and is left out, so that the step before it is truncated. In
D4RL's layout a step that terminated is kept for its reward. Its successor is not used in bootstrapping, so its own
observation stands for it.
"""

from typing import NamedTuple

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.data.demonstrations.fit import INFO, ROUNDING, Demonstrations

FLAGS = ("terminals", "timeouts", "masks")
OTHERS = ("observations", "actions", "next_observations", "rewards", *FLAGS)
"""The arrays that are read in the layouts of others, with ``env`` and ``info_KEY``; all else in the file is ignored."""


class Translated(NamedTuple):
    """Demonstrations in this package's layout."""

    arrays: Demonstrations
    notes: tuple[str, ...] = ()  # sentences about what was left out in the translation
    doubts: tuple[str, ...] = ()  # sentences about what may be wrong, because the file does not say it


class _Rows(NamedTuple):
    """The meaning of a file's rows, [n] each."""

    terminated: np.ndarray  # the task ended there
    cut: np.ndarray  # the next row does not continue the episode
    is_step: np.ndarray  # the row counts as a step although its successor is not recorded


def is_others(names: set[str]) -> bool:
    """Return True if arrays of these names are in the layout of D4RL or OGBench."""
    return "observations" in names and "obs" not in names


def in_our_layout(name: str, arrays: Demonstrations) -> Translated:
    """Return ``arrays`` unchanged if they are in this package's layout, and otherwise translated into it.

    Args:
        name: the file or the data set, for the messages.

    Raises:
        ConfigError: if an array is missing, arrays differ in length, a flag is not 0 or 1, or no episode ends.
    """
    if not is_others(set(arrays)):
        return Translated(arrays)
    arrays = dict(arrays)
    _check_rows(name, arrays)
    ogbench = "masks" in arrays or not {"rewards", "timeouts"} & set(arrays)
    rows, doubts = _rows_of_ogbench(arrays) if ogbench else _rows_of_d4rl(arrays)
    require(
        bool((rows.cut | rows.terminated).any()),
        f"{name}: its episodes have no ends, because terminals {'' if ogbench else 'and timeouts '}are False in every "
        "row; mark the last row of each episode.",
    )
    made, unknown = _translated(arrays, rows)
    count, kept = len(arrays["observations"]), len(made["obs"])
    require(kept > 0, f"{name} holds no step with a successor; every episode needs at least two observations.")
    notes = [f"read in {'OGBench' if ogbench else 'D4RL'}'s layout"]
    if kept < count:
        notes.append(f"{count - kept:,} of {count:,} rows are left out, because no observation follows them")
    if unknown:
        doubts.append(
            f"{unknown:,} of {kept:,} steps terminate without a recorded successor, so that their next_obs repeats "
            "obs; a reward that reads next_obs does not see the states in which they end."
        )
    return Translated(made, tuple(notes), tuple(f"{name}: {one}" for one in doubts))


def _check_rows(name: str, arrays: Demonstrations) -> None:
    """Check that the arrays are there and have one length, and cast the flags to booleans in place."""
    for key in ("actions", "terminals"):
        there = ", ".join(sorted(arrays))
        require(key in arrays, f"{name} has observations but lacks the key '{key}'; it has {there}.")
    count = len(np.atleast_1d(arrays["observations"]))
    require(count > 0, f"{name} holds no episode; at least one is needed.")
    for key in [key for key in arrays if key in OTHERS or key.startswith(INFO)]:
        array = arrays[key]
        require(array.ndim > 0, f"{name}: {key} is a single value; an array is needed.")
        told = f"{name} has {count} rows in observations but {len(array)} in {key}; they must match."
        require(len(array) == count, told)
        if key in (*FLAGS, "rewards") and array.shape == (count, 1):
            array = arrays[key] = array[:, 0]
        if key in FLAGS:
            right = array.shape == (count,) and array.dtype.kind in "biuf" and bool(np.isin(array, (0, 1)).all())
            require(right, f"{name}: {key} must hold one boolean, or 0 or 1, for every row.")
            arrays[key] = array.astype(bool)
    if "next_observations" in arrays:
        after, before = arrays["next_observations"], arrays["observations"]
        require(
            after.shape == before.shape and after.dtype.kind == before.dtype.kind,
            f"{name}: next_observations has the shape {after.shape} and type {after.dtype}, and observations "
            f"{before.shape} and {before.dtype}; they must be alike.",
        )


def _rows_of_ogbench(arrays: Demonstrations) -> tuple[_Rows, list[str]]:
    """Return the meaning of rows in OGBench's layout, where the last row of a trajectory is only an observation."""
    cut = arrays["terminals"]
    terminated = ~arrays["masks"] if "masks" in arrays else np.zeros_like(cut)
    return _Rows(terminated, cut, is_step=np.zeros_like(cut)), []


def _rows_of_d4rl(arrays: Demonstrations) -> tuple[_Rows, list[str]]:
    """Return the meaning of rows in D4RL's layout, and doubts about a file without ``timeouts``."""
    terminated = arrays["terminals"]
    cut = terminated | arrays.get("timeouts", np.zeros_like(terminated))
    if "timeouts" in arrays:
        return _Rows(terminated, cut, is_step=terminated), []
    if "next_observations" not in arrays:
        doubt = (
            "it has neither timeouts nor next_observations, so that only terminals end episodes; an episode that a "
            "step limit cut runs on into the next one."
        )
        return _Rows(terminated, cut, is_step=terminated), [doubt]
    breaks = ~_near(arrays["next_observations"][:-1], arrays["observations"][1:]) & ~cut[:-1]
    doubt = (
        f"it has no timeouts, so that episodes are taken to be cut after {int(breaks.sum()):,} of the rows, those "
        "whose next_observations is not the observation of the next row."
    )
    return _Rows(terminated, cut | np.append(breaks, False), is_step=terminated), [doubt]


def _translated(arrays: Demonstrations, rows: _Rows) -> tuple[Demonstrations, int]:
    """Return the arrays in this package's layout, and the number of steps whose successor is not recorded."""
    obs, count = arrays["observations"], len(arrays["observations"])
    cut = rows.cut.copy()
    cut[-1] = True  # nothing follows
    if "next_observations" in arrays:
        next_obs, kept = arrays["next_observations"].copy(), np.ones(count, bool)
        same = np.append(_near(next_obs[:-1], obs[1:]), False)
        unknown = same & cut & rows.terminated  # the row after a termination is the beginning of the next episode
        follows = np.flatnonzero(same & ~cut)
        next_obs[follows] = obs[follows + 1]
    else:
        next_obs, kept = obs[np.minimum(np.arange(count) + 1, count - 1)], ~cut | rows.is_step
        unknown = cut & rows.is_step
    next_obs[unknown] = obs[unknown]
    episode = np.cumsum(np.append(False, (cut | rows.terminated)[:-1]))[kept]
    is_first = np.append(True, episode[1:] != episode[:-1])[: len(episode)]
    terminated = rows.terminated[kept]
    names = {"actions": "action", "rewards": "env_reward"}
    others = {key: array for key, array in arrays.items() if key in names or key.startswith(INFO)}
    made = {names.get(key, key): array[kept] for key, array in others.items()}
    made |= {"obs": obs[kept], "next_obs": next_obs[kept], "terminated": terminated}
    made |= {"truncated": np.append(is_first[1:], True)[: len(episode)] & ~terminated}
    made |= {"episode_start": np.flatnonzero(is_first)}
    return made | {key: arrays[key] for key in ("env",) if key in arrays}, int(unknown.sum())


def _near(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return True for the rows [n] that are equal but for rounding."""
    real = one.dtype.kind == "f" and other.dtype.kind == "f"
    equal = np.isclose(one, other, rtol=ROUNDING, atol=ROUNDING) if real else one == other
    return np.asarray(equal).all(axis=tuple(range(1, one.ndim)), keepdims=True).reshape(len(one))
