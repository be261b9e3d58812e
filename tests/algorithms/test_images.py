"""Tests of PPO and SAC on images: they learn from them, and only the critics' loss trains SAC's encoder."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.types import Box
from tests.algorithms.small import small_ppo, small_sac, train
from tests.probes import ObsActionReward, make_spec

UNIT = Box(shape=(1,), low=(-1.0,), high=(1.0,))
SIDE = 8
SPEC = replace(make_spec(action=UNIT, max_episode_steps=1), obs=Box(shape=(SIDE, SIDE, 3), dtype="uint8"))
PICTURES = np.zeros((2, SIDE, SIDE, 3), np.uint8)
PICTURES[0, :, : SIDE // 2] = PICTURES[1, :, SIDE // 2 :] = 255
"""One image is white on the left, the other is white on the right."""


class PictureProbe(ObsActionReward):
    """ObsActionReward with its observation, -1 or 1, as an image; the reward is 1 for the same action."""

    @property
    def spec(self):
        return SPEC

    def observe(self, state):
        return jnp.where(state.obs[0] > 0, *PICTURES[::-1])

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, out._replace(next_obs=self.observe(state))


@pytest.mark.long
@pytest.mark.parametrize(
    ("algorithm", "rounds"),
    [
        (small_ppo(SPEC, learning_rate=3e-3, num_envs=16), 12),
        (
            small_sac(
                SPEC, image_shift=1, model={"hidden": [16]}, batch_size=32, replay_capacity=512, learning_starts=64
            ),
            12,
        ),
    ],
    ids=["ppo", "sac"],
)
def test_it_learns_what_a_picture_shows(algorithm, rounds):
    agent, rows = train(PictureProbe(action=UNIT), algorithm, rounds)
    action, _, _ = algorithm.act(agent, (), jnp.asarray(PICTURES), jax.random.key(0), explore=False)
    left, right = np.asarray(action)[:, 0]
    assert left < -0.3 and right > 0.3
    assert rows[-1]["agent/reward_mean"] > rows[0]["agent/reward_mean"] + 0.2
    moments = agent.obs_moments
    assert moments.mean.shape == () and moments.count == 0, "images have no running statistics"


def test_only_the_critics_move_sacs_encoder():
    algorithm = small_sac(SPEC, temperature="auto")
    state = jax.jit(algorithm.init)(jax.random.key(0))
    batch = _batch(8)

    def actor_loss(encoder):
        return algorithm._actor_loss(state.actor, state.replace(encoder=encoder), batch, jax.random.key(1))[0]

    actor_gradients = jax.jit(jax.grad(actor_loss))(state.encoder)
    assert all(np.all(x == 0) for x in jax.tree.leaves(actor_gradients))
    after, _ = jax.jit(algorithm._gradient_step)(state, batch, jnp.int32(0), jax.random.key(1))
    kernel = ("params", "Dense_0", "kernel")
    moved, followed = (_difference(getattr(after, name), getattr(state, name), kernel) for name in TRAINED)
    assert np.abs(moved).max() > 1e-4
    np.testing.assert_allclose(followed, algorithm.target_rate * moved, atol=1e-7)


TRAINED = ("encoder", "target_encoder")


def _batch(n: int) -> Any:
    from rl_rewards.algorithms.sac import SACBatch

    rng = np.random.default_rng(0)
    pictures = jnp.asarray(PICTURES[rng.integers(0, 2, n)])
    return SACBatch(
        inputs=pictures,
        action=jnp.asarray(rng.uniform(-1, 1, (n, 1)), jnp.float32),
        reward=jnp.ones(n),
        next_inputs=pictures,
        terminated=jnp.zeros(n, bool),
        valid=jnp.ones(n, bool),
        is_demo=jnp.zeros(n, bool),
        absorbing_value=jnp.zeros(()),
    )


def _difference(new: dict, old: dict, path: tuple[str, ...]) -> np.ndarray:
    for name in path:
        new, old = new[name], old[name]
    return np.asarray(new) - np.asarray(old)
