"""Noise that is kept: when it is drawn anew, and the head that turns it into actions."""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.models.base import Model
from rl_rewards.models.exploration import KeptNoise, StateDependentPolicyHead
from tests.probes import make, make_spec

HEAD = StateDependentPolicyHead(make_spec(obs=3), make("model", "mlp", hidden=[8, 5]), -0.5)


def test_noise_is_kept_for_its_steps_in_each_environment():
    """The first environment's episode begins two steps before the second's; noise is kept for three steps."""
    memory, seen = KeptNoise.none_yet(2, 4, 1), []
    for t, key in enumerate(jax.random.split(jax.random.key(0), 8)):
        begins = jnp.array([t == 0, t == 2])
        fresh = KeptNoise.none_yet(2, 4, 1)
        memory = jax.tree.map(lambda x, y: jnp.where(begins.reshape(-1, *[1] * (x.ndim - 1)), x, y), fresh, memory)  # noqa: B023
        memory = memory.next(key, every=3)
        seen.append(np.asarray(memory.noise[:, :, 0]))
    groups = [[[0, 1, 2], [3, 4, 5], [6, 7]], [[0, 1], [2, 3, 4], [5, 6, 7]]]
    for env, runs in enumerate(groups):
        for run in runs:
            assert all(np.array_equal(seen[run[0]][env], seen[t][env]) for t in run)
        first = np.stack([seen[run[0]][env] for run in runs])
        assert len(np.unique(first)) == first.size, "each draw is new, of every feature"
    assert not np.array_equal(seen[0][0], seen[0][1]), "environments have noise of their own"


def test_a_seed_draws_the_same_among_several():
    def draw(key):
        return KeptNoise.none_yet(2, 4, 1).next(key, every=3).noise

    alone = [jax.random.split(jax.random.key(0), 3)[1], jax.random.split(jax.random.key(0), 3)]
    one, several = jax.jit(draw)(alone[0]), jax.jit(jax.vmap(draw))(alone[1])
    np.testing.assert_array_equal(several[1], one)


def test_features_are_the_last_hidden_layer():
    """They shape the deviation, and get no gradient from it; their own weights do."""
    assert HEAD.features(3) == 5
    params = HEAD.init(jax.random.key(0), jnp.zeros((1, 3)))
    assert params["log_std"].shape == (5, 2)
    x = jax.random.normal(jax.random.key(1), (7, 3))

    def entropy(params):
        return jnp.mean(HEAD.distribution(params, x).entropy())

    gradients = jax.grad(entropy)(params)
    assert all(np.all(np.asarray(leaf) == 0.0) for leaf in jax.tree.leaves(gradients["network"]))
    assert np.all(np.asarray(gradients["log_std"]) > 0.0)
    found = HEAD.distribution(params, x)
    assert found.features.shape == (7, 5) and np.std(found.features) > 0.1
    np.testing.assert_allclose(found.mode(), HEAD.network.apply(params["network"], x), atol=1e-6)


def test_the_floor_is_one_of_single_features():
    floored = StateDependentPolicyHead(HEAD.spec, HEAD.model, -0.5, min_log_std=-0.4)
    params = HEAD.init(jax.random.key(0), jnp.zeros((1, 3)))
    np.testing.assert_array_equal(floored.above_floor(params)["log_std"], np.float32(-0.4))
    np.testing.assert_array_equal(floored.distribution(params, jnp.zeros((1, 3))).log_std, np.float32(-0.4))
    np.testing.assert_array_equal(HEAD.above_floor(params)["log_std"], params["log_std"])


@dataclass(frozen=True, kw_only=True)
class Closed(Model):
    """A model whose networks do not show their last hidden layer."""

    def network(self, outputs, output_gain=1.0):
        return nn.Dense(outputs)


def test_a_network_that_hides_its_features_is_refused():
    with pytest.raises(ConfigError, match=r"Dense does not provide .* which algorithm\.noise_every needs"):
        StateDependentPolicyHead(make_spec(), Closed(), 0.0).features(2)
