"""Small algorithms for tests, and a function that trains them on a probe environment."""

import jax

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.algorithms.ppo import PPO
from rl_rewards.algorithms.sac import SAC
from rl_rewards.core.types import Box, EnvSpec
from rl_rewards.loop.rounds import Rounds
from rl_rewards.loop.state import Parts, init_state
from rl_rewards.rewards.environment import EnvironmentReward
from tests.probes import make

DISCOUNT = 0.5
LOPSIDED = Box(shape=(1,), low=(-2.0,), high=(6.0,))
"""An action space that differs from the network's [-1, 1] in centre and in scale."""

SMALL_PPO = {
    "num_envs": 32,
    "rollout_length": 8,
    "discount": DISCOUNT,
    "trace_decay": 0.95,
    "learning_rate": 1e-2,
    "learning_rate_schedule": "constant",
    "final_learning_rate_share": 0.0,
    "target_kl": None,
    "min_log_std": None,
    "noise_every": None,
    "reward_scale_floor": None,
    "max_gradient_norm": 0.5,
    "epochs": 4,
    "minibatches": 2,
    "clip": 0.2,
    "value_weight": 0.5,
    "entropy_weight": 0.0,
    "model": {"hidden": [16], "activation": "tanh"},
    "initial_log_std": -0.5,
    "normalize_obs": True,
    "obs_clip": 8.0,
    "normalize_reward": False,
    "reward_scale_decay": 0.9,
    "carry_returns": False,
}
"""All values are set here, so that the tests do not depend on the defaults in the YAML."""

SMALL_SAC = {
    "num_envs": 16,
    "rollout_length": 8,
    "replay_capacity": 2048,
    "learning_starts": 128,
    "batch_size": 64,
    "update_ratio": 0.25,
    "discount": DISCOUNT,
    "target_rate": 0.05,
    "actor_learning_rate": 3e-3,
    "critic_learning_rate": 3e-3,
    "temperature": 1e-3,
    "initial_temperature": 0.1,
    "temperature_learning_rate": 1e-2,
    "target_entropy": None,
    "critics": 2,
    "target_critics": 2,
    "actor_maximizes": "min",
    "actor_every": 1,
    "model": {"hidden": [32], "activation": "relu"},
    "log_std_range": [-5.0, 2.0],
    "image_shift": 2,
    "normalize_obs": False,
    "obs_clip": 8.0,
    "normalize_reward": False,
    "reward_scale_decay": 0.9,
    "carry_returns": False,
    "demos": None,
    "demo_fraction": 0.0,
    "bc_weight": 0.0,
}


def small_ppo(spec: EnvSpec, **changes) -> PPO:
    return make("algorithm", "ppo", spec, **(SMALL_PPO | changes))


def small_sac(spec: EnvSpec, **changes) -> SAC:
    return make("algorithm", "sac", spec, **(SMALL_SAC | changes))


def train(env, algorithm: Algorithm, rounds: int, seed: int = 0):
    """Return the state after ``rounds`` rounds with the environment's own reward, and the metrics of each round."""
    parts = Parts(env, EnvironmentReward(spec=env.spec), algorithm)
    state = init_state(parts, seed)
    run = Rounds(parts, {}, state, None)
    rows = []
    for i in range(rounds):
        state, metrics, _ = run(state, i)
        rows.append(metrics)
    return state.agent, jax.device_get(rows)
