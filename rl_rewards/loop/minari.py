"""Minari datasets as demonstrations: ``demos=minari:DATASET-ID`` (extra ``minari``); nothing is ever downloaded."""

import numpy as np

from rl_rewards.core.errors import ConfigError


def read_minari(dataset_id: str) -> dict[str, np.ndarray]:
    """All episodes of a dataset on this machine, in the layout of ``loop.demonstrations``.

    Raises:
        ConfigError: when Minari is not installed, the dataset is not there, or its observations are no plain arrays.
    """
    name = f"minari:{dataset_id}"
    try:
        import minari
    except ImportError as error:
        raise ConfigError(f'{name} needs Minari; install it with: pip install -e ".[minari]".') from error
    here = minari.list_local_datasets()
    if dataset_id not in here:
        told = f"there are {', '.join(sorted(here))}" if here else "there is none"
        raise ConfigError(f"{name} is not on this machine ({told}); fetch it with: minari download {dataset_id}.")
    dataset = minari.load_dataset(dataset_id)
    episodes = list(dataset.iterate_episodes())
    if not episodes:
        raise ConfigError(f"{name} holds no episode; at least one is needed.")
    if not isinstance(episodes[0].observations, np.ndarray) or not isinstance(episodes[0].actions, np.ndarray):
        raise ConfigError(f"{name} has observations or actions that are no plain arrays; only those can be used.")
    lengths = [len(episode.actions) for episode in episodes]
    arrays = {
        "obs": np.concatenate([episode.observations[:-1] for episode in episodes]),
        "action": np.concatenate([episode.actions for episode in episodes]),
        "next_obs": np.concatenate([episode.observations[1:] for episode in episodes]),
        "terminated": np.concatenate([episode.terminations for episode in episodes]).astype(bool),
        "truncated": np.concatenate([episode.truncations for episode in episodes]).astype(bool),
        "env_reward": np.concatenate([episode.rewards for episode in episodes]),
        "episode_start": np.cumsum([0, *lengths[:-1]]),
        "episode_return": np.array([np.sum(episode.rewards) for episode in episodes], np.float32),
    }
    last = np.cumsum(lengths) - 1
    arrays["truncated"][last] |= ~arrays["terminated"][last]  # a recording that just stops was cut there
    if dataset.spec.env_spec is not None:
        arrays["env"] = np.array(dataset.spec.env_spec.id)
    return arrays
