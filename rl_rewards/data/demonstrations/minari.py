"""Minari datasets as demonstrations: ``demos=minari:DATASET-ID`` (extra ``minari``); nothing is ever downloaded."""

import warnings
from typing import Any

import numpy as np
from gymnasium import spaces

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError, one_line


def read_minari(dataset_id: str) -> dict[str, np.ndarray]:
    """All episodes of a dataset on this machine, in the layout that this folder's ``__init__.py`` describes.

    Choices become what they are inside: actions count from 0, wherever their space starts, and observations are one-hot
    vectors.

    Raises:
        ConfigError: when Minari is not installed, the dataset is not there or damaged, its observations are no plain
            arrays, an episode's arrays do not fit each other, or a choice lies outside its space.
    """
    name = f"minari:{dataset_id}"
    spec, episodes = _read(name, dataset_id)
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
    arrays["truncated"][last] |= ~arrays["terminated"][last]  # a recording that just stops was cut there
    if isinstance(spec.action_space, spaces.Discrete):
        arrays["action"] = _from_zero(name, arrays, "action", spec.action_space)
    if isinstance(spec.observation_space, spaces.Discrete):
        one_hot = np.eye(int(spec.observation_space.n), dtype=np.float32)
        for key in ("obs", "next_obs"):
            arrays[key] = one_hot[_from_zero(name, arrays, key, spec.observation_space)]
    if spec.env_spec is not None:
        arrays["env"] = np.array(spec.env_spec.id)
    return arrays


def _read(name: str, dataset_id: str) -> tuple[Any, list[Any]]:
    """Minari's description of a dataset, and its episodes."""
    try:
        import minari
    except ImportError as error:
        raise ConfigError(f'{name} needs Minari; install it with: pip install -e ".[minari]".') from error
    with warnings.catch_warnings(record=True) as caught:  # of datasets that it cannot list
        warnings.simplefilter("always")
        here = minari.list_local_datasets()
    if dataset_id not in here:
        about = [str(one.message) for one in caught if f"dataset named {dataset_id}:" in str(one.message)]
        require(not about, f"{name} cannot be read: {(about or [''])[0].rstrip('.')}; delete it and download it again.")
        told = f"there are {', '.join(sorted(here))}" if here else "there is none"
        raise ConfigError(f"{name} is not on this machine ({told}); fetch it with: minari download {dataset_id}.")
    try:
        dataset = minari.load_dataset(dataset_id)
        return dataset.spec, list(dataset.iterate_episodes())
    except Exception as error:  # of its storage libraries, and of the environment that it may make
        raise ConfigError(f"{name} cannot be read: {one_line(error)}; if it is damaged, download it again.") from error


def _check_episode(name: str, episode: Any) -> None:
    """Refuse an episode whose arrays are not T actions between T + 1 observations."""
    plain = isinstance(episode.observations, np.ndarray) and isinstance(episode.actions, np.ndarray)
    require(plain, f"{name} has observations or actions that are no plain arrays; only those can be used.")
    require(min(episode.observations.ndim, episode.actions.ndim) > 0, f"{name} has a single value for an array.")
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
        require(right, f"{name} has {steps} actions, but {key} of the type {array.dtype} and shape {array.shape}.")


def _from_zero(name: str, arrays: dict[str, np.ndarray], key: str, space: spaces.Discrete) -> np.ndarray:
    """Choices [n] of ``space``, counted from 0; whatever lies outside is told in the space's own numbers."""
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
