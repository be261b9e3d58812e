"""Tests of a recurrent layer over whole sequences: which inputs each output depends on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.models.recurrence import GRU, Sequences
from tests.probes import make

N, T, BEGINS, ELSEWHERE = 2, 6, 3, 4
"""In sequence 0, an episode begins at step 3 and another player acts at step 4; sequence 1 is one episode."""


@pytest.fixture(scope="module")
def influence():
    """Return |d output[n, t] / d input[n, s]|, [N, T, T], and the same for the initial memory, [N, T]."""
    layer = GRU(5)
    params = jax.jit(layer.init, static_argnums=1)(jax.random.key(0), 3)
    begins, acted = np.zeros((N, T), bool), np.ones((N, T), bool)
    begins[0, BEGINS], acted[0, ELSEWHERE] = True, False

    def outputs(x, memory):
        return layer.over_time(params, Sequences(memory, jnp.asarray(begins), jnp.asarray(acted)), x)[1]

    x, memory = jax.random.normal(jax.random.key(1), (N, T, 3)), jax.random.normal(jax.random.key(2), (N, 5))
    by_input, by_memory = jax.jit(jax.jacrev(outputs, (0, 1)))(x, memory)
    each = np.arange(N)
    return np.abs(by_input).sum(axis=(2, 5))[each, :, each], np.abs(by_memory).sum(axis=(2, 4))[each, :, each]


def test_an_episode_is_remembered_from_its_beginning_and_not_before(influence):
    by_input, by_memory = influence
    whole = np.tri(T) > 0.0
    np.testing.assert_array_equal(by_input[1] > 0.0, whole)
    np.testing.assert_array_equal(by_memory[1] > 0.0, True)
    np.testing.assert_array_equal(by_memory[0] > 0.0, np.arange(T) < BEGINS)
    np.testing.assert_array_equal(by_input[0, BEGINS:, :BEGINS], 0.0)
    assert (by_input[0, 5, BEGINS] > 0.0) and (by_input[0, 2, 0] > 0.0)


def test_what_another_player_saw_is_not_remembered(influence):
    assert (influence[0][0, ELSEWHERE + 1 :, ELSEWHERE] == 0.0).all()


def test_seeds_initialise_together():
    """The initialisation works under vmap, where flax's own orthogonal initialiser deadlocks."""
    layer = GRU(4)
    params = jax.jit(jax.vmap(lambda key: layer.init(key, 3)))(jax.random.split(jax.random.key(0), 3))
    kernel = params["params"]["hn"]["kernel"]
    np.testing.assert_allclose(kernel @ kernel.swapaxes(1, 2), np.broadcast_to(np.eye(4), (3, 4, 4)), atol=1e-5)


def test_no_units_are_refused():
    with pytest.raises(ConfigError, match=r"model\.units=0 must be at least 1\."):
        make("model", "gru", units=0)
