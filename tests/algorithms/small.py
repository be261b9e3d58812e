"""A PPO small enough for tests."""

from rl_rewards.algorithms.ppo import PPO
from rl_rewards.core.types import Box, EnvSpec
from tests.probes import make

DISCOUNT = 0.5
LOPSIDED = Box(shape=(1,), low=(-2.0,), high=(6.0,))
"""The network's [-1, 1] is neither centred nor scaled like this."""

SMALL = {
    "num_envs": 32,
    "rollout_length": 8,
    "discount": DISCOUNT,
    "trace_decay": 0.95,
    "learning_rate": 1e-2,
    "max_gradient_norm": 0.5,
    "epochs": 4,
    "minibatches": 2,
    "clip": 0.2,
    "value_weight": 0.5,
    "entropy_weight": 0.0,
    "hidden": [16],
    "activation": "tanh",
    "initial_log_std": -0.5,
    "normalize_obs": True,
    "obs_clip": 8.0,
    "normalize_reward": False,
    "reward_scale_decay": 0.9,
}
"""Every value is given, so that the YAML's defaults may be tuned freely."""


def small_ppo(spec: EnvSpec, **changes) -> PPO:
    return make("algorithm", "ppo", spec, **(SMALL | changes))
