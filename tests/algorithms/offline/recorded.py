"""Small recorded data sets with known answers, and helpers that train an offline learner on them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.types import EnvSpec, Experience, Transition, make_record
from rl_rewards.data.dataset import Dataset
from rl_rewards.rewards.base import reward_fn
from rl_rewards.rewards.environment import EnvironmentReward
from tests.probes import make

MODEL = {"hidden": [32, 32], "activation": "tanh"}
SMALL = {"data": "any.npz", "rounds": 10, "gradient_steps": 200, "batch_size": 64, "model": MODEL}
SMALL |= {"normalize_obs": False, "normalize_reward": False}


def dataset_of(
    obs: Any,
    action: Any,
    reward: Any,
    next_obs: Any = None,
    terminated: Any = True,
    lengths: Any = None,
    rows: Any = (None,),
) -> Dataset:
    """Return a data set of numpy arrays.

    Args:
        next_obs: None means ``obs``.
        lengths: steps of each episode, one after the other; None means episodes of one step.
        rows: of each seed; None means all.
    """
    n = len(reward)
    steps = make_record(
        Transition,
        obs=np.asarray(obs, np.float32),
        action=np.asarray(action),
        next_obs=np.asarray(obs if next_obs is None else next_obs, np.float32),
        env_reward=np.asarray(reward, np.float32),
        terminated=np.broadcast_to(terminated, n).copy(),
        truncated=np.zeros(n, bool),
        valid=np.ones(n, bool),
        is_demo=np.zeros(n, bool),
        behaviour={},
        info={},
    )
    ends = np.cumsum(np.ones(n, int) if lengths is None else lengths) - 1
    follows = ~np.isin(np.arange(n - 1), ends)
    return jax.tree.map(jnp.asarray, Dataset.of(steps, follows, list(rows)))


def trained(name: str, spec: EnvSpec, dataset: Dataset, rounds: int = 10, **changes: Any):
    """Return the algorithm ``name``, and its state and metrics after ``rounds`` rounds on the recorded rewards."""
    algorithm = make("algorithm", name, spec, **(SMALL | changes))
    source = EnvironmentReward(spec=spec)
    experience = Experience(None, *[lambda *_: None] * 3, dataset=dataset)
    update = jax.jit(lambda s, i: algorithm.update(s, experience, reward_fn(source, {}), i, jax.random.key(i)))
    state, metrics = jax.jit(algorithm.init)(jax.random.key(0)), {}
    for i in range(rounds):
        state, metrics = update(state, jnp.int32(i))
    return algorithm, state, jax.device_get(metrics)
