"""``reward_of`` agrees with the reward that the environment pays, where observations show the true reward."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.envs.base import HostEnvironment
from rl_rewards.loop import build
from rl_rewards.loop.collect import collect_jax, reset_jax
from tests.runs import composed

STEPS, ENVS = 30, 64


@pytest.mark.parametrize(
    "overrides",
    [
        ("env=point", "env.goal_radius=0.8"),
        ("env=point_maze", "env.layout=hazards", "env.start=anywhere"),
        ("env=point_maze", "env.layout=hazards", "env.start=anywhere", "env.hazard=hurts", "env.reward=steps"),
        ("env=grid",),
        ("env=flip",),
        ("env=driver",),
        ("env=driver", "env.variant=biyik2019", "env.weights=[0.5,-0.5,0.5,-0.5]"),
        ("env=pencil_case", "env.observation=true_pose"),
    ],
    ids=" ".join,
)
def test_reward_of_what_happened(overrides):
    env = build.build_env(composed(*overrides))
    obs, action, next_obs, paid = rollout(env)
    told = env.reward_of(jnp.asarray(obs), jnp.asarray(action), jnp.asarray(next_obs))
    assert told is not None
    np.testing.assert_allclose(np.asarray(told), paid, atol=2e-5)
    assert np.ptp(paid) > 0.0, "the reward was constant, so that nothing was tested"


def rollout(env):
    """Return obs, action, next_obs and env_reward, leaves [T, B, ...], of random actions."""
    if isinstance(env, HostEnvironment):
        return host_rollout(env)
    act_space = env.spec.action

    def act(memory, obs, key):
        if hasattr(act_space, "n"):
            return jax.random.randint(key, obs.shape[:1], 0, act_space.n), memory, {}
        low, high = jnp.array(act_space.low), jnp.array(act_space.high)
        return jax.random.uniform(key, (obs.shape[0], *act_space.shape), minval=low, maxval=high), memory, {}

    start_key, key = jax.random.split(jax.random.key(0))
    steps = collect_jax(env, act, reset_jax(env, start_key, ENVS), key, STEPS).rollout
    return steps.obs, steps.action, steps.next_obs, np.asarray(steps.env_reward)


def host_rollout(env):
    batch, rng, found = env.make(ENVS, 0), np.random.default_rng(0), []
    batch.reset(np.ones(ENVS, bool))
    batch.positions[:, 2] = rng.uniform(-0.2, 0.2, ENVS)
    batch.positions[:, 3] = rng.uniform(0.0, 0.4, ENVS)  # some behind the notebook, some in front of it
    obs = batch.reset(np.zeros(ENVS, bool))
    for _ in range(3):
        action = rng.uniform(-1.0, 1.0, (ENVS, 2)).astype(np.float32)
        out = batch.step(action)
        found.append((obs, action, out.next_obs, out.env_reward))
        obs = out.next_obs
    return tuple(np.stack(x) for x in zip(*found, strict=True))
