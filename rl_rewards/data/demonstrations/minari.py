"""Minari data sets as demonstrations: ``demos=minari:DATASET-ID`` (extra ``minari``); nothing is downloaded."""

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium import spaces

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError, one_line
from rl_rewards.data.arrays import check_size


def read_minari(dataset_id: str, free: int | None = None) -> dict[str, np.ndarray]:
    """Return all episodes of a data set on this machine, in the layout that this folder's ``__init__.py`` describes.

    Discrete actions are counted from 0, even if their space starts elsewhere, and discrete observations become one-hot
    vectors.

    Args:
        free: the bytes of memory that the arrays may take; None if they are unknown.

    Raises:
        ConfigError: if Minari is not installed, the data set is missing or damaged, its arrays are too large, its
            observations are not plain arrays, the arrays of an episode do not fit together, or a discrete value lies
            outside its space.
    """
    name = f"minari:{dataset_id}"
    spec, episodes = _read(name, dataset_id, free)
    require(len(episodes) > 0, f"{name} holds no episode; at least one is needed.")
    for number, episode in enumerate(episodes):
        _check_episode(f"{name}: episode {number}", episode)
    lengths = [len(episode.actions) for episode in episodes]
    try:
        arrays = {
            "obs": np.concatenate([episode.observations[:-1] for episode in episodes]),
            "action": np.concatenate([episode.actions for episode in episodes]),
            "next_obs": np.concatenate([episode.observations[1:] for episode in episodes]),
            "terminated": np.concatenate([episode.terminations for episode in episodes]).astype(bool),
            "truncated": np.concatenate([episode.truncations for episode in episodes]).astype(bool),
            "env_reward": np.concatenate([episode.rewards for episode in episodes]),
            "episode_start": np.cumsum([0, *lengths[:-1]]),
            "episode_return": np.array([np.sum(episode.rewards) for episode in episodes]),
        }
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name}: its episodes differ in shape or type ({one_line(error)}).") from error
    last = np.cumsum(lengths) - 1
    arrays["truncated"][last] |= ~arrays["terminated"][last]  # a recording that stops without a flag was truncated
    if isinstance(spec.action_space, spaces.Discrete):
        arrays["action"] = _from_zero(name, arrays, "action", spec.action_space)
    if isinstance(spec.observation_space, spaces.Discrete):
        one_hot = np.eye(int(spec.observation_space.n), dtype=np.float32)
        for key in ("obs", "next_obs"):
            arrays[key] = one_hot[_from_zero(name, arrays, key, spec.observation_space)]
    if spec.env_spec is not None:
        arrays["env"] = np.array(spec.env_spec.id)
    return arrays


def minari_sizes(spec: Any) -> dict[str, int]:
    """Return the bytes of memory that each array of a data set takes while it is read, by Minari's ``spec`` of it.

    Each array exists twice, as episodes and as the episodes joined. Infos are not kept. Entries of spaces that are no
    arrays count as nothing, because such data sets are refused.
    """
    steps, episodes = int(spec.total_steps), int(spec.total_episodes)
    obs, action = (_bytes_of(space) for space in (spec.observation_space, spec.action_space))
    read = {"obs": (steps + episodes) * obs, "action": steps * action, "env_reward": 8 * steps}
    joined = {"obs": steps * obs, "next_obs": steps * obs, "action": steps * action, "env_reward": 8 * steps}
    ends = {"terminated": 2 * steps, "truncated": 2 * steps}
    return {key: read.get(key, 0) + size for key, size in joined.items()} | ends


def _bytes_of(space: spaces.Space) -> int:
    """Return the bytes of one element of a space; 0 if it is no array."""
    return 0 if space.shape is None or space.dtype is None else math.prod(space.shape) * space.dtype.itemsize


def _read(name: str, dataset_id: str, free: int | None) -> tuple[Any, list[Any]]:
    """Return Minari's spec of a data set, and its episodes without their infos, if their arrays fit into memory."""
    try:
        import minari
    except ImportError as error:
        raise ConfigError(f'{name} needs Minari; install it with: pip install -e ".[minari]".') from error
    with warnings.catch_warnings(record=True) as caught:  # about data sets that it cannot list
        warnings.simplefilter("always")
        here = minari.list_local_datasets()
    if dataset_id not in here:
        about = [str(one.message) for one in caught if f"dataset named {dataset_id}:" in str(one.message)]
        require(not about, f"{name} cannot be read: {(about or [''])[0].rstrip('.')}; delete it and download it again.")
        told = f"there are {', '.join(sorted(here))}" if here else "no data set is"
        raise ConfigError(f"{name} is not on this machine ({told}); get it with: minari download {dataset_id}.")
    try:
        dataset = minari.load_dataset(dataset_id)
        spec = dataset.spec
        check_size(name, minari_sizes(spec), free)
        return spec, [replace(episode, infos={}) for episode in dataset.iterate_episodes()]
    except ConfigError:
        raise
    except Exception as error:  # storage libraries, or the environment that Minari may make, can raise any error
        raise ConfigError(f"{name} cannot be read: {one_line(error)}; if it is damaged, download it again.") from error


def _check_episode(name: str, episode: Any) -> None:
    """Check that an episode has T actions and T + 1 observations, and T entries in every other array."""
    plain = isinstance(episode.observations, np.ndarray) and isinstance(episode.actions, np.ndarray)
    require(plain, f"{name} has observations or actions that are not plain arrays; only plain arrays can be used.")
    require(
        min(episode.observations.ndim, episode.actions.ndim) > 0, f"{name} has a single value where an array is needed."
    )
    steps, found = len(episode.actions), len(episode.observations)
    require(steps > 0, f"{name} has no action; every episode needs at least one.")
    require(
        found == steps + 1,
        f"{name} has {steps} actions and {found} observations; {steps + 1} are needed, one before each action and one "
        "after the last.",
    )
    for key in ("rewards", "terminations", "truncations"):
        array = np.asarray(getattr(episode, key))
        right = array.shape == (steps,) and array.dtype.kind in "biuf"
        require(right, f"{name}: {key} has type {array.dtype} and shape {array.shape}; {steps} numbers are needed.")


def _from_zero(name: str, arrays: dict[str, np.ndarray], key: str, space: spaces.Discrete) -> np.ndarray:
    """Return values [n] of ``space``, counted from 0; messages use the numbers of the space itself."""
    values, first, last = arrays[key], int(space.start), int(space.start + space.n) - 1
    whole = values.ndim == 1 and values.dtype.kind in "iu"
    require(whole, f"{name}: {key} has the type {values.dtype} and shape {values.shape}; whole numbers are needed.")
    wrong = np.flatnonzero((values < first) | (values > last))
    if len(wrong):
        episode = int(np.searchsorted(arrays["episode_start"], wrong[0], side="right")) - 1
        step = wrong[0] - arrays["episode_start"][episode]
        told = f"{name}: the {key} of episode {episode}, step {step}, is {values[wrong[0]]}"
        raise ConfigError(f"{told}; its space {space} has {first} to {last}.")
    return (values.astype(np.int64) - first).astype(np.int32)
